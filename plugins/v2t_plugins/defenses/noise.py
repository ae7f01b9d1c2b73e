"""Add the same amount of white noise to every coordinate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.defenses.directions import unit_rows
from v2t_plugins.defenses.sides import Side, leaves_alone


@dataclass(frozen=True, kw_only=True)
class Noise(Defense):
    """White Gaussian noise: ``x + sigma * g`` with ``g`` drawn from N(0, I).

    ``g`` is drawn for each item once, so releasing it again tells nothing more; another
    sigma scales the same draw.

    Privacy, of one release of one item, for any two vectors at a Euclidean distance of at most
    r: (epsilon, delta)-differential privacy with ``sigma >= r sqrt(2 ln(1.25 / delta)) /
    epsilon`` for epsilon below 1 (Dwork and Roth 2014, theorem A.1). Vectors of length 1 are at
    most 2 apart; the sigmas used here promise nothing at that distance.

    Args:
        sigma: Standard deviation per coordinate, in the units of the embedding (not
            relative to its norm: 0.1 on a unit vector of 768 dimensions adds noise of
            norm 2.8).
        on: Which side is noised; the other is released as it is.
        normalize: Whether noisy vectors are scaled to length 1; not given means they are not.
        secret: Decides the draws.
    """

    sigma: float
    on: Side = "both"
    # No default of its own in a spelling, so that noise without it is called as it always was.
    normalize: bool | None = None
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

    def gives_unit(self, unit: bool) -> bool:
        """Return whether noisy vectors are scaled, and those left alone had length 1."""
        return bool(self.normalize) and (unit or self.on == "both")

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return noisy vectors, (n, d)."""
        if leaves_alone(self.on, role):
            return vectors.copy()
        n, d = vectors.shape
        noisy = vectors + np.float32(self.sigma) * self.secret.normal((n, d), role, ids)
        return unit_rows(noisy) if self.normalize else noisy


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
