"""``v2t-bench score``."""

from __future__ import annotations

from pathlib import Path

import click

from v2t_bench.cli import EXIT_FAILED
from v2t_bench.cli.options import tell


@click.command("score", short_help="Compute stored scores anew.")
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
def command(results: Path) -> None:
    """Compute every score in the folder RESULTS from its stored outputs, and its CSV.

    No model is needed. Where texts may not be stored, per-text scores are averaged anew.
    """
    from v2t_bench.checkpoints import space_of
    from v2t_bench.errors import BadInput
    from v2t_bench.leaderboard.stored import write_board
    from v2t_bench.rescoring import rescore
    from v2t_bench.store import Store, check_results_folder

    check_results_folder(results)
    store = Store(results)
    with store.lock():
        before = store.results()
        n_damaged = len(list(store.cells.glob("*/result.json"))) - len(before)
        if n_damaged and not before:
            raise BadInput(
                f"{results}: all {n_damaged} cells are damaged, so there is nothing to score; "
                "leaderboard.csv is left as it was"
            )
        after = [rescore(store, result, space_of(result.identity["space"])) for result in before]
        rows = write_board(store, after)
    changed = sum(old.scores != new.scores for old, new in zip(before, after, strict=True))
    tell(f"{len(after)} cells scored, {changed} changed; {len(rows)} rows in "
         f"{results / 'leaderboard.csv'}")  # fmt: skip
    if n_damaged:
        tell(f"{n_damaged} damaged cells are left out; run the same grid again to make them anew")
        raise click.exceptions.Exit(EXIT_FAILED)
