"""Subtract the mean of the owner's vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors
from v2t_bench.errors import BadInput
from v2t_plugins.defenses.fitting import check_same_dim, fitted

NAME = "center"


@dataclass(frozen=True, kw_only=True)
class Center(Defense):
    """``x - m`` with ``m`` the mean of the documents it is fitted to, (n, d).

    Distances stay, and cosines do not: what all texts have in common no longer counts. The mean
    is public, `lift` adds it again.

    Args:
        mean: (d,); set by `fit`.
    """

    mean: Vectors | None = field(default=None, repr=False, compare=False)

    stochastic = False
    keyed = False
    on = "both"
    similarity = None
    keeps = ("euclidean",)

    def fit(self, vectors: Vectors) -> Center:
        """Return this defense, knowing the mean.

        Raises:
            BadInput: there is no vector.
        """
        if not len(vectors):
            raise BadInput(f"{NAME} is to be fitted to no vectors and needs at least 1")
        return replace(self, mean=vectors.mean(axis=0, dtype="float64").astype("float32"))

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return vectors less the mean, (n, d).

        Raises:
            BadInput: the defense is not fitted, or was to vectors of another length.
        """
        mean = fitted(self.mean, NAME)
        check_same_dim(vectors, len(mean), NAME)
        return vectors - mean

    def lift(self, released: Vectors) -> Vectors:
        """Return ``released`` with the mean added again, (n, d).

        Raises:
            BadInput: the defense is not fitted.
        """
        return released + fitted(self.mean, NAME)


def build() -> Center:
    """Subtract the mean of the owner's vectors."""
    return Center()


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer centring."""
    yield Recipe(name=NAME, build=build, source="Mu and Viswanath 2018, its first step")
