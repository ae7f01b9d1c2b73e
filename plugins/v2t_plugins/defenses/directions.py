"""What is drawn evenly from all directions, and vectors scaled to their direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Role, Secret, Vectors


def unit_rows(vectors: Vectors) -> Vectors:
    """Return ``vectors`` (n, d) at length 1; zeros stay as they are."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    inverse = 1 / np.where(lengths == 0, 1.0, lengths)
    unit: Vectors = vectors * inverse[:, None].astype(np.float32)
    return unit


def normal_and(
    number: Callable[[np.random.Generator], float],
    secret: Secret,
    purpose: str,
    shape: tuple[int, int],
    role: Role,
    ids: Sequence[str],
) -> tuple[Vectors, NDArray[np.float64]]:
    """Return for each id standard normal draws, (n, d), and a ``number`` drawn after them, (n,).

    Both depend on the secret, the purpose, the role and the id alone.
    """
    drawn, numbers = np.empty(shape, np.float32), np.empty(shape[0])
    for row, generator in enumerate(secret.generators(purpose, role, ids)):
        generator.standard_normal(out=drawn[row], dtype=np.float32)
        numbers[row] = number(generator)
    return drawn, numbers


def orthonormal(generator: np.random.Generator, dim: int, k: int) -> NDArray[np.float64]:
    """Return ``k`` orthonormal columns, even among all, (dim, k); with k = dim a rotation.

    Without the signs of R's diagonal they would not be even (Stewart 1980, Mezzadri 2007).
    """
    q, r = np.linalg.qr(generator.standard_normal((dim, k)))
    columns: NDArray[np.float64] = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return columns
