"""A plugin for tests: an attack that shows its rounds, and what must be refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Attack, Defense, Recipe, Role, Round, Space, Trace, Vectors
from v2t_bench.errors import SpaceMismatch
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.threat import Oracle

LADDER = ("the blue door", "a red door", "a red door", "a red door [bold]on\nMonday")


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Says one text after another, whatever the vector, and answers with the closest."""

    steps: int = 3

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the closest rung for each row of ``vectors``, (n, d)."""
        return [trace.text for trace in self.invert_traced(vectors, oracle)]

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        """Return every rung for each row of ``vectors``, (n, d), and the closest."""
        rungs = LADDER[: self.steps + 1]
        return [self._climb(row, rungs, oracle.embed(rungs)) for row in vectors]

    @staticmethod
    def _climb(target: Vectors, rungs: Sequence[str], embedded: Vectors) -> Trace:
        cosines = cosine_per_pair(embedded, np.broadcast_to(target, embedded.shape)).tolist()
        rounds = tuple(
            Round(step=step, text=text, cosine=cosine)
            for step, (text, cosine) in enumerate(zip(rungs, cosines, strict=True))
        )
        return Trace(text=rungs[int(np.argmax(cosines))], rounds=rounds)


@dataclass(frozen=True, kw_only=True)
class Untrue(Ladder):
    """Shows rounds that no search can have."""

    lie: str = "few"

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        """Return something else than was promised."""
        traces = super().invert_traced(vectors, oracle)
        if self.lie == "nan":
            nowhere = Round(step=0, text="", cosine=float("nan"))
            return [replace(trace, rounds=(nowhere,)) for trace in traces]
        return traces[:-1] if self.lie == "few" else [trace.text for trace in traces]  # type: ignore[misc]


@dataclass(frozen=True, kw_only=True)
class Picky(Ladder):
    """Inverts nothing but ``dot`` spaces."""

    def check_space(self, space: Space) -> None:
        """Refuse the others."""
        if space.similarity != "dot":
            raise SpaceMismatch(f"picky inverts dot spaces, not {space.similarity}")


@dataclass(frozen=True, kw_only=True)
class Sealed(Defense):
    """Releases the first half of each vector, from which nobody gets the rest."""

    stochastic = False
    keyed = False
    on = "both"
    similarity = None

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return (n, d // 2)."""
        return vectors[:, : vectors.shape[1] // 2].copy()

    def lift(self, released: Vectors) -> Vectors | None:
        """Return None."""
        return None


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the attacks."""
    yield Recipe(name="ladder", build=Ladder)
    yield Recipe(name="untrue", build=Untrue)
    yield Recipe(name="picky", build=Picky)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer what cannot be lifted."""
    yield Recipe(name="sealed", build=Sealed)
