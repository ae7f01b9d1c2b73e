"""The README of a checkpoint: data, budget, curve, scores and limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from v2t_bench.checkpoints import CheckpointRecord
from v2t_bench.spelling import Spelling
from v2t_bench.text_hashes import FILE, ONE_IN, TEXTS_FILE, WORDS

if TYPE_CHECKING:
    from v2t_bench.lesson import Lesson

_SCORES = ("bleu", "bleu_norm", "token_f1", "exact_norm")
_ROWS_A_STAGE = 10
# Of a row of the curve; they say where it stands, or nothing of how well it goes.
_NO_MEASURE = ("stage", "step", "learning_rate", "grad_norm")


def model_card(record: CheckpointRecord, lesson: Lesson) -> str:
    """Return the Markdown text that lies beside the weights."""
    spelled = Spelling(record.attack, (), {**record.taught, "checkpoint": "<this folder>"})
    lines = [
        f"# {record.attack} for {record.embedder}",
        "",
        f"A trained `{record.attack}` attack of v2t-bench: it reads text back out of "
        f"{record.dim}-dimensional vectors. Load it with "
        f"`--attack {spelled}`.",
        *_section("Data", _data(record, lesson)),
        *_section("Budget", _budget(record, lesson)),
        *_section("Curve", _curve(record.curve)),
        *(_section("Measured by the attack itself", _facts(record.facts)) if record.facts else ()),
        *_section("Scores on the texts held back", _scores(record.scores)),
        *_section("Limits", _limits(record)),
        *_section(
            "Recipe",
            ["```json", json.dumps(record.recipe, indent=1, sort_keys=True), "```", "",
             f"The space: `{json.dumps(record.space, sort_keys=True)}`"],
        ),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *lines]


def _data(record: CheckpointRecord, lesson: Lesson) -> list[str]:
    texts = record.texts
    shortest = "" if record.min_tokens is None else f"{record.min_tokens} to "
    # Scores and later use have vectors of full precision all the same.
    learned = ", those learned from in bfloat16" if lesson.fast_vectors else ""
    return [
        f"- Texts: {record.trained_on} (sha256 {texts['sha256']})",
        f"- Source of the texts: {record.text_source or 'not stated'}",
        f"- Licence of the texts: {record.text_licence or 'not stated'}",
        f"- {texts['given']} given, {texts['learned']} learned, {texts['held_back']} held back "
        f"for the scores below, {texts['cut']} cut at {shortest}{record.max_tokens} "
        "tokens",
        f"- Titles of records: {texts['titles']}",
        f"- Contamination: {_contamination(texts['ngrams'], texts.get('text_hashes'))}",
        f"- Vectors: {_vectors(record)}{learned}",
        f"- Texts asked of the embedder: {record.oracle_texts}",
    ]


def _contamination(n_runs: int | None, n_texts: int | None) -> str:
    if n_runs is None or n_texts is None:
        return "no hashes of the texts are kept, so nobody can look theirs up"
    return (
        f"{TEXTS_FILE} holds a hash of each of {n_texts} different texts and {FILE} {n_runs} "
        f"hashes, one in {ONE_IN}, of the runs of {WORDS} words in them, as they were cut and "
        "learned; `v2t-bench overlap <this folder> --texts FILE` looks others up"
    )


def _budget(record: CheckpointRecord, lesson: Lesson) -> list[str]:
    versions = record.environment["versions"]
    given = (
        f"{lesson.minutes:g} minutes"
        if lesson.minutes is not None
        else f"{lesson.steps} steps a network"
        if lesson.steps is not None
        else "the attack's own number of steps"
    )
    return [
        f"- {given}, size {lesson.size}, seed {lesson.seed}",
        f"- {record.seconds['train']:.0f} s of training on {record.environment['device']} "
        f"({record.environment['cores']} cores), torch {versions.get('torch', 'unknown')}, "
        f"transformers {versions.get('transformers', 'unknown')}",
    ]


def _curve(curve: Sequence[dict[str, Any]]) -> list[str]:
    """Return a table of at most `_ROWS_A_STAGE` rows a stage, each the end of a stretch of it."""
    measures = list(dict.fromkeys(key for row in curve for key in row if key not in _NO_MEASURE))
    if not measures:
        return ["None: it learns nothing step by step."]
    stages: dict[str, list[dict[str, Any]]] = {}
    for row in curve:
        stages.setdefault(str(row.get("stage", "")), []).append(row)
    n_shown = min(_ROWS_A_STAGE, max(map(len, stages.values())))
    lines = [
        f"The last value of each measure in each of up to {n_shown} stretches a stage; all of "
        "them are in checkpoint.json.",
        "",
        f"| stage | step | {' | '.join(measures)} |",
        "|---" * (2 + len(measures)) + "|",
    ]
    for stage, rows in stages.items():
        n = min(_ROWS_A_STAGE, len(rows))
        for k in range(n):
            stretch = rows[k * len(rows) // n : (k + 1) * len(rows) // n]
            last = {key: value for row in stretch for key, value in row.items()}
            values = [_number(last.get(measure)) for measure in measures]
            lines.append(f"| {stage} | {last.get('step', '')} | {' | '.join(values)} |")
    return lines


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "" if value is None else str(value)


def _facts(facts: dict[str, Any]) -> list[str]:
    rows = [
        f"| {name} | {'n/a' if value is None else _number(value)} |"
        for name, value in facts.items()
    ]
    return ["| what | value |", "|---|---|", *rows]


def _scores(scores: dict[str, Any]) -> list[str]:
    if not scores:
        return ["None: the attack that is nested in this one writes the texts."]
    return [
        f"`{scores['attack']}`, 95 % intervals",
        "",
        "| score | value | low | high | n |",
        "|---|---|---|---|---|",
        *(_row(name, scores[name]) for name in _SCORES),
    ]


def _row(name: str, score: dict[str, Any]) -> str:
    ends = ["" if score[end] is None else f"{score[end]:.3f}" for end in ("low", "high")]
    return f"| {name} | {score['value']:.3f} | {ends[0]} | {ends[1]} | {score['n']} |"


def _limits(record: CheckpointRecord) -> list[str]:
    return [
        "It fits the one embedding space named in checkpoint.json, "
        f"{'vectors under that defense' if record.defense else 'clean vectors'}, and texts of "
        "the length and kind it was trained on. A weak attack does not make a defense good."
    ]


def _vectors(record: CheckpointRecord) -> str:
    if not record.defense:
        return "clean"
    return (
        f"released under `{record.defense}` and lifted, by an attacker with a secret of its own "
        f"(seed {record.defense_seed}), for training and for the scores below"
    )
