"""Scores of single pairs in float64, and rows whose products are close to them.

All scores lie between -1 and 1, so that one step of rounding means the same for every
similarity: `similarity` over what the longest vectors could reach at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BrokenPromise

if TYPE_CHECKING:
    import torch

Similarity = Literal["cosine", "dot", "euclidean", "hamming"]
Vectors = NDArray[Any]
"""Vectors in rows: float32, or what widens to float64 exactly; may be memory-mapped."""

STEPS = 2**20
"""Scores are rounded to this many steps between 0 and the largest one possible.

What is rounded is computed in float64, from the two vectors alone: rounding float32 sums, or
sums whose order depends on what stands beside them, would carry one of two identical vectors
over the edge of a step. The steps are as wide as they are (10^-6) so that one text embedded in
two batches, whose scores differ by about 10^-7, mostly ties with itself.
"""

_SUB_BLOCK = 1024
# Sums of squares of such lengths neither overflow float32 nor lose to its smallest numbers.
_SHORTEST, _LONGEST = 1e-10, 1e15


@dataclass(frozen=True)
class Scale:
    """What a score is measured by.

    Args:
        similarity: What closeness is.
        largest: Length of the longest document, for dot and euclidean.
    """

    similarity: Similarity
    largest: float


# ---------------------------------------------------------------------- one pair at a time
def pair_scores(queries: Vectors, documents: Vectors, scale: Scale) -> NDArray[np.float64]:
    """Return the score of each row of ``queries`` with that of ``documents``, (c,) of (c, d)."""
    left, right = np.array(queries, dtype=np.float64), np.array(documents, dtype=np.float64)
    if scale.similarity == "hamming":
        # Signs have whole products: d - 2 x distance.
        left, right = np.where(left > 0, 1.0, -1.0), np.where(right > 0, 1.0, -1.0)
        top, over = _products(left, right), np.full(len(left), float(left.shape[1]))
    elif scale.similarity == "euclidean":
        right -= left
        top, over = -_products(right, right), (_lengths(left) + scale.largest) ** 2
    else:
        of_documents = _lengths(right) if scale.similarity == "cosine" else scale.largest
        top, over = _products(left, right), _lengths(left) * of_documents
    scores: NDArray[np.float64] = top / _or_one(over)
    return scores


def lengths(vectors: Vectors, kind: str, start: int = 0) -> NDArray[np.float64]:
    """Return the length of each row, (n,), having seen that all are finite."""
    block = np.array(vectors, dtype=np.float64)
    found = _lengths(block)
    if not np.isfinite(found).all():
        check_finite(block, kind, start)
    return found


def check_finite(block: Vectors, kind: str, start: int) -> None:
    """Raise BrokenPromise for the first row that is not; rows count from ``start``."""
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(bad):
        raise BrokenPromise(
            f"the vector of {kind} {start + bad[0]} holds NaN or infinity; "
            "an embedder or defense must return finite numbers"
        )


def _products(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    # Not a matrix product: BLAS adds up in an order that depends on the neighbours.
    summed: NDArray[np.float64] = np.einsum("nd,nd->n", left, right)
    return summed


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(_products(rows, rows))


def _or_one(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scale with 1 for 0: a zero vector scores 0, not NaN."""
    return np.where(scale == 0, 1.0, scale)


# ---------------------------------------------------------------------- a block at a time
def error_bound(width: int) -> float:
    """Return by how much a float32 product of two sides may miss the score at most.

    Lengths, quotients and the sum of ``width`` products each err by at most their number of
    operations times 2^-24, relative to the sum of absolute products (Higham 2002, section 3.1),
    which is at most 1 for rows of length 1, in any order of summation.
    """
    import torch

    operations = (2 * width + 32) * 2.0**-24
    if operations > 0.5:
        return float("inf")
    # The threshold that sums are compared with is rounded to float32 as well.
    bound = operations / (1 - operations) + 2.0**-22
    # Whoever allows TF32 or bfloat16 has both factors cut to 8 bits.
    return bound if torch.get_float32_matmul_precision() == "highest" else bound + 2.0**-6


def error_bound_float64(width: int) -> float:
    """Return by how much `pair_scores` and a float64 product of two sides differ at most."""
    return (8 * width + 64) * 2.0**-53


def query_side(rows: Vectors, scale: Scale, place: torch.device) -> torch.Tensor:
    """Return float64 rows whose products with `document_side` are the scores, (n, d')."""
    import torch

    there = _float64(rows, place)
    if scale.similarity == "hamming":
        return torch.where(there > 0, 1.0, -1.0).to(torch.float64)
    long = torch.linalg.vector_norm(there, dim=1, keepdim=True)
    if scale.similarity != "euclidean":
        return there / _or_one_there(long)
    # -|q - d|^2 = 2 q.d - |q|^2 - |d|^2, as one product of longer vectors.
    unit = _or_one_there(long + scale.largest)
    share = scale.largest / unit
    return torch.cat([2 * share * there / unit, -((long / unit) ** 2), -(share**2)], dim=1)


def document_side(rows: Vectors, scale: Scale, place: torch.device) -> torch.Tensor:
    """Return float64 rows whose products with `query_side` are the scores, (n, d')."""
    import torch

    there = _float64(rows, place)
    if scale.similarity == "hamming":
        return torch.where(there > 0, 1.0, -1.0).to(torch.float64) / max(there.shape[1], 1)
    if scale.similarity == "cosine":
        return there / _or_one_there(torch.linalg.vector_norm(there, dim=1, keepdim=True))
    there = there / (scale.largest or 1.0)
    if scale.similarity == "dot":
        return there
    squares = (there**2).sum(dim=1, keepdim=True)
    return torch.cat([there, torch.ones_like(squares), squares], dim=1)


def document_side_float32(
    block: Vectors, scale: Scale, sides: torch.Tensor, start: int = 0
) -> None:
    """Fill ``sides`` with `document_side` to within `error_bound`, in float32 and little memory.

    Raises:
        BrokenPromise: a row is not finite; rows count from ``start``.
    """
    for first in range(0, len(block), _SUB_BLOCK):
        rows, out = block[first : first + _SUB_BLOCK], sides[first : first + _SUB_BLOCK]
        if scale.similarity != "cosine" or not _unit_float32(rows, out):
            check_finite(rows, "document", start + first)
            out.copy_(document_side(rows, scale, sides.device))


def side_width(dim: int, scale: Scale) -> int:
    """Return how long the sides of vectors of ``dim`` coordinates are."""
    return dim + 2 * (scale.similarity == "euclidean")


def _unit_float32(rows: Vectors, out: torch.Tensor) -> bool:
    """Fill ``out`` with rows divided by their lengths, unless float32 cannot tell some length."""
    import torch

    if rows.dtype not in (np.float32, np.float16):
        return False
    out.copy_(torch.from_numpy(rows))
    long = torch.linalg.vector_norm(out, dim=1, keepdim=True)
    told = bool(((long > _SHORTEST) & (long < _LONGEST)).all())
    if told:
        out.div_(long)
    return told


def _float64(rows: Vectors, place: torch.device) -> torch.Tensor:
    import torch

    if rows.dtype in (np.float32, np.float16, np.int8):  # narrower on its way there
        return torch.from_numpy(rows).to(place).to(torch.float64)
    return torch.from_numpy(rows.astype(np.float64)).to(place)


def _or_one_there(scale: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.where(scale == 0, 1.0, scale)
