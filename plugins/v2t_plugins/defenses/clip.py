"""Bound every coordinate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors
from v2t_bench.errors import BadParameter


@dataclass(frozen=True, kw_only=True)
class Clip(Defense):
    """Every coordinate, where it is beyond -c or c, replaced by that, (n, d).

    Signs stay, so a ranking by Hamming distance does. Nothing is renormalised, and nobody can
    tell how far beyond a coordinate was: `lift` returns what it is given.

    Args:
        c: In the units of the embedding: a unit vector of 384 dimensions has coordinates of
            root mean square 0.05.
    """

    c: float

    stochastic = False
    keyed = False
    on = "both"
    similarity = None
    keeps = ("hamming",)

    def __post_init__(self) -> None:
        """Refuse what is no bound in float32."""
        if not 1e-30 <= self.c <= 1e30:
            raise BadParameter(f"clip: c is {self.c}; expected a number from 1e-30 to 1e30")

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return bounded vectors, (n, d)."""
        bound = np.float32(self.c)
        clipped: Vectors = np.clip(vectors, -bound, bound)
        return clipped


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer clipping."""
    yield Recipe(
        name="clip",
        build=Clip,
        source="this project",
        standard=("clip:0.1", "clip:0.05", "clip:0.02"),
    )
