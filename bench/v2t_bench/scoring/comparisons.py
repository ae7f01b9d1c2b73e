"""Paired comparisons of two systems on the same texts: a test, a ratio, and many tests at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from v2t_bench.scoring.intervals import BATCH, MIN_N, RESAMPLES, numbered, paired

FLIPS = 9_999
"""Random assignments of a test, the observed one aside: no p is below 1 in 10,000."""

KEPT = 0.98
"""Search is kept if at most 2 % of NDCG may be lost."""

Verdict = Literal["yes", "no", "open"]


@dataclass(frozen=True)
class Ratio:
    """The ratio of two paired means with its intervals.

    Args:
        value: Mean of the one over mean of the other.
        low, high: The 95 % interval; None if n is below `MIN_N`.
        low90, high90: The 90 % interval, likewise.
        n: How many independent pairs there are: pairs, or clusters if given.
    """

    value: float
    low: float | None
    high: float | None
    low90: float | None
    high90: float | None
    n: int

    @property
    def kept(self) -> Verdict | None:
        """Whether the ratio is at least 0.98, by two one-sided tests at 5 %; None untested.

        ``yes`` if the whole 90 % interval lies there, ``no`` if none of it does, else ``open``.
        Two one-sided tests (Schuirmann 1987) of equivalence within 2 % ask for an upper end as
        well; what is better than the reference is kept, so there is none here.
        """
        if self.low90 is None or self.high90 is None:
            return None
        if self.low90 >= KEPT:
            return "yes"
        return "no" if self.high90 < KEPT else "open"


def sign_flip_p(
    a: ArrayLike, b: ArrayLike, *, clusters: Sequence[object] | None = None, seed: int
) -> float | None:
    """Return the two-sided p of no difference between paired means, 0-1; None for few pairs.

    A paired permutation test (Fisher 1935): if the two systems were alike, each difference
    could have had the other sign. All assignments of signs are counted where they are at most
    10,000, else 9,999 are drawn and the observed one is counted among them. Differences of one
    cluster flip together.

    Args:
        a: Scores of one system, (n,).
        b: Scores of another on the same texts in the same order, (n,).
        clusters: The cluster of each pair; None if pairs are independent.
        seed: Decides the draws.

    Raises:
        BrokenPromise: the lengths differ, or a value is NaN or infinite.
    """
    first, second = paired(a, b)
    members, m = _units(clusters, len(first))
    if m < MIN_N:
        return None
    sums = np.bincount(members, weights=first - second, minlength=m)  # (m,)
    scale = float(np.abs(sums).sum())
    moving = sums[sums != 0]
    # Sums that are equal but for rounding are equally extreme.
    bound = abs(float(moving.sum())) - 1e-12 * scale
    if 2 ** len(moving) <= FLIPS + 1:
        signs = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        return float(np.mean(np.abs((2.0 * signs - 1) @ moving) >= bound))
    rng = np.random.default_rng(seed)
    extreme = 1
    for start in range(0, FLIPS, BATCH):
        shape = (min(BATCH, FLIPS - start), len(moving))
        signs = rng.integers(2, size=shape, dtype=np.int8)
        extreme += int(np.sum(np.abs((2.0 * signs - 1) @ moving) >= bound))
    return extreme / (FLIPS + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p-values of one family adjusted by Holm (1979), in the order given.

    What was not tested stays None and is no member of the family.
    """
    tested = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, at) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[at] = highest
    return adjusted


def ratio_of_means(
    a: ArrayLike, b: ArrayLike, *, clusters: Sequence[object] | None = None, seed: int
) -> Ratio | None:
    """Return the ratio of paired means with bootstrap intervals; None if it is undefined.

    Pairs (or whole clusters) are resampled together: percentile.

    Args:
        a: Scores of one system, (n,), none negative.
        b: Scores of the reference on the same texts in the same order, likewise.
        clusters: The cluster of each pair; None if pairs are independent.
        seed: Decides the resamples.

    Raises:
        BrokenPromise: the lengths differ, or a value is NaN or infinite.
    """
    first, second = paired(a, b)
    members, m = _units(clusters, len(first))
    if not len(first) or not np.mean(second):
        return None
    value = float(np.mean(first) / np.mean(second))
    over = np.bincount(members, weights=first, minlength=m)  # (m,)
    under = np.bincount(members, weights=second, minlength=m)  # (m,)
    rng = np.random.default_rng(seed)
    drawn = []
    for start in range(0, RESAMPLES if m >= MIN_N else 0, BATCH):
        rows = rng.integers(m, size=(min(BATCH, RESAMPLES - start), m))
        below = under[rows].sum(axis=1)
        if not below.all():
            # A resample without any of the reference's score has no ratio, so neither has an end.
            return Ratio(value, None, None, None, None, m)
        drawn.append(over[rows].sum(axis=1) / below)
    if not drawn:
        return Ratio(value, None, None, None, None, m)
    low, low90, high90, high = np.percentile(np.concatenate(drawn), [2.5, 5, 95, 97.5])
    return Ratio(value, float(low), float(high), float(low90), float(high90), m)


def _units(clusters: Sequence[object] | None, n: int) -> tuple[NDArray[np.int64], int]:
    """Return the number of the unit of each pair, (n,), and how many there are."""
    return (np.arange(n), n) if clusters is None else numbered(clusters, n)
