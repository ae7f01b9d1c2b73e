"""Release the largest coordinates and zeros for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors
from v2t_plugins.defenses.fitting import check_dims, check_kept, chunks

VALUE_BYTES = 4
NARROW_DIM = 2**16
"""Up to here a coordinate's number takes two bytes."""


@dataclass(frozen=True, kw_only=True)
class TopK(Defense):
    """The k coordinates of largest absolute value, the others 0, (n, d).

    Of equal ones the first are kept. Nothing is scaled; `lift` has nothing to add.

    Args:
        k: How many of a vector are kept; which, is another choice for each vector.
    """

    k: int

    stochastic = False
    keyed = False
    on = "both"
    similarity = None

    def __post_init__(self) -> None:
        """Refuse to keep nothing."""
        check_kept(self.k, "topk")

    def released_dim(self, dim: int) -> int:
        """Return d.

        Raises:
            BadParameter: the vectors have fewer than k dimensions.
        """
        check_dims(self.k, dim, "topk")
        return dim

    def bytes_per_vector(self, dim: int) -> int:
        """Return what k values and their places take."""
        return self.k * (VALUE_BYTES + (2 if dim <= NARROW_DIM else 4))

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return sparse vectors, (n, d).

        Raises:
            BadParameter: the vectors have fewer than k dimensions.
        """
        self.released_dim(vectors.shape[1])
        released = vectors.copy()
        for rows in chunks(len(vectors)):
            block = released[rows]
            # Six times as fast as writing zeros where the mask says so; + 0 makes -0 a 0.
            block *= kept(np.abs(block), self.k)
            block += 0
        return released


def kept(sizes: Vectors, k: int) -> NDArray[np.bool_]:
    """Return which k of each row of ``sizes`` (n, d) are the largest, the first of equal ones."""
    place = sizes.shape[1] - k
    least = np.partition(sizes, place, axis=1)[:, place : place + 1]  # (n, 1)
    largest: NDArray[np.bool_] = sizes >= least
    crowded = np.flatnonzero(largest.sum(axis=1) > k)
    if len(crowded):
        above = sizes[crowded] > least[crowded]
        equal = largest[crowded] & ~above
        places = k - above.sum(axis=1, keepdims=True)
        largest[crowded] = above | (equal & (equal.cumsum(axis=1) <= places))
    return largest


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer keeping the largest coordinates."""
    yield Recipe(
        name="topk",
        build=TopK,
        source="this project",
        standard=("topk:128", "topk:64", "topk:32"),
    )
