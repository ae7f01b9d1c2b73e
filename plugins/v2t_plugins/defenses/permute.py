"""Put the coordinates in a secret order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, KeyFile, Recipe, Role, Secret, Vectors
from v2t_plugins.defenses.keyed import Keyed


@dataclass(frozen=True, kw_only=True)
class Permute(Keyed):
    """The coordinates of every vector in one order that the secret decides, (n, d).

    Every product, cosine and distance stays what it was. A handful of pairs of a vector and
    its release show the order: no two coordinates have the same values in all of them.

    Args:
        key: File of the secret; not given, the experiment's seed decides.
        secret: Decides the order.
    """

    key: KeyFile | None = None
    secret: Secret

    keeps = ("cosine", "dot", "euclidean", "hamming")

    def gives_unit(self, unit: bool) -> bool:
        """Return whether they had length 1."""
        return unit

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return vectors in the secret order, (n, d)."""
        order = self.secret.generator("permute").permutation(vectors.shape[1])
        return np.take(vectors, order, axis=1)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer a secret order of coordinates."""
    yield Recipe(name="permute", build=Permute, source="this project")
