"""The figures that README and docs/ quote of the studies stand in the studies."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

Row = dict[str, str]
STUDY = Path("leaderboards") / "studies" / "defenses.csv"
CELL = re.compile(r"^\| \**([a-z0-9_]+)\** \| \**`?([^|`*]+?)`?\**(?: \[([\d.]+), ([\d.]+)\])? \|")


@pytest.fixture(scope="module")
def study(root: Path) -> list[Row]:
    """Return the rows of nq in the study of defenses."""
    with (root / STUDY).open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["corpus"] == "beir:nq"]


def rounded(exact: str, shown: str) -> str:
    """Return a figure with as many digits after the point as ``shown`` has."""
    return f"{float(exact):.{len(shown.partition('.')[2])}f}"


def test_the_worked_row_is_a_row_of_the_study(root: Path, study: list[Row]) -> None:
    lines = (root / "docs" / "reading-a-row.md").read_text().splitlines()
    told = {m[1]: (m[2], m[3], m[4]) for m in map(CELL.match, lines) if m}
    known = (told["cell_id"][0].rstrip("…"), told["threat"][0])
    # A worst case has the id of the cell that it is told of.
    (row,) = (row for row in study if (row["cell_id"][: len(known[0])], row["threat"]) == known)

    numbers = {name: shown for name, (shown, *_) in told.items() if re.fullmatch(r"[\d.]+", shown)}
    assert len(numbers) >= 10
    assert numbers == {name: rounded(row[name], shown) for name, shown in numbers.items()}
    words = ("embedder", "defense", "threat", "flags")
    assert [told[name][0] for name in words] == [row[name] for name in words]
    assert told["bleu_norm"][1:] == tuple(
        rounded(row[f"bleu_norm_{end}"], "1.0") for end in ("lo", "hi")
    )


@pytest.mark.parametrize(
    ("defense", "threat", "pairs", "shown"),
    [
        ("none", "oblivious", "", "10.2"),
        ("rotate", "oblivious", "", "2.2"),
        ("rotate", "adaptive:align", "1024", "10.2"),
        ("permute", "adaptive:align", "1024", "10.0"),
        ("scale:largest=100", "adaptive:align", "1024", "10.1"),
        ("quantize:code=int8", "adaptive:align", "1024", "10.4"),
        ("quantize:code=int4", "adaptive:denoise", "", "10.0"),
        ("noise:on=both,sigma=0.02", "adaptive:denoise", "", "9.2"),
        ("noise:on=both,sigma=0.05", "adaptive:denoise", "", "6.8"),
        ("random_projection:k=128,seed=0", "oblivious", "", "4.4"),
        ("random_projection:k=128,seed=0", "adaptive:denoise", "", "6.5"),
    ],
)
def test_a_figure_that_readme_quotes_is_of_the_study(
    root: Path, study: list[Row], defense: str, threat: str, pairs: str, shown: str
) -> None:
    (row,) = (
        row
        for row in study
        if (row["defense"], row["threat"], row["pairs"]) == (defense, threat, pairs)
        and row["attack"].startswith("vec2text:")
    )

    assert rounded(row["bleu_norm"], shown) == shown
    assert shown in (root / "README.md").read_text()
