"""Paired comparisons: hand calculations, scipy's own permutation test, what is known of ratios."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from v2t_bench.errors import BrokenPromise
from v2t_bench.scoring.comparisons import Ratio, holm, ratio_of_means, sign_flip_p

ZEROS = [0.0] * 30  # pairs that do not differ: they count as pairs, and no sign of theirs matters


class TestTheSignFlipTest:
    @pytest.mark.parametrize(
        ("differences", "p"),
        [
            # Of the 8 assignments of signs to 1, 2 and 3 only +++ and --- reach 6.
            ([1, 2, 3], 2 / 8),
            # 1 + 2 - 3 = 0, and every sum is at least that far from 0.
            ([1, 2, -3], 1),
            # 8 of the 16 sums of 1, 2, 3 and 4 are at least as far from 0 as 4 = 4 + 3 - 2 - 1:
            # 10, 8, 6 and 4 twice, each with its negative, make 10.
            ([-1, -2, 3, 4], 10 / 16),
        ],
    )
    def test_counts_every_assignment_of_few_signs(self, differences: list[float], p: float) -> None:
        a = differences + ZEROS
        assert sign_flip_p(a, np.zeros(len(a)), seed=0) == pytest.approx(p)

    @pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
    def test_agrees_with_scipy_where_all_are_counted(self, shift: float) -> None:
        rng = np.random.default_rng(3)
        a = np.concatenate([rng.normal(shift, 1, 12), ZEROS])
        expected = permutation_test(
            (a[:12], np.zeros(12)), lambda x, y: np.mean(x - y), permutation_type="samples",
            n_resamples=10_000,
        ).pvalue  # fmt: skip
        assert sign_flip_p(a, np.zeros(len(a)), seed=0) == pytest.approx(expected)

    @pytest.mark.parametrize("shift", [0.0, 0.2, 0.4])
    def test_agrees_with_scipy_where_some_are_drawn(self, shift: float) -> None:
        a, b = np.random.default_rng(4).normal(0, 1, (2, 60))
        a = a + shift
        expected = permutation_test(
            (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples",
            n_resamples=20_000, vectorized=True, rng=np.random.default_rng(5),
        ).pvalue  # fmt: skip
        # Two Monte Carlo estimates: 4 standard errors of their difference.
        assert sign_flip_p(a, b, seed=0) == pytest.approx(
            expected, abs=4 * np.sqrt(expected * (1 - expected) * 1.5e-4) + 1e-4
        )

    def test_flips_whole_clusters(self) -> None:
        # Three clusters with the sums 1, 2 and 3, and thirty that do not differ.
        a = [0.5, 0.5, 1.5, 0.5, 1, 2, *ZEROS]
        clusters = ["x", "x", "y", "y", "z", "z", *map(str, range(30))]
        assert sign_flip_p(a, np.zeros(36), clusters=clusters, seed=0) == 2 / 8

    def test_tests_no_fewer_than_thirty_clusters(self) -> None:
        a = np.ones(58)
        assert sign_flip_p(a, a * 0, clusters=[at // 2 for at in range(58)], seed=0) is None
        assert sign_flip_p(a, a * 0, seed=0) is not None

    def test_calls_equals_equal(self) -> None:
        assert sign_flip_p([0.3] * 40, [0.3] * 40, seed=0) == 1

    def test_never_calls_a_draw_impossible(self) -> None:
        assert sign_flip_p(np.ones(500), np.zeros(500), seed=0) == 1 / 10_000

    def test_is_the_same_either_way(self) -> None:
        a, b = np.random.default_rng(6).random((2, 50))
        assert sign_flip_p(a, b, seed=1) == sign_flip_p(b, a, seed=1)

    @pytest.mark.parametrize("b", [[1.0], [float("nan")] * 2])
    def test_refuses_what_cannot_be_paired(self, b: list[float]) -> None:
        with pytest.raises(BrokenPromise):
            sign_flip_p([1.0, 2.0], b, seed=0)


class TestHolm:
    def test_adjusts_by_hand(self) -> None:
        # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04; never falling.
        adjusted = holm([0.01, 0.04, 0.03, 0.005])
        assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_leaves_out_what_was_not_tested(self) -> None:
        assert holm([0.01, None, 0.02]) == [0.02, None, 0.02]

    def test_of_none_is_none(self) -> None:
        assert holm([None, None]) == [None, None]

    @given(st.lists(st.floats(0, 1), max_size=8))
    def test_never_lowers_a_p_nor_passes_1(self, p_values: list[float]) -> None:
        for p, adjusted in zip(p_values, holm(p_values), strict=True):
            assert adjusted is not None
            assert p <= adjusted <= 1

    @given(st.lists(st.floats(0, 1), min_size=2, max_size=4))
    def test_does_not_depend_on_the_order(self, p_values: list[float]) -> None:
        expected = sorted(zip(p_values, holm(p_values), strict=True), key=str)
        for other in itertools.permutations(p_values):
            assert sorted(zip(other, holm(other), strict=True), key=str) == expected


class TestARatioOfMeans:
    def test_is_the_ratio_of_the_means_and_no_mean_of_ratios(self) -> None:
        ratio = ratio_of_means([1, 1, 1, 1], [1, 4, 4, 1], seed=0)
        assert ratio is not None
        assert ratio.value == 0.4

    def test_has_the_interval_of_the_delta_method(self) -> None:
        rng = np.random.default_rng(7)
        b = rng.uniform(0.4, 0.8, 2_000)
        a = 0.9 * b + rng.normal(0, 0.1, 2_000)
        ratio = ratio_of_means(a, b, seed=0)
        assert ratio is not None
        spread = np.std(a - ratio.value * b, ddof=1) / np.sqrt(2_000) / np.mean(b)
        ends = [ratio.low, ratio.low90, ratio.high90, ratio.high]
        expected = [ratio.value + z * spread for z in (-1.96, -1.645, 1.645, 1.96)]
        # A tenth of the width, which is five times what ends move by between seeds.
        assert ends == pytest.approx(expected, abs=0.1 * 2 * 1.96 * spread)

    def test_of_equals_is_certainly_1(self) -> None:
        values = np.random.default_rng(8).random(40)
        ratio = ratio_of_means(values, values, seed=0)
        assert ratio == Ratio(1, 1, 1, 1, 1, 40)

    def test_of_few_has_no_interval_and_no_verdict(self) -> None:
        ratio = ratio_of_means([1.0] * 29, [1.0] * 29, seed=0)
        assert ratio is not None
        assert (ratio.value, ratio.low, ratio.high90, ratio.kept) == (1, None, None, None)

    def test_of_nothing_is_undefined(self) -> None:
        assert ratio_of_means([1.0] * 40, [0.0] * 40, seed=0) is None

    def test_has_no_interval_where_a_resample_has_no_reference(self) -> None:
        ratio = ratio_of_means([1.0] * 40, [1.0] + [0.0] * 39, seed=0)
        assert ratio is not None
        assert (ratio.value, ratio.low) == (40, None)

    def test_resamples_whole_clusters(self) -> None:
        rng = np.random.default_rng(9)
        a = np.repeat(rng.random(40), 10)
        b = np.full(400, 0.5)
        loose = ratio_of_means(a, b, seed=0)
        whole = ratio_of_means(a, b, clusters=[at // 10 for at in range(400)], seed=0)
        assert loose is not None
        assert whole is not None
        assert None not in (loose.low, loose.high, whole.low, whole.high)
        # Ten copies of each value tell no more than one: sqrt(10) times as wide.
        wider = (whole.high - whole.low) / (loose.high - loose.low)  # type: ignore[operator]
        assert wider == pytest.approx(np.sqrt(10), rel=0.2)


@pytest.mark.parametrize(
    ("low90", "high90", "kept"),
    [
        (0.98, 1.0, "yes"), (0.99, 1.2, "yes"), (1.03, 1.2, "yes"), (0.9799, 1.01, "open"),
        (0.9, 0.98, "open"), (0.9, 0.9799, "no"), (0.1, 0.2, "no"), (None, None, None),
    ],
)  # fmt: skip
def test_search_is_kept_where_all_of_the_90_percent_interval_is_within_2_percent(
    low90: float | None, high90: float | None, kept: str | None
) -> None:
    assert Ratio(1.0, None, None, low90, high90, 40).kept == kept
