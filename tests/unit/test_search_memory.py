"""What a search reads of its documents, and what it holds."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plain_search import Rows, some_rows
from v2t_bench.search import Similarity, top_k


class Watched(np.memmap[Any, Any]):
    """Vectors in a file that note which parts of them are read."""

    read: list[slice]

    def __getitem__(self, rows: Any) -> Any:
        self.read.append(rows)
        return np.asarray(self)[rows]


def watched(path: Path, rows: Rows) -> Watched:
    rows.tofile(path)
    mapped = Watched(path, dtype=rows.dtype, mode="r", shape=rows.shape)
    mapped.read = []
    return mapped


@pytest.mark.parametrize(
    ("similarity", "times"), [("cosine", 1), ("hamming", 1), ("dot", 2), ("euclidean", 2)]
)
def test_documents_are_read_in_blocks_and_no_oftener_than_needed(
    tmp_path: Path, similarity: Similarity, times: int
) -> None:
    documents = watched(tmp_path / "documents", some_rows(np.random.default_rng(0), "plain", 95, 4))
    keys = np.arange(95, dtype=np.uint64)
    queries = np.asarray(documents)[:3].copy()

    top_k(queries, documents, k=3, similarity=similarity, tie_keys=keys, document_chunk=10)

    starts = [slice(start, min(start + 10, 95)) for start in range(0, 95, 10)]
    assert documents.read == starts * times


def test_a_document_more_costs_few_bytes(tmp_path: Path) -> None:
    """What numpy holds at most, the given keys not counted."""

    def held(n: int) -> int:
        rows = some_rows(np.random.default_rng(0), "plain", n, 2)
        rows.tofile(tmp_path / "documents")
        documents = np.memmap(tmp_path / "documents", dtype=np.float32, mode="r", shape=(n, 2))
        keys = np.arange(n, dtype=np.uint64)
        queries = rows[:2].copy()
        del rows
        tracemalloc.start()
        try:
            top_k(queries, documents, k=10, similarity="cosine", tie_keys=keys)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = 50_000, 450_000
    held(100)  # what is imported only once
    assert (held(many) - held(few)) / (many - few) < 10
