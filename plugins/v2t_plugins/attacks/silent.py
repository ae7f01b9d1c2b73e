"""Say nothing: the floor of every table, and what "no guess" scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from v2t_bench import hookimpl
from v2t_bench.contracts import Attack, Recipe, Vectors
from v2t_bench.threat import Oracle


@dataclass(frozen=True, kw_only=True)
class Silent:
    """An attacker that guesses the empty text."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return one empty text a row of ``vectors``, (n, d)."""
        return [""] * len(vectors)


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer silence."""
    yield Recipe(name="silent", build=Silent, source="this project")
