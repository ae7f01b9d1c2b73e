"""``vec2text:init=[...]``: another attack's answer is found, trained, asked and corrected."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from end_to_end.commands import Invoke, refused, run_process

HASHED = ("--embedder", "hashed", "--device", "cpu")


@pytest.fixture(scope="module")
def inverter(texts_file: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of vec2text that has hardly learned."""
    folder = tmp_path_factory.mktemp("shelf") / "made"
    done = run_process(
        "train", "vec2text", "--texts", texts_file, *HASHED, "--size", "tiny", "--steps", 5,
        "--batch-size", 8, "--n-texts", 80, "-o", folder, cache=cache,
    )  # fmt: skip
    assert done.status == 0, done.err
    return folder


def test_on_the_demo_the_answer_of_nearest_is_what_an_untaught_corrector_keeps(
    invoke: Invoke, inverter: Path, tmp_path: Path
) -> None:
    alone = f"vec2text:steps=2,fluency=0,checkpoint={inverter}"
    done = invoke("run", "--dataset", "demo-nq", *HASHED, "--limit", 10, "-o", tmp_path,
                  "--attack", alone, "--attack", f"{alone},init=[nearest]")  # fmt: skip
    assert done.status == 0, done.err
    with (tmp_path / "leaderboard.csv").open(newline="") as stream:
        rows = {row["attack"]: row for row in csv.DictReader(stream)}
    (nearest,) = (row for attack, row in rows.items() if attack.startswith("nearest"))
    without, begun = (
        next(row for attack, row in rows.items()
             if attack.startswith("vec2text") and ("init=" in attack) is wanted)
        for wanted in (False, True)
    )  # fmt: skip
    # Resolved and named by its content, as everything that decides a row.
    assert 'init=[nearest:checkpoint="demo@' in begun["attack"].replace("\\", "")
    assert float(without["cos"]) < float(nearest["cos"]) <= float(begun["cos"]) + 1e-6
    # Each text that it says is asked about, whatever else.
    assert int(begun["oracle_texts"]) >= 10


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("vec2text:init=[nearst]", "did you mean 'nearest'"),
        ("vec2text:steps=0,init=[nearest]", "init="),
        ("vec2text:init=[nearest:checkpoint=/no/such/folder]", "/no/such/folder"),
        ("vec2text:init=[search:queries=0]", "queries must be 1 or more"),
    ],
)
def test_what_cannot_be_begun_at_is_refused_in_one_line(
    invoke: Invoke, attack: str, expected: str
) -> None:
    refused(invoke("invert", "a red door", "--attack", attack, *HASHED), expected)
