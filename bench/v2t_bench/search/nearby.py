"""Which documents of a block might be among the best, seen in float32.

A document that is left out here is proved not to be; what is kept is scored again in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BadParameter

if TYPE_CHECKING:
    import torch

Backend = Literal["torch", "faiss"]

_VALUES = 2**18
_MORE = 16
"""How many documents faiss is asked for beyond those that are needed."""


class Nearby(NamedTuple):
    """What might be among the best of a block.

    Args:
        rows: Queries, ascending, (c,).
        columns: For each the document in the block, (c,).
        crowded: Queries for which too many might be, (m,); they have no rows.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    crowded: NDArray[np.int64]


class Filter(Protocol):
    """Finds what might be among the best of a block.

    Args:
        left: Sides of queries, (bq, d') float32.
        right: Sides of documents, (bd, d') float32.
        floor: For each query the least sum that might be among its best, (bq,) float32.
        depth: How many of a block might at most be above all others of it.
        margin: How far a sum must lie below the ``depth``-th best of the block to be left out.
        limit: With more than so many a query is crowded.
    """

    def __call__(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        floor: torch.Tensor,
        *,
        depth: int,
        margin: float,
        limit: int,
    ) -> Nearby:
        """Return it, never leaving out one of the best."""


class ByTorch:
    """Returns what might be among the best, by one matrix product on any device."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None

    def __call__(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        floor: torch.Tensor,
        *,
        depth: int,
        margin: float,
        limit: int,
    ) -> Nearby:
        """Return what might be among the best."""
        import torch

        # Made once: a heap that gives and takes megabytes for each block grows by them.
        if self._sums is None or self._sums.numel() < len(left) * len(right):
            self._sums = torch.empty(len(left) * len(right), device=left.device)
        sums = self._sums[: len(left) * len(right)].view(len(left), len(right))
        torch.mm(left, right.T, out=sums)
        open_rows = (sums.amax(dim=1) >= floor).nonzero()[:, 0]
        found = []
        for rows in torch.split(open_rows, max(1, _VALUES // len(right))):
            close, many = _close(sums[rows], floor[rows], depth=depth, margin=margin, limit=limit)
            at, columns = close.nonzero(as_tuple=True)
            found.append([place.cpu().numpy() for place in (rows[at], columns, rows[many])])
        return Nearby(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _close(
    sums: torch.Tensor, floor: torch.Tensor, *, depth: int, margin: float, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which of ``sums``, (n, bd), are close to the best, and the rows with too many."""
    import torch

    close = sums >= floor[:, None]
    many = (close.sum(dim=1) > limit).nonzero()[:, 0]
    if len(many):
        several = sums[many]
        if depth <= several.shape[1]:
            least = several.topk(depth, dim=1).values[:, -1] - margin
            close[many] = several >= torch.maximum(least, floor[many])[:, None]
        many = many[close[many].sum(dim=1) > limit]
        close[many] = False
    return close, many


def by_faiss(
    left: torch.Tensor,
    right: torch.Tensor,
    floor: torch.Tensor,
    *,
    depth: int,
    margin: float,
    limit: int,
) -> Nearby:
    """Return what might be among the best, by faiss's flat inner product on the CPU."""
    try:
        import faiss
    except ImportError as error:
        raise BadParameter(
            "the backend faiss needs a package that is not installed; "
            "pip install 'v2t-bench[faiss]'"
        ) from error

    most = min(depth + _MORE, len(right))
    sums, columns = faiss.knn(left.numpy(), right.numpy(), most, metric=faiss.METRIC_INNER_PRODUCT)
    least = floor.numpy()
    if depth <= most:
        least = np.maximum(least, sums[:, depth - 1] - np.float32(margin))
    close = sums >= least[:, None]
    # Where even the last is close, so may be what faiss did not return.
    crowded = (close.sum(axis=1) > limit) | (close.all(axis=1) & (most < len(right)))
    close[crowded] = False
    rows, places = np.nonzero(close)
    return Nearby(rows, columns[rows, places], np.flatnonzero(crowded))
