"""Release the first coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors
from v2t_plugins.defenses.fitting import check_dims, check_kept, fitted

NAME = "truncate"


@dataclass(frozen=True, kw_only=True)
class Truncate(Defense):
    """The first k coordinates, (n, k), as owners of Matryoshka embedders store them.

    Args:
        k: How many are released.
        dim: d; set by `fit`, which learns nothing else: only `lift` needs it.
    """

    k: int
    dim: int | None = field(default=None, repr=False, compare=False)

    stochastic = False
    keyed = False
    on = "both"
    similarity = None

    def __post_init__(self) -> None:
        """Refuse to keep nothing."""
        check_kept(self.k, NAME)

    def released_dim(self, dim: int) -> int:
        """Return k.

        Raises:
            BadParameter: the vectors have fewer dimensions.
        """
        check_dims(self.k, dim, NAME)
        return self.k

    def fit(self, vectors: Vectors) -> Truncate:
        """Return this defense, knowing d."""
        self.released_dim(vectors.shape[1])
        return replace(self, dim=vectors.shape[1])

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return shorter vectors, (n, k); they are not renormalised.

        Raises:
            BadParameter: the vectors have fewer dimensions.
        """
        return vectors[:, : self.released_dim(vectors.shape[1])].copy()

    def lift(self, released: Vectors) -> Vectors:
        """Return ``released`` with zeros for what was dropped, (n, d).

        Raises:
            BadInput: the defense is not fitted.
        """
        return np.pad(released, ((0, 0), (0, fitted(self.dim, NAME) - self.k)))


def build(*, k: int) -> Truncate:
    """Keep the first k coordinates.

    Args:
        k: How many coordinates are released.
    """
    return Truncate(k=k)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer truncation."""
    yield Recipe(
        name=NAME,
        build=build,
        source="Kusupati et al. 2022, section 3",
        standard=("truncate:256", "truncate:128", "truncate:64"),
    )
