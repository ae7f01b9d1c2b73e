"""Rows and the CSV: joined, sorted, byte-stable, honest about what is missing."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path
from typing import Any

import pytest

from v2t_bench.canonical import hash_file
from v2t_bench.contamination import CONTAMINATED
from v2t_bench.errors import BrokenPromise
from v2t_bench.leaderboard.columns import frontier_columns
from v2t_bench.leaderboard.csv_file import csv_text
from v2t_bench.leaderboard.frontier import FEW_SEEDS, INCOMPLETE
from v2t_bench.leaderboard.rows import COLUMNS, OPAQUE, leaderboard_rows
from v2t_bench.leaderboard.table import rich_table, short_attack
from v2t_bench.results import Measured, Result

LABELS = {"corpus": "c", "track": "cut", "fingerprint": "f", "max_tokens": 32, "embedder": "e",
          "noise_on": "", "seeds": ""}  # fmt: skip


def utility(name: str, defense: str, ndcg: float) -> Result:
    return Result(
        kind="utility", cell_id=name, identity={}, labels={**LABELS, "defense": defense},
        scores={"ndcg_at_10": Measured(value=ndcg, low=None, high=None, n=20)},
        references={"undefended_utility": "u0"},
        facts={"snr_db": None, "released_dim": 4, "bytes_per_vector": 16},
    )  # fmt: skip


def leakage(name: str, defense: str, attack: str, bleu_norm: float, **references: str) -> Result:
    measured = Measured(value=bleu_norm, low=bleu_norm - 1, high=bleu_norm + 1, n=50)
    labels = {**LABELS, "defense": defense, "attack": attack, "threat": "oblivious",
              "oracle": "clean", "flags": [], "plugins": ["p==1"]}  # fmt: skip
    return Result(
        kind="leakage", cell_id=name, identity={}, labels=labels,
        scores={"bleu": measured, "bleu_norm": measured},
        references=references, facts={"oracle_texts": 7},
    )  # fmt: skip


@pytest.fixture
def results() -> list[Result]:
    return [
        utility("u0", "none", 0.8),
        utility("u1", "noise:sigma=1", 0.6),
        leakage("p0", "none", "prior:attack=[a]", 3.0, utility="u0"),
        leakage("a0", "none", "a", 40.0, utility="u0", undefended="a0", prior="p0"),
        leakage("a1", "noise:sigma=1", "a", 5.0, utility="u1", undefended="a0", prior="p0"),
    ]


@pytest.mark.parametrize(("asked", "flagged"), [(7, True), (0, False), (None, False)])
def test_a_row_says_that_its_questions_were_answered_in_bfloat16(
    results: list[Result], asked: int | None, flagged: bool
) -> None:
    fast = results[3].model_copy(
        update={"identity": {"oracle_arithmetic": "bfloat16"}, "facts": {"oracle_texts": asked}}
    )
    flags = by_cell([*results[:3], fast])["a0"]["flags"].split()
    assert ("fast-oracle" in flags) is flagged
    assert "fast-oracle" not in by_cell(results)["a0"]["flags"]


@pytest.mark.parametrize(("share", "flagged"), [(0.0101, True), (0.01, False), (0.0, False)])
def test_a_row_is_marked_where_more_than_a_hundredth_was_trained_on(
    results: list[Result], share: float, flagged: bool
) -> None:
    known = Measured(value=share, low=0.0, high=1.0, n=500)
    results[3] = results[3].model_copy(update={"scores": results[3].scores | {CONTAMINATED: known}})
    rows = by_cell(results)
    assert rows["a0"]["contaminated"] == share
    assert ("contaminated" in rows["a0"]["flags"].split()) is flagged
    # A cell that was stored before texts were looked up tells nothing.
    assert (rows["a1"]["contaminated"], rows["a1"]["flags"]) == (None, "oblivious-only")


def by_cell(results: list[Result]) -> dict[Any, dict[str, Any]]:
    return {row["cell_id"]: row for row in leaderboard_rows(results)}


def test_a_row_joins_leakage_with_the_utility_of_its_defense(results: list[Result]) -> None:
    row = by_cell(results)["a1"]
    assert (row["ndcg_at_10"], row["bleu_norm"], row["n_queries"]) == (0.6, 5.0, 20)


def test_pairs_are_those_the_attacker_was_given(results: list[Result]) -> None:
    given = {"labels": results[3].labels | {"pairs": 128}}
    results[3] = results[3].model_copy(update=given)
    rows = by_cell(results)
    # A cell that was stored before it was told has none.
    assert (rows["a0"]["pairs"], rows["a1"]["pairs"]) == (128, None)


def test_what_is_kept_is_a_share_of_the_undefended(results: list[Result]) -> None:
    assert by_cell(results)["a1"]["ndcg_kept"] == pytest.approx(0.75)


def test_headroom_is_the_undefended_attack_less_its_prior(results: list[Result]) -> None:
    rows = by_cell(results)
    assert (rows["a0"]["headroom"], rows["a1"]["headroom"]) == (37.0, 37.0)
    assert rows["p0"]["headroom"] is None


def test_an_attack_with_little_headroom_is_called_weak(results: list[Result]) -> None:
    results[2] = leakage("p0", "none", "prior:attack=[a]", 31.0, utility="u0")
    assert by_cell(results)["a1"]["flags"] == "below-floor oblivious-only weak-attack"


def test_only_defended_rows_can_lack_an_adaptive_attacker(results: list[Result]) -> None:
    rows = by_cell(results)
    assert (rows["a0"]["flags"], rows["a1"]["flags"]) == ("", "oblivious-only")
    assert (rows["a0"]["has_adaptive"], rows["a1"]["has_adaptive"]) == (None, False)


def test_a_missing_utility_leaves_its_columns_empty_and_says_so(results: list[Result]) -> None:
    row = by_cell(results[1:])["a0"]
    assert row["ndcg_at_10"] is None
    assert "no-utility" in str(row["flags"])
    assert by_cell(results[1:])["a1"]["ndcg_kept"] is None


def test_the_bytes_do_not_depend_on_the_order_of_cells(results: list[Result]) -> None:
    expected = csv_text(leaderboard_rows(results))
    for seed in range(5):
        random.Random(seed).shuffle(results)
        assert csv_text(leaderboard_rows(results)) == expected


def test_a_reference_to_a_cell_of_another_kind_is_none(results: list[Result]) -> None:
    own = dict.fromkeys(("utility", "undefended", "prior"), "z")
    odd = leakage("z", "none", "odd", 5.0, **own)
    row = by_cell([*results, odd])["z"]
    assert (row["ndcg_at_10"], row["headroom"]) == (None, 0.0)


def test_every_row_has_every_column(results: list[Result]) -> None:
    lines = csv_text(leaderboard_rows(results)).splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert {line.count(",") for line in lines} == {len(COLUMNS) - 1}


def test_what_does_not_exist_is_empty_and_never_nan(results: list[Result]) -> None:
    text = csv_text(leaderboard_rows(results))
    assert "nan" not in text.lower().split(",")
    assert ",," in text


def test_a_nan_is_refused(results: list[Result]) -> None:
    rows = leaderboard_rows(results)
    rows[0]["bleu"] = float("nan")
    with pytest.raises(BrokenPromise, match="bleu"):
        csv_text(rows)


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ('vec2text:beam=1,checkpoint="w@0123456789ab",steps=20', "vec2text:beam=1,steps=20"),
        ('bow:checkpoint="w@0123456789ab"', "bow"),
        ('prior:attack=[bow:checkpoint="w@0123456789ab"]', "prior:attack=[bow]"),
        ("silent", "silent"),
    ],
)
def test_the_table_leaves_checkpoints_out(label: str, short: str) -> None:
    assert short_attack(label) == short


def test_the_table_names_checkpoints_where_two_would_look_the_same(results: list[Result]) -> None:
    first, *_, last = leaderboard_rows(results)
    rows = [
        first | {"attack": 'bow:checkpoint="a@0123456789ab"'},
        first | {"attack": 'bow:checkpoint="b@0123456789ab"'},
        last | {"attack": 'nearest:checkpoint="c@0123456789ab"'},
    ]
    cells = list(rich_table(rows).columns[2].cells)
    assert cells == [rows[0]["attack"], rows[1]["attack"], "nearest"]


# Of the attack "a" the interval is 39 to 41.
@pytest.mark.parametrize(("prior", "nearest", "flagged"), [
    (3.0, 12.0, False), (39.0, 12.0, True), (38.9, 38.9, False), (3.0, 39.0, True),
    (3.0, None, False), (40.0, None, True),
])  # fmt: skip
def test_a_learned_attack_that_beats_not_both_floors_is_marked(
    prior: float, nearest: float | None, flagged: bool, results: list[Result]
) -> None:
    results[2] = leakage("p0", "none", "prior:attack=[a]", prior, utility="u0")
    if nearest is not None:
        results.append(leakage("n0", "none", 'nearest:checkpoint="w@12"', nearest, utility="u0"))
    rows = by_cell(results)
    assert ("below-floor" in str(rows["a0"]["flags"])) is flagged


def test_floors_themselves_are_not_below_the_floor(results: list[Result]) -> None:
    results.append(leakage("n0", "none", "nearest", 99.0, utility="u0"))
    rows = by_cell(results)
    assert "below-floor" not in str(rows["p0"]["flags"]) + str(rows["n0"]["flags"])


def test_nearest_is_the_floor_of_its_own_defense_only(results: list[Result]) -> None:
    results.append(leakage("n1", "noise:sigma=1", "nearest", 20.0, utility="u1"))
    rows = by_cell(results)
    assert "below-floor" not in str(rows["a0"]["flags"])
    assert "below-floor" in str(rows["a1"]["flags"])


@pytest.mark.parametrize("other", [{"threat": "adaptive"}, {"seeds": "7"}, {"max_tokens": 64}])
def test_nearest_is_no_floor_of_other_vectors(other: dict[str, Any], results: list[Result]) -> None:
    there = leakage("n0", "none", "nearest", 99.0, utility="u0")
    results.append(there.model_copy(update={"labels": there.labels | other}))
    assert "below-floor" not in str(by_cell(results)["a0"]["flags"])


def test_without_an_interval_nothing_is_below_the_floor(results: list[Result]) -> None:
    few = Measured(value=1.0, n=5)
    results[3] = results[3].model_copy(update={"scores": {"bleu": few, "bleu_norm": few}})
    assert "below-floor" not in str(by_cell(results)["a0"]["flags"])


def test_a_file_from_before_a_column_was_added_has_columns_of_today_in_their_order() -> None:
    for path in sorted((Path(__file__).parents[2] / "leaderboards" / "studies").glob("*.csv")):
        with path.open(newline="") as stream:
            header = next(csv.reader(stream))
        assert header == [column for column in COLUMNS if column in header], path.name


def test_a_study_is_as_it_was_published() -> None:
    studies = Path(__file__).parents[2] / "leaderboards" / "studies"
    lines = (studies / "SHA256SUMS").read_text().splitlines()
    pinned = {name: digest for digest, name in (line.split("  ") for line in lines)}
    drawn = {path.name for kind in ("csv", "svg", "txt") for path in studies.glob(f"*.{kind}")}
    assert pinned == {name: hash_file(studies / name) for name in drawn}


def test_every_column_is_explained() -> None:
    text, _ = explanations()
    explained = {name for line in text.splitlines() if line.startswith("| ")
                 for name in re.findall(r"\w+", line.split("|")[1])}  # fmt: skip
    assert set(COLUMNS) - explained == set()


def explanations() -> list[str]:
    """What is said of the long boards, and of the wide one."""
    text = (Path(__file__).parents[2] / "leaderboards" / "README.md").read_text()
    return text.split("\n## frontier.csv\n")


def test_every_column_of_the_frontier_is_explained_in_order() -> None:
    _, text = explanations()
    table = text.split("\n|---|---|---|\n")[1].split("\n\n")[0]
    explained = [
        name.strip() for line in table.splitlines() for name in line.split("|")[1].split(",")
    ]
    assert tuple(explained) == frontier_columns(["..."])


def test_every_flag_of_the_frontier_is_explained() -> None:
    _, text = explanations()
    for flag in (FEW_SEEDS, INCOMPLETE, OPAQUE, "weak-attack", "oblivious-only"):
        assert f"`{flag}`" in text
