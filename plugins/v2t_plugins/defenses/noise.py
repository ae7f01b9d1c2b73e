"""Add the same amount of white noise to every coordinate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadParameter


@dataclass(frozen=True, kw_only=True)
class Noise(Defense):
    """White Gaussian noise: ``x + sigma * g`` with ``g`` drawn from N(0, I).

    ``g`` is drawn for each item once, so releasing it again tells nothing more; another
    sigma scales the same draw.

    Args:
        sigma: Standard deviation per coordinate, in the units of the embedding (not
            relative to its norm: 0.1 on a unit vector of 768 dimensions adds noise of
            norm 2.8).
        on: Which side is noised; the other is released as it is.
        secret: Decides the draws.
    """

    sigma: float
    on: Literal["both", "documents", "queries"] = "both"
    secret: Secret

    keyed = False
    similarity = None

    def __post_init__(self) -> None:
        """Refuse what is no standard deviation."""
        # Draws reach 10 sigma; squared, they must still be float32 numbers.
        if not 0 <= self.sigma <= 1e15:
            raise BadParameter(f"noise: sigma is {self.sigma}; expected a number from 0 to 1e15")

    @property
    def stochastic(self) -> bool:
        """Whether anything is added at all."""
        return self.sigma > 0

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return noisy vectors, (n, d); they are not renormalised."""
        if self.on == {"document": "queries", "query": "documents"}[role]:
            return vectors.copy()
        n, d = vectors.shape
        return vectors + np.float32(self.sigma) * self.secret.normal((n, d), role, ids)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer white noise."""
    # The paper's decades miss the cliff between 0.01 and 0.1.
    sigmas = ("0.001", "0.01", "0.02", "0.03", "0.05", "0.1")
    yield Recipe(
        name="noise",
        build=Noise,
        source="Morris et al. 2023, section 6",
        standard=tuple(f"noise:{sigma}" for sigma in sigmas),
    )
