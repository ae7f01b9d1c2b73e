"""Boards of made-up numbers, of any size, in the shape of the real ones; names may be hostile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from v2t_bench.leaderboard.columns import FrontierRow, attack_column, frontier_columns
from v2t_bench.leaderboard.page.examples import Example, Guess, Original
from v2t_bench.leaderboard.page.rendering import Provenance
from v2t_bench.leaderboard.rows import COLUMNS, Row

Boards: TypeAlias = tuple[list[Row], list[FrontierRow]]

SCRIPT = "<script>alert(1)</script>"
IMAGE = '<img src=x onerror="alert(2)">'
FORMULA = "=HYPERLINK(1)"
ATTACKS = ("bow", "nearest", "vec2text:steps=20")
DEFENSES = ("none", "noise:on=both,sigma=0.01", "noise:on=both,sigma=0.03", "quantize:bits=8",
            "rotate", "mask:share=0.5")  # fmt: skip
PROVENANCE = Provenance(version="1.2.3", folders=("small",), cells=7, fingerprint="f" * 32)


def long_row(cell_id: str, **values: float | str | bool | None) -> Row:
    """Return a row of an attack with what is always there, and ``values``."""
    usual: Row = {
        "corpus": "demo-nq", "track": "cut", "fingerprint": "abc", "max_tokens": 32,
        "embedder": "minilm", "defense": "none", "noise_on": "", "attack": "bow",
        "threat": "oblivious", "oracle": "clean", "n_texts": 60, "n_queries": 40,
        "ndcg_at_10": 0.8, "ndcg_kept": 1.0, "bleu": 20.0, "bleu_norm": 21.0,
        "bleu_norm_lo": 19.0, "bleu_norm_hi": 23.0, "flags": "", "seeds": "",
        "cell_id": cell_id, "plugins": "v2t-bench==1",
    }  # fmt: skip
    return dict.fromkeys(COLUMNS) | usual | values


def frontier_row(cell_ids: str, **values: float | str | bool | None) -> FrontierRow:
    """Return a row of a release with what is always there, and ``values``."""
    usual: FrontierRow = {
        "corpus": "demo-nq", "track": "cut", "fingerprint": "abc", "max_tokens": 32,
        "embedder": "minilm", "defense": "none", "noise_on": "", "n_queries": 40,
        "ndcg_at_10": 0.8, "ndcg_lo": 0.75, "ndcg_hi": 0.85, "ndcg_kept": 1.0, "n_texts": 60,
        "sample_seed": 0, "headroom": 20.0, "worst_bleu_norm": 21.0, "worst_lo": 19.0,
        "worst_hi": 23.0, "worst_attack": "bow", "worst_threat": "oblivious", "worst_of": 4,
        "pareto": True, "best": "", "flags": "", "cell_ids": cell_ids,
    }  # fmt: skip
    return dict.fromkeys(frontier_columns(ATTACKS)) | usual | values


def boards(
    *,
    corpora: Sequence[str] = ("demo-nq", "beir:scifact"),
    defenses: Sequence[str] = DEFENSES,
    attacks: Sequence[str] = ATTACKS,
    seeds: Sequence[str] = ("0",),
    flag: str = "",
) -> Boards:
    """Return boards of every corpus, defense, attack and seed: the more defended, the less read."""
    rows: list[Row] = []
    frontier: list[FrontierRow] = []
    for at, corpus in enumerate(corpora):
        for step, defense in enumerate(defenses):
            kept = 1.0 if defense == "none" else 1.003 - 0.3 * (step / len(defenses)) ** 2
            names = []
            for height, attack in enumerate(attacks):
                for seed in seeds if defense != "none" else [""]:
                    threats = (
                        ("oblivious",) if defense == "none" else ("oblivious", "adaptive:denoise")
                    )
                    for knowing, threat in enumerate(threats):
                        name = f"v1-{at}-{step}-{height}-{seed}-{knowing}"
                        read = _read(step, height, knowing)
                        names.append(name)
                        rows.append(long_row(
                            name, corpus=corpus, defense=defense, attack=attack, threat=threat,
                            bleu_norm=read, bleu_norm_lo=read - 2, bleu_norm_hi=read + 2,
                            bleu=read - 1, token_f1=read / 50, ndcg_kept=kept, seeds=seed,
                            flags=flag,
                        ))  # fmt: skip
            worst = _read(step, len(attacks) - 1, 1 if defense != "none" else 0)
            frontier.append(frontier_row(
                " ".join(names), corpus=corpus, defense=defense, ndcg_kept=kept,
                kept_lo=kept - 0.02, kept_hi=kept + 0.02, ndcg_at_10=0.8 * kept,
                worst_bleu_norm=worst, worst_lo=worst - 2, worst_hi=worst + 2,
                worst_attack=attacks[-1], pareto=step % 2 == 0, flags=flag,
                search_kept=None if defense == "none" else ("yes", "open", "no")[step % 3],
                best="worst_bleu_norm" if step == len(defenses) - 1 else "",
                **{attack_column(attack, "oblivious"): _read(step, height, 0)
                   for height, attack in enumerate(ATTACKS)},
            ))  # fmt: skip
    return rows, frontier


def _read(step: int, height: int, knowing: int) -> float:
    return 10.0 + 10 * height - 6.0 * step / (1 + step / 4) * 0.5 + 0.25 * knowing


def examples(
    rows: Sequence[Row], *, text: str = "The cat sat here", guess: str = "a cat sat"
) -> list[Example]:
    """Return the same two texts for every row of the first corpus."""
    corpus = rows[0]["corpus"]
    return [
        Example(
            cell_id=str(row["cell_id"]), attack=str(row["attack"]), threat=str(row["threat"]),
            seed=str(row["seeds"]), attribution="made up",
            originals=(Original(id="d1", document="d1", text=text),
                       Original(id="d2-1", document="d2", text="Two red maps")),
            guesses=(Guess(text=guess, bleu_norm=12.5), Guess(text="", bleu_norm=None)),
        )
        for row in rows
        if row["corpus"] == corpus
    ]  # fmt: skip
