"""Drop the principal axes that tell a text from its neighbours rather than place it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Vectors
from v2t_bench.errors import BadInput
from v2t_plugins.defenses.fitting import check_rows, evenly
from v2t_plugins.defenses.principal_axes import principal_axes
from v2t_plugins.defenses.projection import Matrix, Projection

NEGLIGIBLE = 1e-12
"""An axis with less than this share of the longest one's mean square holds rounding alone."""

QUERIES = 1024


@dataclass(frozen=True, kw_only=True)
class Mask(Projection):
    """The k principal coordinates, (n, k), of which neighbours share the most.

    Search needs the part of a vector that a text has in common with its neighbours; what it has
    for itself tells it from them, and is what an attack reads beyond the topic. Along a principal
    axis (uncentred, as of ``pca``) let ``s`` be the mean of ``x^2`` and ``w`` half the mean of
    ``(x - y)^2``, ``y`` being the vector nearest to ``x`` by Euclidean distance, another than
    ``x`` itself. ``w / s`` is then the share of the axis that is the text's own: about 0 where
    neighbours agree, 1 where they are as unlike as any two. The k axes of the lowest shares are
    released, those with nothing on them last. This is the Laplacian score (He, Cai and Niyogi
    2005), of a graph that joins each vector to the nearest one, without centring;
    that it also ranks axes by what they leak is a conjecture, to be measured. Who is near is
    decided on the longest axes, which for that reason alone seem shared: expect much of what
    ``pca`` keeps.

    Up to 10,000 vectors, evenly spaced and without repeats, are asked for their neighbours.
    """

    name: ClassVar[str] = "mask"

    def columns(self, vectors: Vectors) -> Matrix:
        """Return the chosen axes, the longest first, (d, k).

        Raises:
            BadInput: there are fewer vectors than axes to be kept, or no two unlike ones.
        """
        check_rows(vectors, self.k, self.name)
        axes = principal_axes(vectors)
        sample = np.unique(evenly(vectors), axis=0)
        if len(sample) < 2:
            raise BadInput(
                f"{self.name} is to be fitted to {len(vectors)} vectors that are all the same; "
                "expected some that differ: it compares neighbours"
            )
        own = own_share(sample.astype(np.float64) @ axes)
        chosen = np.sort(np.argsort(own, kind="stable")[: self.k])
        return axes[:, chosen]


def own_share(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each coordinate of ``rows`` (n, d) that nearest rows do not share, (d,).

    Infinity where there is nothing along a coordinate. At least two rows, all different.
    """
    gaps = rows - rows[nearest(rows)]
    own, total = 0.5 * (gaps**2).mean(axis=0), (rows**2).mean(axis=0)
    share = np.full(rows.shape[1], np.inf)
    np.divide(own, total, out=share, where=total > NEGLIGIBLE * total.max())
    return share


def nearest(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each of ``rows`` (n, d) which other one is closest, (n,)."""
    # Distances are compared, and float32 tells two neighbours apart well enough.
    single = (rows / np.abs(rows).max()).astype(np.float32)
    half_squares = 0.5 * np.einsum("nd,nd->n", single, single)
    found = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), QUERIES):
        block = single[start : start + QUERIES]
        closeness = block @ single.T - half_squares  # (b, n): -|x - y|^2 / 2 + |x|^2 / 2
        closeness[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        found[start : start + QUERIES] = closeness.argmax(axis=1)
    return found


def build(*, k: int) -> Mask:
    """Drop the directions, all but k, that tell a text from its nearest neighbour.

    Of the principal axes those are kept of which neighbours share the most, by the Laplacian
    score. That it also ranks axes by what they leak is a conjecture.

    Args:
        k: How many coordinates are released.
    """
    return Mask(k=k)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer a mask fitted to the owner's vectors."""
    yield Recipe(
        name="mask",
        build=build,
        source="this project, by the Laplacian score of He, Cai and Niyogi 2005",
        standard=("mask:256", "mask:128", "mask:64"),
    )
