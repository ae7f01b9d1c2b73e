"""The worst attacker: chosen by one half of the texts, told by the other, never by both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from v2t_bench.leaderboard.rows import leaderboard_rows
from v2t_bench.leaderboard.worst import first_half, worst_rows
from v2t_bench.results import Measured, Result

IDS = [f"text-{row}" for row in range(80)]
CHOOSING = first_half(IDS)
LABELS = {"corpus": "c", "track": "cut", "fingerprint": "f", "max_tokens": 32, "embedder": "e",
          "seeds": "", "oracle": "clean", "flags": [], "plugins": []}  # fmt: skip


def cell(
    name: str, first: float, second: float, *, threat: str, defense: str = "noise", n: int = 80
) -> tuple[Result, pa.Table]:
    """A cell whose bleu_norm is ``first`` on the choosing half and ``second`` on the other."""
    values = np.where(CHOOSING, first, second)
    table = pa.table({"id": IDS, "document": IDS, "text": IDS, "guess": IDS,
                      "bleu": values / 2, "bleu_norm": values})  # fmt: skip
    result = Result(
        kind="leakage",
        cell_id=name,
        identity={"n_texts": n, "sample_seed": 0, "limit": None},
        labels={**LABELS, "attack": name, "defense": defense, "threat": threat,
                "noise_on": "" if defense == "none" else "both"},
        scores={
            key: Measured(value=float(column.mean()), n=80)
            for key, column in {"bleu": values / 2, "bleu_norm": values}.items()
        },
    )  # fmt: skip
    return result, table


def worst_of(*cells: tuple[Result, pa.Table]) -> list[dict[str, Any]]:
    results = [result for result, _ in cells]
    tables = {result.cell_id: table for result, table in cells}
    return [dict(row) for row in worst_rows(leaderboard_rows(results), results, tables.__getitem__)]


def test_half_of_the_texts_choose_and_their_ids_alone_say_which() -> None:
    assert CHOOSING.sum() == 40
    backwards = first_half(IDS[::-1])[::-1]
    np.testing.assert_array_equal(backwards, CHOOSING)


def test_the_attack_that_is_best_on_one_half_is_reported_by_the_other() -> None:
    (row,) = worst_of(
        cell("lucky", 30, 2, threat="oblivious"), cell("steady", 10, 20, threat="adaptive:denoise")
    )
    assert (row["attack"], row["cell_id"], row["threat"]) == ("lucky", "lucky", "worst")
    assert (row["bleu_norm"], row["bleu"], row["n_texts"]) == (2, 1, 40)
    assert {"by:oblivious", "worst-of:2"} <= set(row["flags"].split())
    assert row["bleu_norm_lo"] == row["bleu_norm_hi"] == 2


def test_what_no_adaptive_attacker_has_tried_has_no_worst() -> None:
    assert worst_of(cell("a", 1, 1, threat="oblivious")) == []


def test_no_defense_is_reported_where_one_was_met_by_who_knows_it() -> None:
    rows = worst_of(
        cell("a", 9, 8, threat="oblivious", defense="none"),
        cell("b", 3, 3, threat="adaptive:denoise", defense="noise"),
        cell("c", 3, 3, threat="oblivious", defense="rotate"),
    )
    assert sorted(str(row["defense"]) for row in rows) == ["noise", "none"]


def test_a_handful_of_texts_chooses_nobody() -> None:
    result, table = cell("a", 3, 3, threat="adaptive:denoise")
    few = {name: measured.model_copy(update={"n": 7}) for name, measured in result.scores.items()}
    assert worst_of((result.model_copy(update={"scores": few}), table.slice(0, 7))) == []


def test_other_samples_are_another_contest() -> None:
    rows = worst_of(
        cell("few", 90, 90, threat="adaptive:denoise", n=20),
        cell("many", 3, 3, threat="adaptive:denoise", n=80),
    )
    assert sorted(float(row["bleu_norm"]) for row in rows) == [3, 90]


@pytest.mark.parametrize("turn", [1, -1])
def test_equals_are_decided_by_name_and_not_by_order(turn: int) -> None:
    cells = [cell("a", 5, 1, threat="adaptive:denoise"), cell("b", 5, 2, threat="oblivious")]
    (row,) = worst_of(*cells[::turn])
    assert row["attack"] == "b"
