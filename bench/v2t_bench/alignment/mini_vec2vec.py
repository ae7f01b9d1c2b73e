"""An aligner without pairs: mini-vec2vec (Dar 2025), on the processor.

Clusters of either side are matched by how they lie to one another (a quadratic assignment),
the matched centres are anchors by which vectors of both sides can be compared, and a
rotation is fitted to averages of what is closest, over and over. Ours differs: all this is
begun in the first principal axes (as Hoshen and Wolf 2018 do) and from several starts, among
them rotations of one side's third moments onto the other's; only the start that ends with the
closest neighbours, for which no pair is needed, is carried on in all dimensions; the better
half of the matchings is kept; and fewer neighbours are averaged as the rotation gets better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.alignment.closed_form import padded
from v2t_bench.alignment.maps import AffineMap, Array, unit
from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput

# Rows compared with all others at a time: 1,024 x 20,000 numbers of 4 bytes are 80 MB.
ROWS = 1024
FEWEST = 200


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is tried.

    Args:
        axes: Principal axes of either side in which it begins.
        by_anchors: Starts from matched clusters.
        by_moments: Starts from third moments: the best of ``tries``.
        tries: How often the moments are matched, from axes turned round at random.
        matchings: Clusterings of either side for a start; the better half is kept.
        restarts: Of each assignment, from random permutations.
        clusters: Of either side.
        sample: Vectors that a clustering and a start see.
        first_fits: Of the rotation, for each start.
        fits: Of the rotation in all dimensions.
        neighbours: Averaged at first, but no more than one in 20 vectors of a side.
        fine_clusters: Centres of the last two fits.
    """

    axes: int = 32
    by_anchors: int = 4
    by_moments: int = 8
    tries: int = 24
    matchings: int = 10
    restarts: int = 10
    clusters: int = 20
    sample: int = 3000
    first_fits: int = 20
    fits: int = 40
    neighbours: int = 50
    fine_clusters: int = 500


