"""A control: the same attack, given the vectors of other texts.

What it scores owes nothing to the vector of the text it is compared with, only to what texts
of the corpus have in common. An attack that scores no better reads nothing out of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from v2t_bench import hookimpl
from v2t_bench.contracts import Attack, BuildContext, Recipe, Vectors
from v2t_bench.errors import BadParameter, Skipped
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import answers_of_another


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """The same attack, given every text's vector in place of another's.

    Args:
        attack: Any attack.
        seed: Of the order; no text keeps its own vector.
        context: Builds the attack.
    """

    attack: Spelling
    seed: int = 0
    context: BuildContext

    depends_on_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a seed that cannot be."""
        if self.seed < 0:
            raise BadParameter(f"shuffled: seed is {self.seed}; expected at least 0")

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return for each row of ``vectors``, (n, d), the attack's guess at another row.

        Raises:
            Skipped: there is one row only, so there is no other.
        """
        if not len(vectors):
            return []
        if len(vectors) == 1:
            raise Skipped("shuffled: one text alone has no other's vector; attack at least 2")
        others = vectors[derangement(len(vectors), self.seed)]
        return answers_of_another(self.context, self.attack, others, oracle)


def derangement(n: int, seed: int) -> NDArray[np.int64]:
    """Return a permutation of ``n`` rows, at least 2, that leaves none in its place, (n,).

    All rows are on one circle in random order, and each gets the next one's place.
    """
    circle = np.random.default_rng([seed, n]).permutation(n)
    moved = np.empty(n, dtype=np.int64)
    moved[circle] = np.roll(circle, 1)
    return moved


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the control of any attack."""
    yield Recipe(name="shuffled", build=Shuffled, source="this project")
