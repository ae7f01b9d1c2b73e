"""Release vectors as they are: the row every other defense is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors


@dataclass(frozen=True, kw_only=True)
class Undefended(Defense):
    """No defense: what is released is what was embedded."""

    stochastic = False
    keyed = False
    on = "both"
    similarity = None
    keeps = ("cosine", "dot", "euclidean", "hamming")

    def gives_unit(self, unit: bool) -> bool:
        """Return whether they had length 1."""
        return unit

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return a copy."""
        return vectors.copy()


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer no defense."""
    yield Recipe(name="none", build=Undefended, source="this project")
