"""Every grid of the repository can be asked for: its options exist, and so does all it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from v2t_bench.cli.run_verb import command
from v2t_bench.composition import canonical_defense
from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadInput, BadParameter, UnknownComponent
from v2t_bench.registry import Registry, discover
from v2t_bench.resolution import expand
from v2t_bench.spelling import parse
from v2t_bench.threat import WORST, parse_threat

GRIDS = sorted((Path(__file__).parents[2] / "grids").glob("*.toml"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


def options(grid: Path) -> dict[str, Any]:
    """What ``v2t-bench run --config`` makes of a grid file."""
    return command.make_context("run", ["--config", str(grid)]).params


def check(grid: Path, registry: Registry, data: Path) -> None:
    """Refuse a grid file with an option, a component, a parameter or a corpus that is none."""
    given = options(grid)
    for attack in expand(registry, "attacks", given["attacks"]):
        registry.canonical("attacks", parse(attack))
    for embedder in expand(registry, "embedders", given["embedders"]):
        registry.canonical("embedders", parse(embedder))
    for defense in expand(registry, "defenses", given["defenses"]):
        canonical_defense(registry, defense)
    for threat in given["threats"]:
        if threat not in ("all", WORST):
            parse_threat(threat)
    for dataset in given["datasets"]:
        try:
            open_corpora(dataset, Sources(data_dir=data, offline=True))
        except BadInput:
            continue  # known, and not in the empty folder


def test_there_are_grids() -> None:
    assert {"full", "small"} <= {grid.stem for grid in GRIDS}


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.stem)
def test_a_grid_names_only_what_exists(grid: Path, registry: Registry, tmp_path: Path) -> None:
    check(grid, registry, tmp_path)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.stem)
def test_a_grid_asks_for_nothing_twice(grid: Path, registry: Registry) -> None:
    given = options(grid)
    defenses = [
        canonical_defense(registry, text)
        for text in expand(registry, "defenses", given["defenses"])
    ]
    attacks = [
        str(registry.canonical("attacks", parse(text)))
        for text in expand(registry, "attacks", given["attacks"])
    ]
    for asked in (defenses, attacks, given["threats"], given["datasets"], given["seeds"]):
        assert len(asked) == len(set(asked))


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.stem)
def test_a_grid_is_official(grid: Path) -> None:
    assert options(grid)["limit"] is None


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ('defence = ["none"]', click.UsageError),
        ('defense = ["noyse:0.1"]', UnknownComponent),
        ('defense = ["noise:sigma=much"]', BadParameter),
        ('attack = ["vec2txt"]', UnknownComponent),
        ('embedder = ["minilmm"]', UnknownComponent),
        ('threat = ["omniscient"]', UnknownComponent),
        ('dataset = ["natural-questions"]', UnknownComponent),
        ('seed = ["first"]', click.BadParameter),
        ("max-tokens = 0", click.BadParameter),
        ("seed = [", click.UsageError),
    ],
)
def test_a_grid_with_a_slip_is_refused(
    line: str, refusal: type[Exception], registry: Registry, tmp_path: Path
) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(f"{line}\n")
    with pytest.raises(refusal):
        check(grid, registry, tmp_path)
