"""The map that true pairs of vectors show, chosen among kinds of maps by pairs set aside.

Few pairs cannot tell a whole matrix; that only the scale, or only the order of the
coordinates, was changed they can. So every kind of map is tried, from one number to d x d'
of them, and what is left over is explained by ridge regression where that helps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
    cosines = _held_out(x, y)
    best = max(cosines, key=lambda kind: cosines[kind])
    found = next(candidate for kind, candidate in _maps(x, y) if kind == best)
    return Chosen(found, best, cosines[best])


def _maps(x: Vectors, y: Vectors) -> Iterator[tuple[str, AffineMap]]:
    """Yield a map of every kind, simplest first: of equals the first is chosen."""
    plain: dict[str, AffineMap] = {}
    if x.shape[1] == y.shape[1]:
        plain |= {"scale": fit_scale(x, y), "permutation": fit_permutation(x, y)}
    plain["rotation"] = fit_procrustes(x, y)
    yield from plain.items()
    yield "ridge", fit_linear(x, y)[0]
    for kind, first in plain.items():
        yield f"{kind}+ridge", _with_ridge(first, x, y)


def _with_ridge(first: AffineMap, x: Vectors, y: Vectors) -> AffineMap:
    """Return the map that adds to ``first`` the ridge regression of what it leaves over."""
    left = (y - first.apply(x)).astype(np.float32)
    rest, _ = fit_linear(x, left)
    offset = first.offset - first.centre @ first.matrix
    offset = offset + rest.offset - rest.centre @ rest.matrix
    zero = np.zeros_like(first.centre)
    return AffineMap(centre=zero, matrix=first.matrix + rest.matrix, offset=offset)


def _held_out(x: Vectors, y: Vectors) -> dict[str, float]:
    """Return each kind's mean cosine of mapped and true vectors over pairs that were not fitted."""
    found: dict[str, list[Array]] = defaultdict(list)
    judged = 0
    for fold in range(FOLDS):
        out = np.arange(len(x)) % FOLDS == fold
        truth = unit(y[out].astype(np.float64))
        for kind, candidate in _maps(x[~out], y[~out]):
            mapped = unit(candidate.apply(x[out]).astype(np.float64))
            found[kind].append((mapped * truth).sum(1))
        judged += len(truth)
        if judged >= ENOUGH:
            break
    return {kind: float(np.concatenate(cosines).mean()) for kind, cosines in found.items()}


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
