"""Aligners from pairs in closed form: ridge regression, and a rotation.

Rows of ``x`` (n, d) and ``y`` (n, d') belong together: a public text's released vector, and
its vector in the target's space.
"""

from __future__ import annotations

import numpy as np

from v2t_bench.contracts import Vectors
from v2t_plugins.attacks.aligner.maps import AffineMap, Array

# Of the mean eigenvalue of the attacked vectors' covariance; tried in steps of half a decade.
PENALTIES = 10.0 ** np.arange(-8, 2.25, 0.5)
# Least squares is at its worst where there are about as many pairs as dimensions.
NEAR = 0.25


def fit_linear(x: Vectors, y: Vectors, penalty: float | None = None) -> tuple[AffineMap, float]:
    """Return the ridge regression of ``y`` on ``x``, and the penalty.

    Args:
        x: (n, d).
        y: (n, d').
        penalty: What is added to the diagonal of the covariance of ``x``, as a share of its
            mean eigenvalue; None: the one of `PENALTIES` with the least generalised
            cross-validation error (Golub, Heath and Wahba 1979).
    """
    centre, offset = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    rows, targets = x - centre, y - offset
    values, vectors = np.linalg.eigh(rows.T @ rows)  # (d,), (d, d)
    values = np.maximum(values, 0.0)
    scale = max(float(values.mean()), np.finfo(np.float64).tiny)
    crossed = vectors.T @ (rows.T @ targets)  # (d, d')
    if penalty is None:
        total = float(np.square(targets).sum())
        errors = [_gcv(values, crossed, total, len(x), share * scale) for share in PENALTIES]
        penalty = float(PENALTIES[int(np.argmin(errors))])
    # Without a penalty, directions that no pair shows are left out.
    added = max(penalty * scale, values[-1] * 1e-12, np.finfo(np.float64).tiny)
    matrix = vectors @ (crossed / (values + added)[:, None])
    return AffineMap(centre=centre, matrix=matrix, offset=offset), penalty


def _gcv(values: Array, crossed: Array, total: float, n: int, added: float) -> float:
    """Return the generalised cross-validation error of a penalty ``added`` to the eigenvalues."""
    kept = values / (values + added)
    fitted = np.square(crossed).sum(axis=1) / np.maximum(values, 1e-300)
    fitted[values <= values[-1] * 1e-12] = 0.0
    error = total - float(((2 * kept - kept**2) * fitted).sum())
    free = n - 1 - float(kept.sum())
    return max(error, 0.0) / max(free, 1e-9) ** 2


def fit_procrustes(x: Vectors, y: Vectors) -> AffineMap:
    """Return the rotation, scale and shift that bring ``x`` closest to ``y`` (Schönemann 1966).

    Of unequal dimensions the shorter vectors are padded with zeros: what comes out then is the
    closest map with orthonormal rows, or columns.
    """
    from scipy.linalg import orthogonal_procrustes

    centre, offset = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    rows, targets = x - centre, y - offset
    d, other = rows.shape[1], targets.shape[1]
    dim = max(d, other)
    rotation, singular_sum = orthogonal_procrustes(padded(rows, dim), padded(targets, dim))
    scale = singular_sum / max(float(np.square(rows).sum()), np.finfo(np.float64).tiny)
    return AffineMap(centre=centre, matrix=scale * rotation[:d, :other], offset=offset)


def padded(rows: Array, dim: int) -> Array:
    """Return ``rows`` (n, d) with zeros behind, (n, dim)."""
    return np.pad(rows, ((0, 0), (0, dim - rows.shape[1])))


def warning(method: str, n: int, dim: int, penalty: float | None = None) -> str:
    """Return what whoever trains should know of so many pairs in ``dim`` dimensions, or ""."""
    if method == "linear" and abs(n - dim) <= NEAR * dim:
        how = f"ridge={penalty:g}" if penalty else "without a penalty"
        return (
            f"warning: {n} pairs for {dim} dimensions: near n = d least squares is at its worst "
            f"({how}); give clearly more pairs"
        )
    if n < dim:
        return f"warning: {n} pairs do not show all of {dim} dimensions; give more"
    return ""
