"""Scale and perturb: encryption that keeps comparisons of distances, approximately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, KeyFile, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.defenses.directions import normal_and, unit_rows
from v2t_plugins.defenses.keyed import Keyed
from v2t_plugins.defenses.scale import factor

LARGEST = 100.0


@dataclass(frozen=True, kw_only=True)
class DistanceComparisonPreserving(Keyed):
    """``s x + p``, (n, d), with a secret number s and p drawn evenly from a ball.

    The ball's radius is ``s beta / 4``, so that ``|x - y| < |x - z| - beta`` implies the same
    of the releases: comparisons of Euclidean distances are kept where they are beta apart.
    s is drawn from 1 to 100, its logarithm evenly. It is found from the length of releases or
    from one pair; what stays is noise of length ``beta / 4`` at most, drawn for each item once,
    which hides as much as noise of that length does.

    Args:
        beta: How far distances must be apart to be compared rightly, in the units of the
            embedding; 0 or more. Vectors of length 1 are at most 2 apart.
        key: File of the secret; not given, the experiment's seed decides.
        secret: Decides s and every p.
    """

    beta: float
    key: KeyFile | None = None
    secret: Secret

    similarity = "euclidean"

    def __post_init__(self) -> None:
        """Refuse what is no distance."""
        if not 0 <= self.beta <= 1e9:
            raise BadParameter(f"dcpe: beta is {self.beta}; expected a number from 0 to 1e9")

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return scaled and perturbed vectors, (n, d)."""
        n, d = vectors.shape
        drawn, uniform = normal_and(
            np.random.Generator.random, self.secret, "dcpe", (n, d), role, ids
        )
        directions = unit_rows(drawn)
        # The share of a ball within a radius is that radius to the power of d.
        radii = self.beta / 4 * uniform ** (1 / d)
        directions *= radii[:, None].astype(np.float32)
        directions += vectors
        directions *= np.float32(factor(self.secret, "dcpe scale", 1.0, LARGEST))
        return directions


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer scale and perturb."""
    # On vectors of length 1 the noise is up to 0.25, 0.5 and 1 long.
    yield Recipe(
        name="dcpe",
        build=DistanceComparisonPreserving,
        source="Fuchsbauer et al. 2022, section 5",
        standard=("dcpe:1", "dcpe:2", "dcpe:4"),
    )
