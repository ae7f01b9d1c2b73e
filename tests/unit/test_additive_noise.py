"""Mechanisms that draw: what they draw follows their density, and draws can be averaged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from v2t_bench.contracts import Defense, Secret, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_plugins.defenses.dcpe import DistanceComparisonPreserving
from v2t_plugins.defenses.directions import unit_rows
from v2t_plugins.defenses.laplace import Laplace
from v2t_plugins.defenses.noise import Noise
from v2t_plugins.defenses.vmf import VonMisesFisher

N, DIM = 3000, 24
SECRET = Secret.from_seed(5)
IDS = [f"text-{row}" for row in range(N)]
CLEAN = unit_rows(np.random.default_rng(0).standard_normal((N, DIM)).astype(np.float32))
# With these a test that is right fails once in ten thousand seeds, and the seed is fixed.
RARE = 1e-4

MECHANISMS = [
    pytest.param(lambda: Noise(sigma=0.1, secret=SECRET), id="noise"),
    pytest.param(lambda: Laplace(epsilon=40.0, secret=SECRET), id="laplace"),
    pytest.param(lambda: VonMisesFisher(epsilon=60.0, secret=SECRET), id="vmf"),
    pytest.param(lambda: DistanceComparisonPreserving(beta=1.0, secret=SECRET), id="dcpe"),
]
Make = Callable[[], Defense]


def protect(defense: Defense, vectors: Vectors = CLEAN, ids: list[str] = IDS) -> Vectors:
    return defense.protect(vectors, role="document", ids=ids)


def lengths(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    norms: NDArray[np.float64] = np.linalg.norm(rows.astype(np.float64), axis=1)
    return norms


@pytest.mark.parametrize("make", MECHANISMS)
def test_a_release_is_the_same_in_every_batch_and_order(make: Make) -> None:
    whole = protect(make())
    order = np.random.default_rng(1).permutation(N)[:60]
    for start in range(0, 60, 7):
        rows = order[start : start + 7]
        part = protect(make(), CLEAN[rows], [IDS[row] for row in rows])
        np.testing.assert_allclose(part, whole[rows], atol=1e-6)


@pytest.mark.parametrize("make", MECHANISMS)
def test_one_text_under_two_ids_gets_two_draws(make: Make) -> None:
    first, second = protect(make(), CLEAN[[0, 0]], ["a", "b"])
    assert np.abs(first - second).max() > 0.01


@pytest.mark.parametrize("make", MECHANISMS)
def test_a_query_and_a_document_of_one_id_get_two_draws(make: Make) -> None:
    query = make().protect(CLEAN[:5], role="query", ids=IDS[:5])
    assert np.abs(query - protect(make(), CLEAN[:5], IDS[:5])).max() > 0.01


@pytest.mark.parametrize("copies", [4, 16])
@pytest.mark.parametrize("make", MECHANISMS[:2])
def test_averaging_draws_helps_by_the_square_root_of_their_number(make: Make, copies: int) -> None:
    texts = N // copies
    clean = np.repeat(CLEAN[:texts], copies, axis=0)
    released = protect(make(), clean, IDS[: len(clean)])
    averaged = released.reshape(texts, copies, DIM).mean(axis=1)
    one = np.square(released - clean).sum(axis=1).mean()
    many = np.square(averaged - CLEAN[:texts]).sum(axis=1).mean()
    # Of `texts` means of DIM squares: their standard error is about sqrt(2 / (texts DIM)).
    assert one / many == pytest.approx(copies, rel=6 * np.sqrt(2 / (texts * DIM)) + 0.05)


def test_the_length_of_white_noise_follows_chi() -> None:
    noise = protect(Noise(sigma=0.1, secret=SECRET)) - CLEAN
    assert stats.kstest(lengths(noise) / 0.1, stats.chi(DIM).cdf).pvalue > RARE


@pytest.mark.parametrize("epsilon", [3.0, 40.0])
def test_the_length_of_laplace_noise_follows_gamma(epsilon: float) -> None:
    noise = protect(Laplace(epsilon=epsilon, secret=SECRET)) - CLEAN
    assert stats.kstest(lengths(noise), stats.gamma(DIM, scale=1 / epsilon).cdf).pvalue > RARE


def test_another_epsilon_scales_the_same_laplace_draw() -> None:
    zeros = np.zeros_like(CLEAN)
    one, four = (protect(Laplace(epsilon=e, secret=SECRET), zeros) for e in (10.0, 40.0))
    np.testing.assert_allclose(one, 4 * four, rtol=1e-4)


def test_the_perturbation_of_dcpe_fills_a_ball_evenly() -> None:
    defense = DistanceComparisonPreserving(beta=1.0, secret=SECRET)
    scale = lengths(protect(defense, 1e4 * CLEAN)).mean() / 1e4
    shares = (lengths(protect(defense) / scale - CLEAN) / 0.25) ** DIM
    assert shares.max() <= 1.01
    assert stats.kstest(shares, "uniform").pvalue > RARE


@pytest.mark.parametrize("epsilon", [0.0, 5.0, 60.0, 4000.0])
def test_the_cosine_of_vmf_follows_its_density(epsilon: float) -> None:
    cosines = (protect(VonMisesFisher(epsilon=epsilon, secret=SECRET)) * CLEAN).sum(axis=1)
    # exp(epsilon w) (1 - w^2)^((d - 3) / 2), integrated by the trapezoidal rule.
    grid = np.concatenate([np.linspace(-1, 0.9, 20_001), 1 - np.geomspace(0.1, 1e-9, 20_000)])
    density = epsilon * (grid - 1) + (DIM - 3) / 2 * np.log(np.maximum(1 - grid**2, 1e-300))
    below = integrate.cumulative_trapezoid(np.exp(density - density.max()), grid, initial=0)

    def cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
        shares: NDArray[np.float64] = np.interp(values, grid, below / below[-1])
        return shares

    assert stats.kstest(cosines.astype(np.float64), cdf).pvalue > RARE


@pytest.mark.parametrize("epsilon", [1.0, 384.0, 1e5, 1e9])
def test_vmf_is_stable_in_many_dimensions(epsilon: float) -> None:
    d = 1536
    clean = np.zeros((50, d), np.float32)
    clean[:, 0] = 1
    released = protect(VonMisesFisher(epsilon=epsilon, secret=SECRET), clean, IDS[:50])
    np.testing.assert_allclose(lengths(released), 1, atol=1e-5)
    half = (d - 1) / 2
    expected = epsilon / (half + np.hypot(epsilon, half))
    assert released[:, 0].mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("make", MECHANISMS)
def test_noise_points_in_every_direction_alike(make: Make) -> None:
    one = np.zeros_like(CLEAN)
    one[:, 0] = 1
    across = protect(make(), one)[:, 1:].astype(np.float64)
    directions = across / lengths(across)[:, None]
    # The square of one coordinate of an even direction in k dimensions is Beta(1/2, (k-1)/2).
    k = DIM - 1
    for axis in (0, 7, k - 1):
        beta = stats.beta(0.5, (k - 1) / 2)
        assert stats.kstest(directions[:, axis] ** 2, beta.cdf).pvalue > RARE
        assert stats.binomtest(int((directions[:, axis] > 0).sum()), N).pvalue > RARE
    products = np.abs(directions.T @ directions / N - np.eye(k) / k)
    assert products.max() < 6 / (k * np.sqrt(N))


def test_noise_is_scaled_to_length_1_where_that_is_asked_for() -> None:
    plain = protect(Noise(sigma=0.1, secret=SECRET))
    scaled = protect(Noise(sigma=0.1, normalize=True, secret=SECRET))
    np.testing.assert_allclose(scaled, plain / lengths(plain)[:, None], atol=1e-6)


def test_one_side_is_left_alone() -> None:
    for defense in (
        Laplace(epsilon=9.0, on="documents", secret=SECRET),
        VonMisesFisher(epsilon=9.0, on="documents", secret=SECRET),
    ):
        np.testing.assert_array_equal(defense.protect(CLEAN, role="query", ids=IDS), CLEAN)
        assert np.abs(protect(defense) - CLEAN).max() > 0.1


def test_vmf_refuses_vectors_of_another_length() -> None:
    vectors = np.stack([CLEAN[0], 2 * CLEAN[1]])
    with pytest.raises(BadInput, match=r"1 of 2 document vectors have not length 1.*'b', 2"):
        protect(VonMisesFisher(epsilon=9.0, secret=SECRET), vectors, ["a", "b"])


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_parameters_out_of_range_are_refused(value: float) -> None:
    for make in (
        lambda: Laplace(epsilon=value, secret=SECRET),
        lambda: VonMisesFisher(epsilon=value, secret=SECRET),
        lambda: DistanceComparisonPreserving(beta=value, secret=SECRET),
    ):
        with pytest.raises(BadParameter, match="expected a number"):
            make()
