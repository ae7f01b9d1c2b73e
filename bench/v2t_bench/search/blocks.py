"""One search through documents that come in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2t_bench.search.best import Best
from v2t_bench.search.nearby import Filter
from v2t_bench.search.scores import (
    STEPS,
    Scale,
    Vectors,
    document_side,
    document_side_float32,
    error_bound,
    error_bound_float64,
    pair_scores,
    query_side,
    side_width,
)
from v2t_bench.search.ties import RANKS, TieOrder

if TYPE_CHECKING:
    import torch

_CROWDED = 32
"""More than this share of a block is scored at once in float64, as that is then faster."""

_PAIR_VALUES = 2**16
_CROWDED_VALUES = 2**20


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search through documents that come in blocks."""

    queries: Vectors
    scale: Scale
    order: TieOrder
    left_out: NDArray[np.int64]
    best: Best
    place: torch.device
    look: Filter
    query_chunk: int

    def _query_sides(self) -> list[tuple[slice, torch.Tensor]]:
        """Return the float32 sides of all queries, in chunks."""
        import torch

        return [
            (
                rows,
                query_side(np.array(self.queries[rows]), self.scale, self.place).to(torch.float32),
            )
            for rows in slices(len(self.queries), self.query_chunk)
        ]

    def run(self, documents: Vectors, document_chunk: int) -> None:
        """Take in all documents, (n_docs, d), in blocks."""
        import torch

        lefts = self._query_sides()
        most = min(document_chunk, len(documents))
        copied = np.empty((most, documents.shape[1]), dtype=documents.dtype)
        width = side_width(documents.shape[1], self.scale)
        sides = torch.empty((most, width), dtype=torch.float32, device=self.place)
        for docs in slices(len(documents), document_chunk):
            block, right = copied[: docs.stop - docs.start], sides[: docs.stop - docs.start]
            block[:] = documents[docs]
            document_side_float32(block, self.scale, right, docs.start)
            self._block(block, right, docs.start, lefts)

    def _block(
        self,
        block: Vectors,
        right: torch.Tensor,
        start: int,
        lefts: list[tuple[slice, torch.Tensor]],
    ) -> None:
        """Take in the documents ``block``, (bd, d), the first of which is number ``start``."""
        import torch

        bound = error_bound(right.shape[1])
        for rows, left in lefts:
            # A step more than the half that rounding can move each of two scores.
            floor = (self.best.least_steps(rows) - 1) / STEPS - bound
            near = self.look(
                left,
                right,
                torch.from_numpy(floor).to(self.place, torch.float32),
                depth=self.best.sums.shape[1] + 1,  # one may be left out
                margin=2 * bound + 2 / STEPS,
                limit=max(1, len(block) // _CROWDED),
            )
            self._pairs(rows.start + near.rows, near.columns, block, start)
            self._crowded(rows.start + near.crowded, block, start)

    def _pairs(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], block: Vectors, start: int
    ) -> None:
        """Take in single documents for single queries."""
        documents = start + columns
        allowed = self.left_out[rows] != documents
        rows, columns, documents = rows[allowed], columns[allowed], documents[allowed]
        sums = self._steps(rows, columns, block) * RANKS + self.order.bonus(documents)
        self.best.add(rows, documents, sums)

    def _steps(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], block: Vectors
    ) -> NDArray[np.float64]:
        """Return the rounded scores of pairs, (c,)."""
        steps = np.empty(len(rows))
        for some in slices(len(rows), max(1, _PAIR_VALUES // max(block.shape[1], 1))):
            scores = pair_scores(self.queries[rows[some]], block[columns[some]], self.scale)
            steps[some] = np.rint(scores * STEPS)
        return steps

    def _crowded(self, rows: NDArray[np.int64], block: Vectors, start: int) -> None:
        """Take in all documents of the block for these queries."""
        if not len(rows):
            return
        import torch

        depth = self.best.sums.shape[1]
        right = document_side(block, self.scale, self.place)
        bonus = torch.from_numpy(self.order.bonus(slice(start, start + len(block))))
        bonus = bonus.to(self.place)
        for some in slices(len(rows), max(1, _CROWDED_VALUES // (depth + len(block)))):
            left = query_side(self.queries[rows[some]], self.scale, self.place)
            sums = self._round(left @ right.T, rows[some], block).mul_(RANKS).add_(bonus)
            _leave_out(sums, self.left_out[rows[some]] - start)
            # All sums are now different, so topk, which is unstable on ties, is exact.
            found = sums.topk(min(depth, sums.shape[1]), dim=1)
            each = np.repeat(rows[some], found.values.shape[1])
            places = found.indices.cpu().numpy().ravel()
            self.best.add(each, start + places, found.values.cpu().numpy().ravel())

    def _round(self, sums: torch.Tensor, rows: NDArray[np.int64], block: Vectors) -> torch.Tensor:
        """Return the rounded scores, (bq, bd), as `_steps` would."""
        import torch

        steps = sums.mul_(STEPS).round()
        slack = STEPS * error_bound_float64(block.shape[1])
        # So close to the edge of a step the order of summation decides.
        unsure = (sums.sub_(steps).abs_() > 0.5 - slack).nonzero(as_tuple=True)
        if len(unsure[0]):
            at, columns = (places.cpu().numpy() for places in unsure)
            steps[unsure] = torch.from_numpy(self._steps(rows[at], columns, block)).to(self.place)
        return steps


def _leave_out(sums: torch.Tensor, columns: NDArray[np.int64]) -> None:
    for row in np.flatnonzero((columns >= 0) & (columns < sums.shape[1])):
        sums[int(row), int(columns[row])] = -float("inf")


def slices(n: int, size: int) -> Iterator[slice]:
    """Return the parts of ``n`` rows that have at most ``size`` each."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
