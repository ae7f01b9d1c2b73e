"""A search that sorts every document by its float64 score, and rows that are hard to tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.search import Similarity

Rows = NDArray[Any]

SIMILARITIES: tuple[Similarity, ...] = ("cosine", "dot", "euclidean", "hamming")


def all_scores(queries: Rows, documents: Rows, similarity: Similarity) -> NDArray[np.float64]:
    """Return every score in float64, -1 to 1, as the documentation of top_k defines them."""
    q, d = queries.astype(np.float64), documents.astype(np.float64)
    of_q, of_d = np.linalg.norm(q, axis=1)[:, None], np.linalg.norm(d, axis=1)[None, :]
    largest = of_d.max()
    if similarity == "hamming":
        top, over = d.shape[1] - 2.0 * ((q[:, None] > 0) != (d[None] > 0)).sum(axis=2), d.shape[1]
    elif similarity == "euclidean":
        top, over = -((q[:, None] - d[None]) ** 2).sum(axis=2), (of_q + largest) ** 2
    else:
        top, over = q @ d.T, of_q * (of_d if similarity == "cosine" else largest)
    scores: NDArray[np.float64] = top / np.where(over == 0, 1, over)
    return scores


def plain_search(
    queries: Rows,
    documents: Rows,
    keys: NDArray[np.uint64],
    k: int,
    similarity: Similarity,
    exclude: list[int | None],
) -> NDArray[np.int64]:
    """Return the k best of a full sort by rounded score and key; -1 where there are fewer."""
    found = np.full((len(queries), k), -1)
    steps = np.rint(all_scores(queries, documents, similarity) * 2**20)
    for row, left_out in enumerate(exclude):
        order = [place for place in np.lexsort((keys, -steps[row])) if place != left_out][:k]
        found[row, : len(order)] = order
    return found


def some_rows(rng: np.random.Generator, kind: str, n: int, d: int) -> Rows:
    """Return rows that are hard to tell apart in one of several ways, (n, d)."""
    if kind == "bits":
        return (rng.integers(0, 2, size=(n, d)) * 2 - 1).astype(np.float32)
    if kind == "int8":
        return rng.integers(-127, 128, size=(n, d)).astype(np.int8)
    if kind == "close":  # differ by what float32 sums err by
        one = rng.standard_normal(d)
        return (one + 10.0 ** rng.uniform(-8, -3, (n, 1)) * rng.standard_normal((n, d))).astype(
            "f4"
        )
    rows: Rows = rng.standard_normal((n, d)).astype(np.float16 if kind == "float16" else np.float32)
    if kind == "repeated":
        rows = rows[rng.integers(0, max(1, n // 20), size=n)]
        rows[rng.random(n) < 0.1] = 0
    if kind == "lengths":
        rows = rows * (10.0 ** rng.uniform(-18, 15, (n, 1))).astype(np.float32)
    return rows


KINDS = ["bits", "int8", "close", "float16", "plain", "repeated", "lengths"]
