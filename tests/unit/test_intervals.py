"""Intervals: published Wilson values, normal theory for means."""

import numpy as np
import pytest
from numpy.typing import NDArray

from v2t_bench.errors import BrokenPromise
from v2t_bench.scoring.intervals import Interval, bootstrap_mean, paired_difference, wilson


def normal_theory(values: NDArray[np.float64]) -> tuple[float, float]:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def close(interval: Interval, expected: tuple[float, float]) -> bool:
    """Whether both ends are within a tenth of the expected width (5 times their spread)."""
    tolerance = (expected[1] - expected[0]) / 10
    assert interval.low is not None
    assert interval.high is not None
    return (
        abs(interval.low - expected[0]) < tolerance and abs(interval.high - expected[1]) < tolerance
    )


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilson_equals_newcombe_s_table(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)

    assert [interval.low, interval.high] == pytest.approx([low, high], abs=5e-5)


def test_wilson_of_no_success_starts_at_0_and_ends_at_its_closed_form() -> None:
    # With p = 0 the formula is z^2 / (n + z^2): 3.8415 / 103.8415.
    interval = wilson(0, 100)

    assert [interval.low, interval.high] == pytest.approx([0, 3.8415 / 103.8415], abs=1e-5)


def test_wilson_of_all_successes_ends_at_1() -> None:
    assert wilson(100, 100).high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(-1, 40), (41, 40)])
def test_wilson_refuses_more_successes_than_trials(successes: int, n: int) -> None:
    with pytest.raises(BrokenPromise):
        wilson(successes, n)


def test_the_bootstrap_of_many_values_agrees_with_normal_theory() -> None:
    values = np.random.default_rng(1).normal(40, 10, size=400)

    assert close(bootstrap_mean(values, seed=0), normal_theory(values))


def test_skewed_values_get_bca() -> None:
    values = np.random.default_rng(1).random(50) ** 4

    assert bootstrap_mean(values, seed=0).method == "bca"


def test_constant_values_get_a_percentile_interval_of_no_width() -> None:
    assert bootstrap_mean([3.5] * 40, seed=0) == Interval(3.5, 3.5, 40, "percentile")


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).random(50)

    assert bootstrap_mean(values, seed=4) == bootstrap_mean(values, seed=4)


def test_another_seed_gives_another_interval() -> None:
    values = np.random.default_rng(1).random(50)

    assert bootstrap_mean(values, seed=4) != bootstrap_mean(values, seed=5)


def test_no_global_seed_is_read() -> None:
    values = np.random.default_rng(1).random(50)
    np.random.seed(0)  # noqa: NPY002
    first = bootstrap_mean(values, seed=4)
    np.random.seed(1)  # noqa: NPY002

    assert bootstrap_mean(values, seed=4) == first


def test_no_global_seed_is_moved() -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002

    bootstrap_mean(np.arange(50.0), seed=4)

    after = np.random.get_state(legacy=False)["state"]["key"]  # noqa: NPY002
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("interval", [bootstrap_mean(np.arange(29.0), seed=0), wilson(3, 29)])
def test_29_values_get_no_interval(interval: Interval) -> None:
    assert interval == Interval(None, None, 29, "none")


def test_30_values_get_one() -> None:
    assert bootstrap_mean(np.arange(30.0), seed=0).low is not None


def test_clusters_are_what_is_resampled() -> None:
    """Twenty copies of each of 100 values hold no more than those 100 values."""
    values = np.random.default_rng(2).normal(size=100)

    copied = bootstrap_mean(
        np.repeat(values, 20), clusters=list(np.repeat(np.arange(100), 20)), seed=0
    )

    assert close(copied, normal_theory(values))


def test_texts_and_not_clusters_have_equal_weight() -> None:
    """Forty clusters of 9 zeros and forty of 1 one: the mean is 0.1, of clusters 0.5."""
    values = [0.0] * 360 + [1.0] * 40
    clusters = [i // 9 for i in range(360)] + list(range(40, 80))

    interval = bootstrap_mean(values, clusters=clusters, seed=0)

    assert interval.high is not None
    assert interval.high < 0.2


def test_29_clusters_get_no_interval_however_many_texts_they_hold() -> None:
    clusters = [i % 29 for i in range(290)]

    assert bootstrap_mean(np.arange(290.0), clusters=clusters, seed=0) == Interval(
        None, None, 29, "none"
    )


def test_names_of_clusters_change_nothing() -> None:
    values = np.random.default_rng(2).normal(size=80)

    numbered = bootstrap_mean(values, clusters=[i // 2 for i in range(80)], seed=0)
    named = bootstrap_mean(values, clusters=[f"note {99 - i // 2}" for i in range(80)], seed=0)

    assert numbered == named


def test_a_paired_difference_cancels_what_the_texts_share() -> None:
    rng = np.random.default_rng(3)
    difficulty = rng.normal(0, 100, size=200)
    gain = rng.normal(1, 1, size=200)

    interval = paired_difference(difficulty + gain, difficulty, seed=0)

    assert close(interval, normal_theory(gain))


def test_scores_of_different_texts_cannot_be_paired() -> None:
    with pytest.raises(BrokenPromise, match="40 values cannot be paired with 39"):
        paired_difference(np.zeros(40), np.zeros(39), seed=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(BrokenPromise, match="score 7"):
        bootstrap_mean([1.0] * 7 + [bad] + [2.0] * 40, seed=0)


def test_a_missing_cluster_is_refused() -> None:
    with pytest.raises(BrokenPromise, match="39 cluster ids for 40 scores"):
        bootstrap_mean(np.arange(40.0), clusters=list(range(39)), seed=0)
