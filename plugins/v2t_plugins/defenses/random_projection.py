"""Release coordinates along random directions that everybody knows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.defenses.directions import orthonormal
from v2t_plugins.defenses.projection import Matrix, Projection


@dataclass(frozen=True, kw_only=True)
class RandomProjection(Projection):
    """Coordinates along k random orthonormal directions times ``sqrt(d / k)``, (n, k).

    The directions are uniform among all, and so scaled the squared distance of two vectors is
    kept on average (Johnson and Lindenstrauss 1984; orthonormal: Frankl and Maehara 1988).
    They come from a public number and not from the owner's secret: this is no key, an
    attacker has the same matrix. Fitting reads the number of dimensions and nothing else.

    Args:
        seed: From which the directions are drawn, with d and k.
    """

    name: ClassVar[str] = "random_projection"

    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse to keep nothing, and a negative seed."""
        super().__post_init__()
        if self.seed < 0:
            raise BadParameter(f"{self.name}: seed is {self.seed}; expected a number from 0")

    def columns(self, vectors: Vectors) -> Matrix:
        """Return the scaled directions in columns, (d, k)."""
        dim = vectors.shape[1]
        drawn_for = f"{self.name} seed {self.seed} from {dim} to {self.k}"
        number = int.from_bytes(hashlib.sha256(drawn_for.encode()).digest(), "little")
        generator = np.random.Generator(np.random.PCG64(number))
        matrix: Matrix = orthonormal(generator, dim, self.k) * np.sqrt(dim / self.k)
        return matrix


def build(*, k: int, seed: int = 0) -> RandomProjection:
    """Keep k random directions, the same for everybody who knows the public seed.

    They are orthonormal, and the coordinates are scaled so that squared distances are kept on
    average. This is no key: an attacker has the same matrix.

    Args:
        k: How many coordinates are released.
        seed: From which the directions are drawn, with d and k; it is no secret.
    """
    return RandomProjection(k=k, seed=seed)


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer a public random projection."""
    yield Recipe(
        name="random_projection",
        build=build,
        source="Johnson and Lindenstrauss 1984",
        standard=("random_projection:256", "random_projection:128", "random_projection:64"),
    )
