"""Multiply all vectors by one secret number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, KeyFile, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.defenses.keyed import Keyed


@dataclass(frozen=True, kw_only=True)
class Scale(Keyed):
    """``c x``, (n, d), with a secret number c of either sign.

    |c| is drawn from 1/largest to largest, its logarithm evenly. Rankings stay what they were,
    by cosine, product and Euclidean distance. One pair of a vector and its release tells c;
    where vectors have length 1, every release tells it but for the sign.

    Args:
        largest: Of |c|, from 1 on.
        key: File of the secret; not given, the experiment's seed decides.
        secret: Decides c.
    """

    largest: float = 100.0
    key: KeyFile | None = None
    secret: Secret

    keeps = ("cosine", "dot", "euclidean")

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not 1 <= self.largest <= 1e9:
            raise BadParameter(f"scale: largest is {self.largest}; expected a number from 1 to 1e9")

    @property
    def factor(self) -> float:
        """The secret number."""
        return factor(self.secret, "scale", 1 / self.largest, self.largest, signed=True)

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return vectors times the secret number, (n, d)."""
        return vectors * np.float32(self.factor)


def factor(secret: Secret, name: str, low: float, high: float, *, signed: bool = False) -> float:
    """Return a secret number from ``low`` to ``high``, its logarithm drawn evenly."""
    generator = secret.generator(name)
    size = math.exp(generator.uniform(math.log(low), math.log(high)))
    return -size if signed and generator.random() < 0.5 else size


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer a secret scale."""
    yield Recipe(name="scale", build=Scale, source="this project")
