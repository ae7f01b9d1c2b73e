"""The best documents of each query so far."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from v2t_bench.search.ties import RANKS

_AT_ONCE = 2**18


class Best:
    """The ``depth`` highest sums of each query, in no order, and whose they are.

    Args:
        n: How many queries.
        depth: How many are kept for each.
    """

    def __init__(self, n: int, depth: int) -> None:
        self.sums = np.full((n, depth), -np.inf)
        self.documents = np.full((n, depth), -1, dtype=np.int64)
        self.least = np.full(n, -np.inf)

    def least_steps(self, rows: slice) -> NDArray[np.float64]:
        """Return the rounded score of each query's last, -inf while there are too few."""
        return np.floor(self.least[rows] / RANKS)

    def add(
        self, rows: NDArray[np.int64], documents: NDArray[np.int64], sums: NDArray[np.float64]
    ) -> None:
        """Keep what is among the best; ``rows`` ascend, and no sum of a query comes twice."""
        among = sums > self.least[rows]
        rows, documents, sums = rows[among], documents[among], sums[among]
        changed, first, counts = np.unique(rows, return_index=True, return_counts=True)
        for some in self._shares(counts):
            begin, end = first[some.start], first[some.stop - 1] + counts[some.stop - 1]
            place = np.arange(begin, end) - np.repeat(first[some], counts[some])
            at = (np.repeat(np.arange(some.stop - some.start), counts[some]), place)
            shape = (some.stop - some.start, int(counts[some].max()))
            new_sums, new_documents = np.full(shape, -np.inf), np.full(shape, -1, dtype=np.int64)
            new_sums[at], new_documents[at] = sums[begin:end], documents[begin:end]
            self._merge(changed[some], new_sums, new_documents)

    def ranked(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return sums and documents, best first."""
        order = np.argsort(-self.sums, axis=1, kind="stable")
        return (
            np.take_along_axis(self.sums, order, axis=1),
            np.take_along_axis(self.documents, order, axis=1),
        )

    def _shares(self, counts: NDArray[np.int64]) -> Iterator[slice]:
        """Yield parts of the changed queries that take little memory to merge."""
        if len(counts):
            size = max(1, _AT_ONCE // (self.sums.shape[1] + int(counts.max())))
            for start in range(0, len(counts), size):
                yield slice(start, min(start + size, len(counts)))

    def _merge(
        self,
        rows: NDArray[np.int64],
        new_sums: NDArray[np.float64],
        new_documents: NDArray[np.int64],
    ) -> None:
        depth = self.sums.shape[1]
        sums = np.hstack([self.sums[rows], new_sums])
        documents = np.hstack([self.documents[rows], new_documents])
        kept = np.argpartition(sums, -depth, axis=1)[:, -depth:]
        self.sums[rows] = np.take_along_axis(sums, kept, axis=1)
        self.documents[rows] = np.take_along_axis(documents, kept, axis=1)
        self.least[rows] = self.sums[rows].min(axis=1)
