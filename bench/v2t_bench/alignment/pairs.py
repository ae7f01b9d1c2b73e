"""The map that true pairs of vectors show, chosen among kinds of maps by pairs set aside.

Few pairs cannot tell a whole matrix; that only the scale, or only the order of the
coordinates, was changed they can. So every kind of map is tried, from one number to d x d'
of them, and what is left over is explained by ridge regression where that helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from v2t_bench.alignment.closed_form import fit_linear, fit_procrustes
from v2t_bench.alignment.maps import AffineMap, Array, unit
from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput
from v2t_bench.threat import FEWEST_PAIRS

FOLDS = 4
# So many pairs set aside tell two maps apart well enough; the other folds are left alone.
ENOUGH = 1000


@dataclass(frozen=True)
class Chosen:
    """A map, the kind that was chosen, and how well that kind did on pairs set aside.

    Args:
        map: Fitted to all pairs.
        kind: Such as ``permutation`` or ``rotation+ridge``.
        cosine: Mean cosine of what it maps with the truth, on pairs it was not fitted to.
    """

    map: AffineMap
    kind: str
    cosine: float


Fit = Callable[[Vectors, Vectors], AffineMap]


def fit_pairs(x: Vectors, y: Vectors) -> Chosen:
    """Return the best map from ``x`` (n, d') to ``y`` (n, d), rows that belong together.

    Kinds: ``scale`` (one number), ``permutation`` (of coordinates, and a scale; an assignment),
    ``rotation`` (Procrustes, a scale and a shift), ``ridge``, and each of the first three with
    ridge regression of what it leaves over. The first two need equal dimensions.

    Raises:
        BadInput: there are fewer than 8 pairs, or a number is not finite.
    """
    if len(x) < FEWEST_PAIRS:
        raise BadInput(
            f"{len(x)} pairs are too few to choose a map by; give at least {FEWEST_PAIRS}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadInput("a pair holds NaN or infinity; expected finite vectors")
    kinds = dict(_kinds(x.shape[1] == y.shape[1]))
    scores = {kind: _held_out(fit, x, y) for kind, fit in kinds.items()}
    best = max(scores, key=lambda kind: scores[kind])
    return Chosen(kinds[best](x, y), best, scores[best])


def _kinds(square: bool) -> Iterator[tuple[str, Fit]]:
    """Yield the kinds of maps, simplest first: of equals the first is chosen."""
    bases: dict[str, Fit] = {"rotation": fit_procrustes}
    if square:
        bases = {"scale": fit_scale, "permutation": fit_permutation, **bases}
    yield from bases.items()
    yield "ridge", lambda x, y: fit_linear(x, y)[0]
    for name, base in bases.items():
        yield f"{name}+ridge", _with_ridge(base)


def _with_ridge(base: Fit) -> Fit:
    """Return a fit whose map is that of ``base`` and the ridge regression of what it leaves."""

    def fit(x: Vectors, y: Vectors) -> AffineMap:
        first = base(x, y)
        left = (y - first.apply(x)).astype(np.float32)
        rest, _ = fit_linear(x, left)
        offset = first.offset - first.centre @ first.matrix
        offset = offset + rest.offset - rest.centre @ rest.matrix
        zero = np.zeros_like(first.centre)
        return AffineMap(centre=zero, matrix=first.matrix + rest.matrix, offset=offset)

    return fit


def _held_out(fit: Fit, x: Vectors, y: Vectors) -> float:
    """Return the mean cosine of mapped and true vectors over pairs that were not fitted."""
    found: list[Array] = []
    for fold in range(FOLDS):
        out = np.arange(len(x)) % FOLDS == fold
        mapped = fit(x[~out], y[~out]).apply(x[out])
        found.append((unit(mapped.astype(np.float64)) * unit(y[out].astype(np.float64))).sum(1))
        if sum(map(len, found)) >= ENOUGH:
            break
    return float(np.concatenate(found).mean())


def fit_scale(x: Vectors, y: Vectors) -> AffineMap:
    """Return ``c x`` with the number ``c`` that brings ``x`` (n, d) closest to ``y`` (n, d)."""
    return _moved(np.arange(x.shape[1]), x, y)


def fit_permutation(x: Vectors, y: Vectors) -> AffineMap:
    """Return the order of the coordinates of ``x``, and a scale, closest to ``y``, (n, d) each.

    Coordinates are matched by an assignment (Kuhn 1955) of the largest sum of products of
    the columns, which for a given scale is the least sum of squares. The scale's sign is
    found by trying both.
    """
    from scipy.optimize import linear_sum_assignment

    products = x.astype(np.float64).T @ y.astype(np.float64)  # (d, d): of x's column, y's column
    both = []
    for sign in (1.0, -1.0):
        rows, columns = linear_sum_assignment(sign * products, maximize=True)
        order = np.empty(len(rows), np.int64)
        order[columns] = rows
        both.append((float(sign * products[rows, columns].sum()), order))
    return _moved(max(both, key=lambda found: found[0])[1], x, y)


def _moved(order: NDArray[np.int64], x: Vectors, y: Vectors) -> AffineMap:
    """Return the map to ``x[:, order]`` times the number that brings it closest to ``y``."""
    d = x.shape[1]
    rows = x[:, order].astype(np.float64)
    power = float(np.vdot(rows, rows))
    scale = float(np.vdot(rows, y)) / power if power else 0.0
    matrix = np.zeros((d, d))
    matrix[order, np.arange(d)] = scale
    return AffineMap(centre=np.zeros(d), matrix=matrix, offset=np.zeros(d))
