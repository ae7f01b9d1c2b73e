"""Scale every vector to length 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors
from v2t_bench.errors import BadInput
from v2t_plugins.defenses.fitting import chunks


@dataclass(frozen=True, kw_only=True)
class Normalize(Defense):
    """``x / |x|``, (n, d): the direction is released and the length is not.

    Nobody can tell the length: `lift` returns what it is given.
    """

    stochastic = False
    keyed = False
    on = "both"
    similarity = None
    keeps = ("cosine", "hamming")

    def gives_unit(self, unit: bool) -> bool:
        """Return that they have length 1, whatever they had."""
        return True

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return vectors of length 1, (n, d).

        Raises:
            BadInput: one is zero and has no direction.
        """
        released = np.empty_like(vectors)
        for rows in chunks(len(vectors)):
            # In float64, where no square is too large or too small.
            block = vectors[rows].astype(np.float64)
            lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
            if not lengths.all():
                first = rows.start + int(lengths.argmin())
                raise BadInput(
                    f"normalize: the vector of {role} {ids[first]!r} (row {first}) is zero and "
                    "cannot be scaled to length 1; leave that text out"
                )
            released[rows] = block / lengths[:, None]
        return released


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer scaling to length 1."""
    yield Recipe(name="normalize", build=Normalize, source="this project")
