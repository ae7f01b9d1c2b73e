"""Aligners from pairs in closed form: ridge regression, and a rotation.

Rows of ``x`` (n, d) and ``y`` (n, d') belong together: a public text's released vector, and
its vector in the target's space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from v2t_bench.alignment.maps import AffineMap, Array
from v2t_bench.contracts import Vectors

# Of the mean eigenvalue of the attacked vectors' covariance; tried in steps of half a decade.
PENALTIES = 10.0 ** np.arange(-8, 2.25, 0.5)
# Least squares is at its worst where there are about as many pairs as dimensions.
NEAR = 0.25
# Pairs at a time: 4,096 rows of 384 numbers of 8 bytes are 13 MB.
ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What closed forms need of pairs, summed in float64 a chunk at a time.

    Args:
        centre: Mean of one side, (d,).
        offset: Mean of the other, (d',).
        gram: Products of the centred coordinates of the one side, (d, d).
        crossed: Their products with those of the other, (d, d').
        total: Sum of the squares of the other side, centred.
    """

    centre: Array
    offset: Array
    gram: Array
    crossed: Array
    total: float

    @classmethod
    def of(cls, x: Vectors, y: Vectors) -> Sums:
        """Return the sums over the rows of ``x`` (n, d) and ``y`` (n, d')."""
        centre, offset = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
        gram = np.zeros((x.shape[1], x.shape[1]))
        crossed, total = np.zeros((x.shape[1], y.shape[1])), 0.0
        for start in range(0, len(x), ROWS):
            rows, targets = x[start : start + ROWS] - centre, y[start : start + ROWS] - offset
            gram += rows.T @ rows
            crossed += rows.T @ targets
            total += float(np.vdot(targets, targets))
        return cls(centre=centre, offset=offset, gram=gram, crossed=crossed, total=total)


def fit_linear(x: Vectors, y: Vectors, penalty: float | None = None) -> tuple[AffineMap, float]:
    """Return the ridge regression of ``y`` on ``x``, and the penalty.

    Args:
        x: (n, d).
        y: (n, d').
        penalty: What is added to the diagonal of the covariance of ``x``, as a share of its
            mean eigenvalue; None: the one of `PENALTIES` with the least generalised
            cross-validation error (Golub, Heath and Wahba 1979).
    """
    sums = Sums.of(x, y)
    values, vectors = np.linalg.eigh(sums.gram)  # (d,), (d, d)
    values = np.maximum(values, 0.0)
    scale = max(float(values.mean()), np.finfo(np.float64).tiny)
    crossed = vectors.T @ sums.crossed  # (d, d')
    if penalty is None:
        total = sums.total
        errors = [_gcv(values, crossed, total, len(x), share * scale) for share in PENALTIES]
        penalty = float(PENALTIES[int(np.argmin(errors))])
    # Without a penalty, directions that no pair shows are left out.
    added = max(penalty * scale, values[-1] * 1e-12, np.finfo(np.float64).tiny)
    matrix = vectors @ (crossed / (values + added)[:, None])
    return AffineMap(centre=sums.centre, matrix=matrix, offset=sums.offset), penalty


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
    sums = Sums.of(x, y)
    d, other = sums.crossed.shape
    square = np.zeros((max(d, other),) * 2)
    square[:d, :other] = sums.crossed
    u, singular, v = np.linalg.svd(square)
    scale = float(singular.sum()) / max(float(np.trace(sums.gram)), np.finfo(np.float64).tiny)
    matrix = scale * (u @ v)[:d, :other]
    return AffineMap(centre=sums.centre, matrix=matrix, offset=sums.offset)


def padded(rows: Array, dim: int) -> Array:
    """Return ``rows`` (n, d) with zeros behind, (n, dim); the same array if it is as long."""
    if rows.shape[1] == dim:
        return rows
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