def fit_mini_vec2vec(
    x: Vectors,
    y: Vectors,
    *,
    seed: int,
    plan: Plan | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[AffineMap, dict[str, Any]]:
    """Return the rotation that brings the cloud ``x`` onto the cloud ``y``, and its fits.

    Of unequal dimensions the shorter vectors are padded with zeros.

    Args:
        x: (n, d).
        y: Of other texts of the same kind, (m, d').
        seed: Of everything that is drawn.
        plan: How much is tried.
        tell: Called with a line a start.

    Raises:
        BadInput: a side has fewer than `FEWEST` vectors.
    """
    plan = plan or Plan()
    if min(len(x), len(y)) < FEWEST:
        raise BadInput(
            f"aligner:mini_vec2vec: {len(x)} and {len(y)} vectors are too few to match; give "
            f"texts for at least {FEWEST} on either side"
        )
    centre, offset = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    d, other = x.shape[1], y.shape[1]
    dim = max(d, other)
    left, right = (padded(unit(side - mean), dim) for side, mean in ((x, centre), (y, offset)))
    rng = np.random.default_rng([seed, 0])
    rotation, fits = _begun(left, right, plan, rng)
    tell(f"{len(fits)} starts: mean cosine of neighbours {min(fits):.3f} to {max(fits):.3f}")
    rotation = _refined(left, right, rotation, plan, rng, plan.fits)
    rotation = _by_centres(left, right, rotation, plan, rng)
    end = closeness(left, right, rotation)
    tell(f"in all dimensions: mean cosine of neighbours {end:.3f}")
    length = float(np.linalg.norm(y - offset, axis=1).mean())
    matrix = length * rotation[:d, :other]
    found = AffineMap(centre=centre, matrix=matrix, offset=offset, unit=True)
    return found, {"neighbour_cosine": end, "neighbour_cosine_of_starts": fits}


def closeness(left: Array, right: Array, rotation: Array) -> float:
    """Return the mean cosine of rotated rows with the closest of the other side, -1 to 1."""
    sample = left[:2000] @ rotation
    return float(np.concatenate([s.max(axis=1) for _, s in _compared(sample, right)]).mean())


def _begun(
    left: Array, right: Array, plan: Plan, rng: np.random.Generator
) -> tuple[Array, list[float]]:
    """Return the best start's rotation, in all dimensions, and how close each start came."""
    (ours, our_axes, our_moments), (theirs, their_axes, their_moments) = (
        _in_axes(side, plan, rng) for side in (left, right)
    )
    tried = [_by_moments(our_moments, their_moments, rng) for _ in range(plan.tries)]
    tried.sort(key=lambda found: -found[0])
    starts = [rotation for _, rotation in tried[: plan.by_moments]]
    starts += [_by_anchors(ours, theirs, plan, rng) for _ in range(plan.by_anchors)]
    ended = [_refined(ours, theirs, start, plan, rng, plan.first_fits) for start in starts]
    fits = [closeness(ours, theirs, rotation) for rotation in ended]
    return our_axes @ ended[int(np.argmax(fits))] @ their_axes.T, fits


def _in_axes(side: Array, plan: Plan, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return a sample along the principal axes (m, r), the axes (d, r), and third moments."""
    axes = np.linalg.eigh(side.T @ side)[1][:, ::-1][:, : plan.axes]
    along = side @ axes
    sample = unit(along[rng.permutation(len(side))[: plan.sample]])
    return sample, axes, _third_moments(along)


def _third_moments(rows: Array) -> Array:
    """Return the mean of all products of three coordinates of ``rows`` (n, r), (r, r, r)."""
    r = rows.shape[1]
    # Half way to equal spread: else the first axes alone would count, or the last as much.
    scaled = rows / np.sqrt(np.maximum(rows.std(axis=0), 1e-12))
    total = np.zeros((r * r, r))
    for start in range(0, len(rows), ROWS):
        part = scaled[start : start + ROWS]
        total += (part[:, :, None] * part[:, None, :]).reshape(-1, r * r).T @ part
    return (total / len(rows)).reshape(r, r, r)


def _by_moments(ours: Array, theirs: Array, rng: np.random.Generator) -> tuple[float, Array]:
    """Return a rotation of one side's third moments (r, r, r) onto the other's, and their product.

    First every axis is matched with its like, turned round where that brings the moments
    closer; then each step turns to what the moments, seen through the last rotation, say.
    """
    products = ours * theirs
    signs = rng.choice([-1.0, 1.0], size=len(ours))
    for _ in range(20):
        for axis in rng.permutation(len(signs)):
            # Each product of three is counted at the three places where the axis may stand.
            without = np.where(np.arange(len(signs)) == axis, 0.0, signs)
            pull = 3 * without @ products[axis] @ without + products[axis, axis, axis]
            signs[axis] = 1.0 if pull >= 0 else -1.0
    rotation: Array = np.diag(signs)
    product = 0.0
    for _ in range(60):
        seen = np.tensordot(np.tensordot(ours, rotation, (2, 0)), rotation, (1, 0))  # (r, r, r)
        pull = np.tensordot(seen, theirs, ((1, 2),) * 2)
        product = float((pull * rotation).sum())
        rotation = _orthogonal(rotation + _orthogonal(pull))
    return product, rotation


def _by_anchors(left: Array, right: Array, plan: Plan, rng: np.random.Generator) -> Array:
    """Return a rotation by how vectors of either side lie to matched anchors."""
    found = [_matched(left, right, plan, rng) for _ in range(plan.matchings)]
    found.sort(key=lambda matching: -matching[0])
    kept = found[: max(1, len(found) // 2)]
    anchors = [unit(np.concatenate([matching[side] for matching in kept])) for side in (1, 2)]
    # How close a vector lies to each anchor, (n, anchors).
    ours, theirs = (
        unit(_standard(rows @ a.T)) for rows, a in zip((left, right), anchors, strict=True)
    )
    return _rotation(left, _averages(ours, theirs, right, _count(plan, right, 1.0)))


def _standard(rows: Array) -> Array:
    """Return ``rows`` (n, d) with mean 0 and spread 1 in each column."""
    spread = np.maximum(rows.std(axis=0), 1e-12)
    standard: Array = (rows - rows.mean(axis=0)) / spread
    return standard


def _matched(
    left: Array, right: Array, plan: Plan, rng: np.random.Generator
) -> tuple[float, Array, Array]:
    """Return how well clusters of both sides match, and their centres in matching order."""
    from scipy.optimize import quadratic_assignment

    centres = [
        _clustered(side[rng.permutation(len(side))[: plan.sample]], plan.clusters, rng)
        for side in (left, right)
    ]
    grams = []
    for centre in centres:
        rows = unit(centre - centre.mean(axis=0))
        grams.append(rows @ rows.T)
    scale = float(np.linalg.norm(grams[0]) * np.linalg.norm(grams[1]))
    best, order = -np.inf, np.arange(plan.clusters)
    for _ in range(plan.restarts):
        options = {"maximize": True, "rng": rng, "P0": "randomized"}
        rough = quadratic_assignment(*grams, method="faq", options=options)
        if rough.fun > best:
            best, order = float(rough.fun), rough.col_ind
    return best / max(scale, 1e-12), centres[0], centres[1][order]


def _clustered(rows: Array, k: int, rng: np.random.Generator, start: Array | None = None) -> Array:
    """Return ``k`` centres of ``rows`` by k-means, (k, d); one that loses its rows stays."""
    centres = rows[rng.permutation(len(rows))[:k]] if start is None else start
    for _ in range(15):
        # The closest centre: the distance without what is the same for all of them.
        halved = np.square(centres).sum(axis=1) / 2
        nearest = np.concatenate([(s - halved).argmax(axis=1) for _, s in _compared(rows, centres)])
        counts = np.bincount(nearest, minlength=k)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, rows)
        kept = counts > 0
        centres = np.where(kept[:, None], sums / np.maximum(counts, 1)[:, None], centres)
    return centres


def _refined(
    left: Array, right: Array, rotation: Array, plan: Plan, rng: np.random.Generator, fits: int
) -> Array:
    """Return the rotation fitted over and over to averages of neighbours."""
    for step in range(fits):
        rows = left[rng.permutation(len(left))[: max(1000, 4 * left.shape[1])]]
        averages = _averages(rows @ rotation, right, right, _count(plan, right, 1.0 - step / fits))
        rotation = _orthogonal(0.5 * rotation + 0.5 * _rotation(rows, averages))
    return rotation


def _by_centres(
    left: Array, right: Array, rotation: Array, plan: Plan, rng: np.random.Generator
) -> Array:
    """Return the rotation fitted to centres of clusters that begin at the same places."""
    k = min(plan.fine_clusters, len(left) // 10)
    for _ in range(2):
        centres = _clustered(left, k, rng)
        theirs = _clustered(right, k, rng, start=centres @ rotation)
        rotation = _orthogonal(0.5 * rotation + 0.5 * _rotation(centres, theirs))
    return rotation


def _count(plan: Plan, rows: Array, share: float) -> int:
    """Return how many neighbours are averaged: fewer, the better the rotation is."""
    most = min(plan.neighbours, len(rows) // 20)
    return max(1, round(most * share))


def _averages(queries: Array, keys: Array, values: Array, k: int) -> Array:
    """Return the mean of the ``values`` of the ``k`` closest keys of each query."""
    means = np.empty((len(queries), values.shape[1]))
    for rows, scores in _compared(queries, keys):
        closest = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        means[rows] = values[closest].mean(axis=1)
    return means


def _compared(queries: Array, keys: Array) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield a chunk of rows of ``queries`` and their products with every key, at a time."""
    single = keys.astype(np.float32)
    for start in range(0, len(queries), ROWS):
        rows = slice(start, min(start + ROWS, len(queries)))
        yield rows, queries[rows].astype(np.float32) @ single.T


def _rotation(rows: Array, targets: Array) -> Array:
    return _orthogonal(rows.T @ targets)


def _orthogonal(matrix: Array) -> Array:
    """Return the rotation closest to ``matrix`` (d, d)."""
    u, _, v = np.linalg.svd(matrix)
    rotation: Array = u @ v
    return rotation
