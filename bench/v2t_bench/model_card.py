"""The README of a checkpoint: data, budget, scores and limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from v2t_bench.checkpoints import CheckpointRecord

if TYPE_CHECKING:
    from v2t_bench.lesson import Lesson

_SCORES = ("bleu", "bleu_norm", "token_f1", "exact_norm")


def model_card(record: CheckpointRecord, lesson: Lesson) -> str:
    """Return the Markdown text that lies beside the weights."""
    texts, versions = record.texts, record.environment["versions"]
    budget = (
        f"{lesson.minutes:g} minutes"
        if lesson.minutes is not None
        else f"{lesson.steps} steps a network"
        if lesson.steps is not None
        else "the attack's own number of steps"
    )
    lines = [
        f"# {record.attack} for {record.embedder}",
        "",
        f"A trained `{record.attack}` attack of v2t-bench: it reads text back out of "
        f"{record.dim}-dimensional vectors. Load it with "
        f"`--attack {record.attack}:checkpoint=<this folder>`.",
        "",
        "## Data",
        "",
        f"- Texts: {record.trained_on} (sha256 {texts['sha256']})",
        f"- {texts['given']} given, {texts['learned']} learned, {texts['held_back']} held back "
        f"for the scores below, {texts['cut']} cut at {record.max_tokens} tokens",
        f"- Titles of records: {texts['titles']}",
        f"- Vectors: {_vectors(record)}",
        f"- Texts asked of the embedder: {record.oracle_texts}",
        "",
        "## Budget",
        "",
        f"- {budget}, size {lesson.size}, seed {lesson.seed}",
        f"- {record.seconds['train']:.0f} s of training on {record.environment['device']} "
        f"({record.environment['cores']} cores), torch {versions.get('torch', 'unknown')}, "
        f"transformers {versions.get('transformers', 'unknown')}",
        "",
        "## Scores on the texts held back",
        "",
        f"`{record.scores['attack']}`, 95 % intervals",
        "",
        "| score | value | low | high | n |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(name, record.scores[name]) for name in _SCORES]
    lines += [
        "",
        "## Limits",
        "",
        "It fits the one embedding space named in checkpoint.json, "
        f"{'vectors under that defense' if record.defense else 'clean vectors'}, and texts of "
        "the length and kind it was trained on. A weak attack does not make a defense good.",
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(record.recipe, indent=1, sort_keys=True),
        "```",
        "",
        f"The space: `{json.dumps(record.space, sort_keys=True)}`",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, score: dict[str, Any]) -> str:
    ends = ["" if score[end] is None else f"{score[end]:.3f}" for end in ("low", "high")]
    return f"| {name} | {score['value']:.3f} | {ends[0]} | {ends[1]} | {score['n']} |"


def _vectors(record: CheckpointRecord) -> str:
    if not record.defense:
        return "clean"
    return (
        f"released under `{record.defense}` and lifted, by an attacker with a secret of its own "
        f"(seed {record.defense_seed}), for training and for the scores below"
    )
