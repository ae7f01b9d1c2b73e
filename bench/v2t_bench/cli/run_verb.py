"""``v2t-bench run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v2t_bench.cli import EXIT_FAILED
from v2t_bench.cli.grid_file import read_grid_file
from v2t_bench.cli.options import (
    MACHINE,
    EmbeddingProgress,
    data_dir_option,
    fast_oracle_option,
    machine_options,
    make_context,
    make_sources,
    open_cache,
    takes_effect,
    tell,
)

if TYPE_CHECKING:
    from v2t_bench.cells import Scene
    from v2t_bench.contracts import BuildContext
    from v2t_bench.harness import Outcome
    from v2t_bench.leaderboard.rows import Row
    from v2t_bench.registry import Registry


@click.command("run", short_help="Measure combinations.")
@click.option(
    "--attack",
    "-a",
    "attacks",
    multiple=True,
    default=("vec2text",),
    show_default=True,
    help="Attack, or all. Repeatable.",
)
@click.option(
    "--defense",
    "-d",
    "defenses",
    multiple=True,
    default=("none",),
    show_default=True,
    help="Defense, parts joined by '+', or all. Repeatable.",
)
@click.option(
    "--embedder",
    "-e",
    "embedders",
    multiple=True,
    default=("minilm",),
    show_default=True,
    help="Embedder, or all. Repeatable.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    default=("demo",),
    show_default=True,
    help="demo, nq, msmarco, beir, mimic, beir:<name or folder>, mimic:<file>, texts:<file>, or "
    "all; see list datasets. Repeatable.",
)
@click.option(
    "--threat",
    "threats",
    multiple=True,
    default=("oblivious",),
    show_default=True,
    help="What the attacker knows: oblivious, adaptive:denoise, adaptive:retrain, "
    "adaptive:align,pairs=P, each also with oracle=protected; worst: the worst of them; or all. "
    "Repeatable.",
)
@click.option(
    "--public",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Texts that the attacker has, for adaptive:denoise and align without pairs; one a line, "
    "none of them attacked. Default: for demo collections their training texts. Repeatable.",
)
@click.option(
    "--n-public",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    help="Read at most so many of them.",
)
@click.option(
    "--seed",
    "seeds",
    type=click.IntRange(0),
    multiple=True,
    default=(0,),
    show_default=True,
    help="Of the owner's secret. Repeatable.",
)
@click.option(
    "--track",
    type=click.Choice(["cut", "chunks"]),
    default="cut",
    show_default=True,
    help="Documents by their first tokens, or all of them in pieces.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="The embedder's tokens of each text, special ones included.",
)
@click.option(
    "--n-texts", type=click.IntRange(1), help="Attacked texts a corpus; default 500 (demo: 60)."
)
@click.option(
    "--sample-seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the attacked sample.",
)
@click.option(
    "--limit", type=click.IntRange(1), help="Attack at most so many; marks the rows unofficial."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("v2t-results"),
    show_default=True,
    help="Results folder.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    callback=read_grid_file,
    is_eager=True,
    expose_value=False,
    help="Grid file (TOML): option names and their values.",
)
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Folder whose subfolders are trained attacks. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the grid, what is stored and what it costs.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first cell that fails.")
@click.option(
    "--keep-text",
    is_flag=True,
    help="Store texts and guesses also of corpora that "
    "may not be passed on; default: their hashes and scores.",
)
@click.option(
    "--restricted-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder of mode 0700 for vectors, texts and guesses of restricted corpora (mimic), of "
    "which otherwise nothing outlives the run.",
)
@click.option(
    "--trace",
    is_flag=True,
    help="Store every round of attacks that correct step by step, in each cell's traces.parquet; "
    "cells that are finished are not run again for it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON instead of a table.")
@data_dir_option
@fast_oracle_option
@machine_options
def command(**given: Any) -> None:
    """Measure every combination of dataset, embedder, defense, threat and attack.

    The undefended rows and the floors (silent, nearest, prior) are always added. A cell
    that is finished is not run again: the same command resumes a run that was stopped.

    \b
    v2t-bench run --attack vec2text --defense noise:0.01
    v2t-bench run --dataset beir:./scifact --attack all --defense noise:0.01 --defense noise:0.05
    """  # noqa: D301 - click's marker for a paragraph it must not wrap
    from v2t_bench.harness import Harness
    from v2t_bench.leaderboard.stored import write_board
    from v2t_bench.registry import discover
    from v2t_bench.restricted import RestrictedFolder
    from v2t_bench.store import Store
    from v2t_bench.vectors import VectorCache

    registry = discover()
    context = make_context(registry, **{key: given[key] for key in MACHINE})
    cache = open_cache(given["cache_dir"])
    scenes = _plan(given, registry, context, cache)
    restricted = (
        RestrictedFolder(given["restricted_dir"], given["output"])
        if given["restricted_dir"]
        else None
    )
    vectors = VectorCache(cache / "vectors", EmbeddingProgress())
    store = Store(given["output"])
    for line in dict.fromkeys(line for scene in scenes for line in scene.notices):
        tell(line)
    for scene in {scene.corpus.name: scene for scene in scenes}.values():
        for notice in scene.corpus.notices:
            tell(f"{scene.corpus.name}: {notice}")
    if given["dry_run"]:
        from v2t_bench.cli.dry_run import print_plan

        print_plan(scenes, store, vectors)
        return
    with store.lock():
        harness = Harness(
            registry=registry,
            context=context,
            store=store,
            cache=vectors,
            fail_fast=given["fail_fast"],
            keep_text=given["keep_text"],
            restricted=restricted,
            trace=given["trace"],
            tell=tell,
            on_outcome=_Counter(scenes),
        )
        outcomes = harness.run(scenes)
        rows = write_board(store, store.results())
    _report(outcomes, rows, as_json=given["as_json"], path=store.folder / "leaderboard.csv")
    if any(outcome.status == "failed" for outcome in outcomes):
        raise click.exceptions.Exit(EXIT_FAILED)


def _plan(
    given: dict[str, Any], registry: Registry, context: BuildContext, cache: Path
) -> list[Scene]:
    """Return the scenes that the options ask for."""
    from v2t_bench.cells import Grid
    from v2t_bench.cli.text_files import read_all
    from v2t_bench.matrix import Planner

    grid_keys = ("datasets", "embedders", "attacks", "defenses", "threats", "seeds", "track",
                 "max_tokens", "n_texts", "sample_seed", "limit")  # fmt: skip
    fast_oracle = takes_effect(given["fast_oracle"], context.device)
    public = read_all(given["public"], given["n_public"], "with", tell) if given["public"] else ()
    planner = Planner(
        registry=registry,
        context=context,
        shelves=[cache / "checkpoints", *given["checkpoints"]],
        public=public,
        sources=make_sources(given["data_dir"], offline=context.offline),
    )
    return planner.plan(Grid(**{key: given[key] for key in grid_keys}, fast_oracle=fast_oracle))


class _Counter:
    """Tells how far a run is."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.total = sum(len(scene.cells) for scene in scenes)
        self.done = 0

    def __call__(self, outcome: Outcome) -> None:
        from v2t_bench.harness import describe_cell
        from v2t_bench.leaderboard.table import short_attack

        self.done += 1
        if outcome.status != "stored":
            what = short_attack(describe_cell(outcome.cell))
            seconds = outcome.result.seconds.get("cell", 0) if outcome.result else 0
            tell(f"[{self.done}/{self.total}] {what}: {outcome.status} ({seconds:.1f} s)")


def _report(outcomes: list[Outcome], rows: list[Row], *, as_json: bool, path: Path) -> None:
    from v2t_bench.threat import WORST

    place = {outcome.cell.cell_id: at for at, outcome in enumerate(outcomes)}
    shown = [row for row in rows if str(row["cell_id"]) in place]
    # The worst of several stands below the one that it is.
    shown.sort(key=lambda row: (place[str(row["cell_id"])], row["threat"] == WORST))
    if as_json:
        click.echo(json.dumps(shown, indent=1))
    else:
        from v2t_bench.cli.printing import print_table
        from v2t_bench.leaderboard.table import rich_table

        print_table(rich_table(shown))
    for outcome in outcomes:
        if outcome.status in ("failed", "skipped"):
            from v2t_bench.harness import describe_cell

            tell(f"{outcome.status}: {describe_cell(outcome.cell)}: {outcome.reason}")
    counts = {
        s: sum(o.status == s for o in outcomes) for s in ("done", "stored", "skipped", "failed")
    }
    tell(", ".join(f"{n} {status}" for status, n in counts.items() if n) + f"; rows in {path}")
