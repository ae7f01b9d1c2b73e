"""The raw outputs of a cell as tables: what was attacked and guessed, what was found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from v2t_bench.contracts import Space, Trace
from v2t_bench.results import Measured
from v2t_bench.scorecard import (
    PerText,
    corpus_bleu,
    label_scores,
    leakage_scores,
    per_text_scores,
    utility_scores,
)
from v2t_bench.scoring.names import Name
from v2t_bench.scoring.ndcg import Judgements, ndcg_at_10

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLES = "samples.parquet"
RETRIEVAL = "retrieval.parquet"
TRACES = "traces.parquet"

# Everything else in samples.parquet is a score of its own.
_DESCRIBING = ("id", "document", "text_sha256", "text", "guess", "first", "last", "label")


def samples_table(
    *,
    ids: Sequence[str],
    documents: Sequence[str],
    texts: Sequence[str],
    guesses: Sequence[str],
    cosines: Sequence[float],
    names: Sequence[Name | None],
    labels: Sequence[str | None] = (),
    exposed: Mapping[str, Sequence[float]] | None = None,
) -> pa.Table:
    """Return one row an attacked text: ids, text, guess, names and what only vectors tell.

    The columns that texts alone decide are left to `score_samples`.

    Args:
        ids, documents, texts, guesses: One for each attacked text.
        cosines: Of the guess's clean vector with the text's.
        names: The person named in the text, if there is one.
        labels: Of the text's document, None where it has none; empty where none has one.
        exposed: Further scores that are decided by vectors, by column name.
    """
    import pyarrow as pa

    return pa.table(
        {
            "id": list(ids),
            "document": list(documents),
            "text_sha256": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
            "text": list(texts),
            "guess": list(guesses),
            "first": pa.array([name and name.first for name in names], pa.string()),
            "last": pa.array([name and name.last for name in names], pa.string()),
            **({"label": pa.array(labels, pa.string())} if any(labels) else {}),
            "cos": np.asarray(cosines, np.float64),
            **{name: np.asarray(values, np.float64) for name, values in (exposed or {}).items()},
        }
    )


def traces_table(ids: Sequence[str], traces: Sequence[Trace]) -> pa.Table:
    """Return one row a round of each attacked text: id, step, guess and cosine."""
    import pyarrow as pa

    rounds = [(name, at) for name, trace in zip(ids, traces, strict=True) for at in trace.rounds]
    return pa.table(
        {
            "id": pa.array([name for name, _ in rounds], pa.string()),
            "step": pa.array([at.step for _, at in rounds], pa.int64()),
            "guess": pa.array([at.text for _, at in rounds], pa.string()),
            "cosine": pa.array([at.cosine for _, at in rounds], pa.float64()),
        }
    )


def stored_scores(table: pa.Table) -> PerText:
    """Return the per-text scores that a table of samples holds, by column, NaN where none is."""
    return {
        name: np.array([np.nan if v is None else v for v in values], np.float64)
        for name, values in table.to_pydict().items()
        if name not in _DESCRIBING
    }


def score_samples(table: pa.Table, space: Space) -> tuple[pa.Table, dict[str, Measured]]:
    """Return the table with every per-text score computed from the texts, and their means.

    Where the texts were not stored, the per-text scores that were are averaged.
    """
    import pyarrow as pa

    columns = table.to_pydict()
    scores = stored_scores(table)
    measured: dict[str, Measured] = {}
    if "text" in columns:
        texts, guesses = columns["text"], columns["guess"]
        names = [
            Name(first, last) if first is not None and last is not None else None
            for first, last in zip(columns["first"], columns["last"], strict=True)
        ]
        scores |= per_text_scores(texts, guesses, space, names)
        if "label" in columns:
            scores |= label_scores(guesses, columns["label"], columns["document"])
        measured["bleu_corpus"] = corpus_bleu(texts, guesses)
        described = [name for name in table.column_names if name in _DESCRIBING]
        table = table.select(described)
        for name, values in scores.items():
            table = table.append_column(name, pa.array(values))
    return table, measured | leakage_scores(scores, clusters=columns["document"])


def retrieval_table(ranking: Mapping[str, Sequence[str]], judged: Judgements) -> pa.Table:
    """Return one row a judged query: the documents found, its judgements, its NDCG@10."""
    import pyarrow as pa

    scores = ndcg_at_10(ranking, judged)
    queries = list(scores)
    return pa.table(
        {
            "query": queries,
            "found": [list(ranking.get(query, ())) for query in queries],
            "judgements": [json.dumps(dict(judged[query]), sort_keys=True) for query in queries],
            "ndcg_at_10": [scores[query] for query in queries],
        }
    )


def score_retrieval(table: pa.Table) -> tuple[pa.Table, dict[str, Measured]]:
    """Return the table with NDCG@10 computed anew from the stored rankings, and its mean."""
    columns = table.to_pydict()
    ranking = dict(zip(columns["query"], columns["found"], strict=True))
    judged = {
        query: json.loads(grades)
        for query, grades in zip(columns["query"], columns["judgements"], strict=True)
    }
    table = retrieval_table(ranking, judged)
    return table, utility_scores(table.column("ndcg_at_10").to_pylist())
