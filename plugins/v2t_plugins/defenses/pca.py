"""Release the coordinates along the principal axes of the owner's vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Vectors
from v2t_plugins.defenses.fitting import check_rows
from v2t_plugins.defenses.principal_axes import principal_axes
from v2t_plugins.defenses.projection import Matrix, Projection


@dataclass(frozen=True, kw_only=True)
class PrincipalComponents(Projection):
    """The first k principal coordinates, (n, k), of vectors that are not centred.

    Of all projections to k dimensions it keeps the most of the squared lengths of the vectors
    it is fitted to (Eckart and Young 1936). Nothing is subtracted, so that with k = d it only
    rotates, and every cosine, product and distance is as it was; for principal components of
    centred vectors put ``center`` before it.
    """

    name: ClassVar[str] = "pca"

    def columns(self, vectors: Vectors) -> Matrix:
        """Return the first k principal axes, (d, k).

        Raises:
            BadInput: there are fewer vectors than axes, or all are zero.
        """
        check_rows(vectors, self.k, self.name)
        return principal_axes(vectors)[:, : self.k]


def build(*, k: int) -> PrincipalComponents:
    """Keep the k directions along which the owner's vectors are longest.

    Nothing is subtracted, so that with k = d it only rotates; put ``center`` before it for
    principal components of centred vectors.

    Args:
        k: How many coordinates are released.
    """
    return PrincipalComponents(k=k)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer principal components."""
    yield Recipe(
        name="pca",
        build=build,
        source="Pearson 1901; uncentred",
        standard=("pca:256", "pca:128", "pca:64"),
    )
