"""Add Laplace noise in all dimensions at once: metric differential privacy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.defenses.directions import normal_and, unit_rows
from v2t_plugins.defenses.sides import Side, leaves_alone


@dataclass(frozen=True, kw_only=True)
class Laplace(Defense):
    """``x + r u``, with ``u`` drawn evenly from all directions and ``r`` from Gamma(d, 1/epsilon).

    The density of the noise falls as ``exp(-epsilon |z|)``. Its length is d/epsilon on average,
    give or take sqrt(d)/epsilon: 0.96 in 384 dimensions at epsilon 400.

    Privacy: for any two vectors x and y, whatever their length, and any set of releases, the
    probability under x is at most ``exp(epsilon |x - y|)`` times that under y, with the Euclidean
    distance (metric differential privacy, Chatzikokolakis et al. 2013). Between vectors of
    length 1 the exponent is at most 2 epsilon. It holds for one release of one item; an item
    is drawn for once, so releasing it again tells nothing more, but the epsilons of one text
    under several ids add up. Epsilons of a few hundred, which search needs, promise little in
    words.

    Args:
        epsilon: Per unit of distance; more is less noise.
        on: Which side is noised; the other is released as it is.
        secret: Decides the draws.
    """

    epsilon: float
    on: Side = "both"
    secret: Secret

    stochastic = True
    keyed = False
    similarity = None

    def __post_init__(self) -> None:
        """Refuse what gives no finite noise."""
        if not 1e-9 <= self.epsilon <= 1e9:
            raise BadParameter(
                f"laplace: epsilon is {self.epsilon}; expected a number from 1e-9 to 1e9"
            )

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return noisy vectors, (n, d); they are not renormalised."""
        if leaves_alone(self.on, role):
            return vectors.copy()
        n, d = vectors.shape
        # For unit epsilon, so that another epsilon scales the same draw.
        drawn, radii = normal_and(
            lambda generator: generator.standard_gamma(d),
            self.secret, "laplace", (n, d), role, ids,
        )  # fmt: skip
        noise = unit_rows(drawn)
        noise *= (radii / self.epsilon)[:, None].astype(np.float32)
        noise += vectors
        return noise


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer multivariate Laplace noise."""
    # In 384 dimensions as long as white noise of sigma 0.01, 0.03 and 0.05.
    yield Recipe(
        name="laplace",
        build=Laplace,
        source="Chatzikokolakis et al. 2013; for text vectors Feyisetan et al. 2020, section 3",
        standard=("laplace:2000", "laplace:650", "laplace:400"),
    )
