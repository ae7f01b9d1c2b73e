"""Draw a direction near the vector's own, from a von Mises-Fisher distribution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_plugins.defenses.directions import normal_and, unit_rows
from v2t_plugins.defenses.sides import Side, leaves_alone

# How far a length may be from 1: float16 vectors of 1,536 dimensions are within 0.0005.
OFF = 1e-3


@dataclass(frozen=True, kw_only=True)
class VonMisesFisher(Defense):
    """A vector of length 1 with density proportional to ``exp(epsilon x.y)`` around x.

    Its cosine with x is close to ``epsilon / (m + sqrt(epsilon^2 + m^2))``, m = (d - 1) / 2, on
    average: 0.62 in 384 dimensions at epsilon 384.

    Privacy: for any two vectors x and y of length 1 and any set of releases, the probability
    under x is at most ``exp(epsilon |x - y|)`` times that under y, with the Euclidean distance
    (the exponents differ by ``epsilon (x - y).z`` and z has length 1); so at most exp(2 epsilon)
    for any two. Released vectors have length 1 themselves, which tells nothing. It holds
    for one release of one item; an item is drawn for once, so releasing it again tells nothing
    more, but the epsilons of one text under several ids add up.

    Args:
        epsilon: The concentration, per unit of distance; more is less noise.
        on: Which side is drawn for; the other is released as it is.
        secret: Decides the draws.
    """

    epsilon: float
    on: Side = "both"
    secret: Secret

    stochastic = True
    keyed = False
    similarity = None
    needs_unit = True

    def __post_init__(self) -> None:
        """Refuse what is no concentration."""
        if not 0 <= self.epsilon <= 1e9:
            raise BadParameter(f"vmf: epsilon is {self.epsilon}; expected a number from 0 to 1e9")

    def released_dim(self, dim: int) -> int:
        """Return d.

        Raises:
            BadParameter: there is one dimension, where two directions are all there are.
        """
        if dim < 2:
            raise BadParameter(f"vmf needs vectors of at least 2 dimensions, these have {dim}")
        return dim

    def gives_unit(self, unit: bool) -> bool:
        """Return whether those left alone have length 1 too."""
        return unit or self.on == "both"

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return vectors of length 1, (n, d).

        Raises:
            BadInput: one that is drawn for has not length 1.
        """
        if leaves_alone(self.on, role):
            return vectors.copy()
        _check_lengths(vectors, role, ids)
        n, d = vectors.shape
        draw = Cosine(self.epsilon, d)
        drawn, cosines = normal_and(draw, self.secret, "vmf", (n, d), role, ids)
        # What is left of an even direction across x is even across x.
        drawn -= np.einsum("nd,nd->n", drawn, vectors)[:, None] * vectors
        across = unit_rows(drawn)
        across *= np.sqrt(np.maximum(1 - cosines**2, 0.0))[:, None].astype(np.float32)
        across += cosines[:, None].astype(np.float32) * vectors
        return unit_rows(across)


class Cosine:
    """Draws the cosine of a von Mises-Fisher vector with its mean (Wood 1994, algorithm VM*).

    Args:
        concentration: At least 0.
        dim: At least 2.
    """

    def __init__(self, concentration: float, dim: int) -> None:
        self.kappa, self.rest = concentration, dim - 1
        self.b = self.rest / (2 * self.kappa + math.hypot(2 * self.kappa, self.rest))
        self.x0 = (1 - self.b) / (1 + self.b)
        # 1 - x0^2 without its digits cancelling where b is small.
        self.c = self.kappa * self.x0 + self.rest * math.log(4 * self.b / (1 + self.b) ** 2)

    def __call__(self, generator: np.random.Generator) -> float:
        """Return the next cosine, -1 to 1."""
        half = self.rest / 2
        while True:
            z = generator.beta(half, half)
            w = (1 - (1 + self.b) * z) / (1 - (1 - self.b) * z)
            fits = self.kappa * w + self.rest * math.log(1 - self.x0 * w) - self.c
            if fits >= -generator.standard_exponential():
                return w


def _check_lengths(vectors: Vectors, role: Role, ids: Sequence[str]) -> None:
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    off = np.abs(lengths - 1) > OFF
    if off.any():
        first = int(off.argmax())
        raise BadInput(
            f"vmf: {int(off.sum())} of {len(vectors)} {role} vectors have not length 1 (first: "
            f"{ids[first]!r}, {lengths[first]:.4g}); put normalize before it"
        )


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer von Mises-Fisher noise."""
    # In 384 dimensions the cosines with the clean vector are 0.98, 0.86 and 0.71, as under
    # white noise of sigma 0.01, 0.03 and 0.05.
    yield Recipe(
        name="vmf",
        build=VonMisesFisher,
        source="Weggenmann and Kerschbaum 2021, section 4",
        standard=("vmf:10000", "vmf:1300", "vmf:550"),
    )
