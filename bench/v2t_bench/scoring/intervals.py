"""95% intervals: bootstrap for means, Wilson for proportions, none for few texts."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from v2t_bench.errors import BrokenPromise

MIN_N = 30
"""Fewer units than this get no interval: it would be too narrow to be honest."""

RESAMPLES = 2_000
"""Between seeds an end moves by 2% of the width (standard deviation, skewed values).

500 values take 5 ms and 7,000 take 160 ms on two cores.
"""

# Bounds the memory of one call to scipy at 200 resamples of the data.
BATCH = 200

Method = Literal["none", "bca", "percentile", "clustered percentile", "wilson"]


@dataclass(frozen=True)
class Interval:
    """A 95% interval of a mean.

    Args:
        low: Lower end, in the units of the values; None if n is below `MIN_N`.
        high: Upper end, likewise.
        n: How many independent units there are: values, or clusters if given.
        method: How the ends were found.
    """

    low: float | None
    high: float | None
    n: int
    method: Method


def bootstrap_mean(
    values: ArrayLike, *, clusters: Sequence[object] | None = None, seed: int
) -> Interval:
    """Return a 95% bootstrap interval of the mean of values.

    BCa (Efron 1987); percentile where BCa is undefined, as for constant values.
    With clusters (texts of one article, notes of one patient), whole clusters are
    resampled and each text keeps equal weight: percentile.

    Args:
        values: (n,), any unit.
        clusters: The cluster of each value, (n,); None if values are independent.
        seed: Decides the resamples; the same seed gives the same interval.

    Raises:
        BrokenPromise: a value is NaN or infinite, or clusters has another length.
    """
    checked = _finite(values)
    if clusters is not None:
        return _clustered(checked, clusters, np.random.default_rng(seed))
    n = len(checked)
    if n < MIN_N:
        return Interval(None, None, n, "none")
    if np.ptp(checked) == 0:
        # No resample differs; scipy would warn and return NaN for BCa.
        return Interval(float(checked[0]), float(checked[0]), n, "percentile")
    low, high = _scipy_bootstrap(checked, "bca", seed)
    if np.isfinite(low) and np.isfinite(high):
        return Interval(low, high, n, "bca")
    low, high = _scipy_bootstrap(checked, "percentile", seed)
    return Interval(low, high, n, "percentile")


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, clusters: Sequence[object] | None = None, seed: int
) -> Interval:
    """Return a 95% bootstrap interval of the mean of a - b, pair by pair.

    Args:
        a: Scores of one system, (n,).
        b: Scores of another on the same texts in the same order, (n,).
        clusters: The cluster of each pair; as in `bootstrap_mean`.
        seed: As in `bootstrap_mean`.

    Raises:
        BrokenPromise: the lengths differ, or a value is NaN or infinite.
    """
    first, second = paired(a, b)
    return bootstrap_mean(first - second, clusters=clusters, seed=seed)


def wilson(successes: int, n: int) -> Interval:
    """Return the 95% Wilson score interval of successes / n, 0-1.

    Without continuity correction (Wilson 1927). For independent texts; clustered
    ones go through `bootstrap_mean` with their zeros and ones.

    Raises:
        BrokenPromise: successes is not between 0 and n.
    """
    if not 0 <= successes <= n:
        raise BrokenPromise(f"{successes} successes out of {n} cannot be; expected 0 to {n}")
    if n < MIN_N:
        return Interval(None, None, n, "none")
    z = 1.959963984540054  # 97.5% point of the standard normal
    share = successes / n
    centre = share + z**2 / (2 * n)
    half = z * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    # The ends at 0 and n successes are exactly 0 and 1 but for rounding.
    low = 0.0 if successes == 0 else (centre - half) / (1 + z**2 / n)
    high = 1.0 if successes == n else (centre + half) / (1 + z**2 / n)
    return Interval(low, high, n, "wilson")


def paired(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of two systems on the same texts, each (n,).

    Raises:
        BrokenPromise: the lengths differ, or a value is NaN or infinite.
    """
    first, second = _finite(a), _finite(b)
    if len(first) != len(second):
        raise BrokenPromise(
            f"{len(first)} values cannot be paired with {len(second)}; "
            "score both systems on the same texts"
        )
    return first, second


def numbered(clusters: Sequence[object], n: int) -> tuple[NDArray[np.int64], int]:
    """Return the number of the cluster of each of n scores, (n,), and how many there are.

    Raises:
        BrokenPromise: there are not n.
    """
    if len(clusters) != n:
        raise BrokenPromise(f"there are {len(clusters)} cluster ids for {n} scores")
    # Numbered by first appearance, so the names of clusters change nothing.
    numbers: dict[object, int] = {}
    members = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], int)
    return members, len(numbers)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1:
        raise BrokenPromise(f"scores have shape {checked.shape}; expected one number for each text")
    bad = np.flatnonzero(~np.isfinite(checked))
    if len(bad):
        raise BrokenPromise(
            f"score {bad[0]} is {checked[bad[0]]} ({len(bad)} such of {len(checked)}); "
            "a mean over texts leaves none out, so every text needs a number"
        )
    return checked


def _scipy_bootstrap(
    values: NDArray[np.float64], method: Literal["bca", "percentile"], seed: int
) -> tuple[float, float]:
    from scipy.stats import bootstrap

    with warnings.catch_warnings():
        # Degenerate data is answered by falling back, so the warning says nothing more.
        warnings.simplefilter("ignore")
        interval = bootstrap(
            (values,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=BATCH,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(interval.low), float(interval.high)


def _clustered(
    values: NDArray[np.float64], clusters: Sequence[object], rng: np.random.Generator
) -> Interval:
    members, m = numbered(clusters, len(values))
    if m < MIN_N:
        return Interval(None, None, m, "none")
    sums = np.bincount(members, weights=values)  # (m,)
    sizes = np.bincount(members)  # (m,)
    means = []
    for start in range(0, RESAMPLES, BATCH):
        drawn = rng.integers(m, size=(min(BATCH, RESAMPLES - start), m))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(low), float(high), m, "clustered percentile")
