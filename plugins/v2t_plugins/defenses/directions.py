"""Directions drawn evenly, and vectors scaled to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Role, Secret, Vectors


def unit_rows(vectors: Vectors) -> Vectors:
    """Return ``vectors`` (n, d) at length 1; zeros stay as they are."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    inverse = 1 / np.where(lengths == 0, 1.0, lengths)
    unit: Vectors = vectors * inverse[:, None].astype(np.float32)
    return unit


def balls(
    secret: Secret, purpose: str, shape: tuple[int, int], role: Role, ids: Sequence[str]
) -> tuple[Vectors, NDArray[np.float64]]:
    """Return for each id a direction drawn evenly, (n, d), and a uniform number, (n,).

    Both depend on the secret, the purpose, the role and the id alone.
    """
    drawn, uniform = np.empty(shape, np.float32), np.empty(shape[0])
    for row, generator in enumerate(secret.generators(purpose, role, ids)):
        generator.standard_normal(out=drawn[row], dtype=np.float32)
        uniform[row] = generator.random()
    return unit_rows(drawn), uniform
