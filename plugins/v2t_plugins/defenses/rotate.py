"""Turn all vectors by one secret rotation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, KeyFile, Recipe, Role, Secret, Vectors
from v2t_plugins.defenses.directions import orthonormal
from v2t_plugins.defenses.fitting import chunks
from v2t_plugins.defenses.keyed import Keyed


@dataclass(frozen=True, kw_only=True)
class Rotate(Keyed):
    """``x Q``, (n, d), with an orthogonal matrix Q drawn evenly by the secret.

    Every product, cosine and distance stays what it was. Nobody can undo it without the
    secret, but d pairs of a vector and its release determine Q (Schönemann 1966), and where the
    owner's texts are much like public ones, their clouds can be laid upon each other without any.

    Args:
        key: File of the secret; not given, the experiment's seed decides.
        secret: Decides the rotation.
    """

    key: KeyFile | None = None
    secret: Secret

    keeps = ("cosine", "dot", "euclidean")

    def gives_unit(self, unit: bool) -> bool:
        """Return whether they had length 1."""
        return unit

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return turned vectors, (n, d)."""
        turn = rotation(self.secret, vectors.shape[1])
        released = np.empty_like(vectors)
        for rows in chunks(len(vectors)):
            np.matmul(vectors[rows], turn, out=released[rows])
        return released


@lru_cache(maxsize=4)
def rotation(secret: Secret, dim: int) -> Vectors:
    """Return the orthogonal matrix of a secret, (d, d), even over all of them."""
    generator = secret.generator("rotate", str(dim))
    turn: Vectors = orthonormal(generator, dim, dim).astype(np.float32)
    turn.setflags(write=False)
    return turn


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer a secret rotation."""
    yield Recipe(name="rotate", build=Rotate, source="this project")
