"""Cells made up for tests: their scores are what the test says, everything else is in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from v2t_bench.canonical import hash_file
from v2t_bench.results import Measured, Result, cell_id

Made = tuple[Result, pa.Table]
Scores = Sequence[float] | NDArray[np.float64]

LABELS: dict[str, Any] = {
    "corpus": "c", "track": "cut", "fingerprint": "f", "max_tokens": 32, "embedder": "e",
}  # fmt: skip


def utility(
    values: Scores, defense: str = "none", seed: str = "", *,
    labels: Mapping[str, Any] | None = None, facts: Mapping[str, Any] | None = None,
    version: str = "1",
) -> Made:  # fmt: skip
    """A utility cell with the NDCG@10 of each query."""
    own = {**LABELS, "defense": defense, "noise_on": "" if defense == "none" else "both",
           "seeds": seed, **(labels or {})}  # fmt: skip
    identity = {"kind": "utility", "labels": own, "plugins": {"p": version}}
    column = np.asarray(values, np.float64)
    queries = [f"query-{at}" for at in range(len(column))]
    table = pa.table({"query": queries, "found": [[]] * len(column),
                      "judgements": ["{}"] * len(column), "ndcg_at_10": column})  # fmt: skip
    made = Result(
        kind="utility", cell_id=cell_id(identity), identity=identity, labels=own,
        scores={"ndcg_at_10": measured(values)},
        facts={"snr_db": None, "released_dim": 4, "bytes_per_vector": 16, **(facts or {})},
    )  # fmt: skip
    return made, table


def leakage(
    values: Scores, attack: str = "a", defense: str = "none", seed: str = "", *,
    threat: str = "oblivious", pairs: int | None = None, documents: Sequence[str] | None = None,
    labels: Mapping[str, Any] | None = None, references: Mapping[str, str] | None = None,
    n_texts: int | None = None, version: str = "1", ids: Sequence[str] | None = None,
) -> Made:  # fmt: skip
    """A leakage cell with the bleu_norm of each text; bleu is half of it."""
    own = {**LABELS, "defense": defense, "noise_on": "" if defense == "none" else "both",
           "seeds": seed, "attack": attack, "threat": threat, "oracle": "clean", "pairs": pairs,
           "flags": [], "plugins": [f"p=={version}"], **(labels or {})}  # fmt: skip
    column = np.asarray(values, np.float64)
    asked = len(column) if n_texts is None else n_texts
    identity = {"kind": "leakage", "labels": own, "plugins": {"p": version}, "n_texts": asked,
                "sample_seed": 0, "limit": None}  # fmt: skip
    ids = [f"text-{at}" for at in range(len(column))] if ids is None else list(ids)
    table = pa.table({"id": ids, "document": list(documents or ids), "text": ids, "guess": ids,
                      "bleu": column / 2, "bleu_norm": column})  # fmt: skip
    made = Result(
        kind="leakage", cell_id=cell_id(identity), identity=identity, labels=own,
        scores={"bleu": measured(column / 2), "bleu_norm": measured(column)},
        references=dict(references or {}),
    )  # fmt: skip
    return made, table


def measured(values: Scores) -> Measured:
    return Measured(value=float(np.mean(values)), n=np.size(values))


def write(folder: Path, *cells: Made) -> Path:
    """Write a results folder, and return it; far quicker than a store, which waits for the disk."""
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    for result, table in cells:
        own = folder / "cells" / result.cell_id
        own.mkdir()
        file = "samples.parquet" if result.kind == "leakage" else "retrieval.parquet"
        pq.write_table(table, own / file)
        whole = result.model_copy(update={"files": {file: hash_file(own / file)}})
        (own / "result.json").write_text(whole.model_dump_json(indent=1) + "\n")
    return folder
