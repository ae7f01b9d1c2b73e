"""The orthogonal axes along which vectors are longest, one after another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_plugins.defenses.fitting import chunks


def principal_axes(vectors: Vectors) -> NDArray[np.float64]:
    """Return the axes in columns, (d, d), by falling mean square of ``vectors`` (n, d) along them.

    They are the eigenvectors of the mean of ``x x^T``; no mean is subtracted. Axes along which
    nothing lies complete them to a rotation. Each points to where its largest coordinate is
    positive.
    """
    dim = vectors.shape[1]
    total = np.zeros((dim, dim))
    for rows in chunks(len(vectors)):
        block = vectors[rows].astype(np.float64)
        total += block.T @ block
    axes = np.linalg.eigh(total / max(len(vectors), 1)).eigenvectors[:, ::-1]
    largest = np.abs(axes).argmax(axis=0)
    signed: NDArray[np.float64] = axes * np.where(axes[largest, np.arange(dim)] < 0, -1.0, 1.0)
    return signed
