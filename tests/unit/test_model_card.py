"""What the README of a checkpoint says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from v2t_bench.checkpoints import CheckpointRecord
from v2t_bench.lesson import Lesson
from v2t_bench.model_card import model_card

SCORE = {"value": 12.3456, "low": 11.1, "high": 13.9, "n": 500, "method": "bca"}
LESSON = Lesson(attack="bow", texts=(), trained_on="wiki.txt", minutes=30)


def record(**more: Any) -> CheckpointRecord:
    given: dict[str, Any] = {
        "attack": "bow",
        "embedder": "minilm",
        "space": {"model": "m"},
        "dim": 384,
        "max_tokens": 32,
        "trained_on": "wiki.txt",
        "texts": {"given": 90, "learned": 80, "held_back": 4, "cut": 7, "titles": "with",
                  "sha256": "ab", "ngrams": 123, "text_hashes": 80},
        "recipe": {"steps": 5},
        "scores": {"attack": "bow"}
        | dict.fromkeys(("bleu", "bleu_norm", "token_f1", "exact_norm"), SCORE),
        "curve": [],
        "oracle_texts": 80,
        "seconds": {"train": 1800.0, "evaluate": 3.0},
        "environment": {"device": "cpu", "cores": 2, "versions": {"torch": "2.13.0"}},
        "files": {"a": "b"},
    }  # fmt: skip
    return CheckpointRecord(**given | more)


def card(**more: Any) -> str:
    return model_card(record(**more), LESSON)


def test_a_mixture_of_lengths_and_vectors_of_less_precision_are_told() -> None:
    plain, mixed = section(card(), "Data"), section(card(min_tokens=4), "Data")
    assert "7 cut at 32 tokens" in plain
    assert "7 cut at 4 to 32 tokens" in mixed
    fast = model_card(record(), replace(LESSON, fast_vectors=True))
    assert "bfloat16" not in plain
    assert "- Vectors: clean, those learned from in bfloat16" in section(fast, "Data")


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n\n")[2].partition("\n\n## ")[0]


def table(text: str) -> list[list[str]]:
    rows = [line for line in section(text, "Curve").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def curve(stage: str, n: int) -> list[dict[str, Any]]:
    """Return a loss every 50 steps, and a score at every hundredth."""
    rows: list[dict[str, Any]] = []
    for number in range(1, n + 1):
        rows.append({"stage": stage, "step": 50 * number, "loss": 10 / number, "grad_norm": 1.0})
        if number % 100 == 0:
            rows.append({"stage": stage, "step": 50 * number, "bleu": number / 10})
    return rows


def test_the_sections_come_in_a_readers_order() -> None:
    titles = [line[3:] for line in card().splitlines() if line.startswith("## ")]
    assert titles == [
        "Data",
        "Budget",
        "Curve",
        "Scores on the texts held back",
        "Limits",
        "Recipe",
    ]


def test_licence_and_source_are_told_or_said_to_be_missing() -> None:
    data = section(card(text_licence="CC BY-SA 3.0", text_source="English Wikipedia"), "Data")
    assert "- Licence of the texts: CC BY-SA 3.0\n" in data
    assert "- Source of the texts: English Wikipedia\n" in data
    assert section(card(), "Data").count("of the texts: not stated\n") == 2


def test_it_says_how_to_look_texts_up_or_that_nobody_can() -> None:
    data = section(card(), "Data")
    assert "texts.safetensors holds a hash of each of 80 different texts" in data
    assert "ngrams.safetensors 123 hashes, one in 8, of the runs of 13 words in them" in data
    assert "`v2t-bench overlap <this folder> --texts FILE`" in data
    without = section(card(texts=record().texts | {"ngrams": None, "text_hashes": None}), "Data")
    assert "no hashes of the texts are kept" in without
    assert "overlap" not in without


def test_budget_and_scores_are_told() -> None:
    text = card()
    assert "- 30 minutes, size small, seed 0\n- 1800 s of training on cpu (2 cores)" in text
    assert "| bleu_norm | 12.346 | 11.100 | 13.900 | 500 |" in text


def test_a_curve_is_told_in_ten_rows_a_stage() -> None:
    header, _, *rows = table(card(curve=curve("base", 200) + curve("corrector", 4)))
    assert header == ["stage", "step", "loss", "bleu"]
    assert [row[0] for row in rows] == ["base"] * 10 + ["corrector"] * 4
    assert [row[1] for row in rows] == [
        *map(str, range(1000, 10001, 1000)), "50", "100", "150", "200"
    ]  # fmt: skip
    assert rows[0] == ["base", "1000", "0.5", ""]
    assert rows[4] == ["base", "5000", "0.1", "10"]
    assert rows[5] == ["base", "6000", "0.08333", ""]  # measured before, and not in this stretch
    assert rows[9] == ["base", "10000", "0.05", "20"]
    assert rows[13] == ["corrector", "200", "2.5", ""]


@pytest.mark.parametrize("n", [1, 9, 10, 11, 19, 21, 199])
def test_the_first_and_last_steps_of_a_curve_of_any_length_are_covered(n: int) -> None:
    _, _, *rows = table(card(curve=[{"stage": "s", "step": k, "loss": 1} for k in range(1, n + 1)]))
    steps = [int(row[1]) for row in rows]
    assert len(steps) == min(n, 10)
    assert steps[-1] == n
    assert steps == sorted(set(steps))
    assert steps[0] <= -(-n // 10)


def test_an_attack_without_steps_has_no_table() -> None:
    assert section(card(), "Curve") == "None: it learns nothing step by step."
