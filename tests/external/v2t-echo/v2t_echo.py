"""Two attacks that learn nothing, and a defense that rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from v2t_bench import hookimpl
from v2t_bench.contracts import Attack, Defense, Recipe, Role, Vectors
from v2t_bench.errors import BadParameter
from v2t_bench.threat import Oracle


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Answers the same text whatever it is asked.

    Args:
        text: What it answers.
    """

    text: str = "hello"

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the text once a row of ``vectors``, (n, d)."""
        return [self.text] * len(vectors)


@dataclass(frozen=True, kw_only=True)
class Crash:
    """Fails at every vector, on purpose."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Fail."""
        raise RuntimeError("this attack crashes on purpose")


@dataclass(frozen=True, kw_only=True)
class Round(Defense):
    """Rounds every coordinate.

    Args:
        decimals: Digits kept after the point, 0 to 6.
    """

    decimals: int = 2

    stochastic = False
    keyed = False
    on = "both"
    similarity = None

    def __post_init__(self) -> None:
        """Refuse digits that float32 does not have."""
        if not 0 <= self.decimals <= 6:
            raise BadParameter(f"echo-round: decimals must be 0 to 6, got {self.decimals}")

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return the rounded vectors, (n, d)."""
        return np.round(vectors, self.decimals).astype(np.float32)


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the attack that answers and the one that does not."""
    yield Recipe(name="echo", build=Echo, source="this package")
    yield Recipe(name="crash", build=Crash, source="this package", for_tests=True)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer rounding."""
    yield Recipe(name="echo-round", build=Round, source="this package")
