"""White noise: what a draw depends on, and how large it is."""

from typing import Any

import numpy as np
import pytest

from v2t_bench.contracts import Secret
from v2t_bench.errors import BadParameter
from v2t_plugins.defenses.noise import Noise
from v2t_plugins.defenses.none import Undefended

SECRET = Secret.from_seed(0)
IDS = [f"doc-{number}" for number in range(40)]
VECTORS = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)


def noise(sigma: float = 0.1, **rest: Any) -> Noise:
    return Noise(sigma=sigma, secret=SECRET, **rest)


def test_noise_is_the_same_in_every_batch_and_order() -> None:
    whole = noise().protect(VECTORS, role="document", ids=IDS)
    order = np.random.default_rng(1).permutation(40)
    for start in range(0, 40, 7):
        rows = order[start : start + 7]
        part = noise().protect(VECTORS[rows], role="document", ids=[IDS[row] for row in rows])
        np.testing.assert_array_equal(part, whole[rows])


def test_one_text_under_two_ids_gets_two_draws() -> None:
    twice = np.stack([VECTORS[0], VECTORS[0]])
    first, second = noise().protect(twice, role="document", ids=["a", "b"])
    assert np.abs(first - second).max() > 0.01


def test_a_query_and_a_document_of_one_id_get_two_draws() -> None:
    document = noise().protect(VECTORS, role="document", ids=IDS)
    query = noise().protect(VECTORS, role="query", ids=IDS)
    assert not np.isclose(document, query).any(axis=1).all()


def test_sigma_scales_one_and_the_same_draw() -> None:
    zero = np.zeros_like(VECTORS)
    small = noise(0.1).protect(zero, role="document", ids=IDS)
    large = noise(0.3).protect(zero, role="document", ids=IDS)
    np.testing.assert_allclose(large, 3 * small, rtol=1e-5)


def test_sigma_zero_changes_nothing() -> None:
    released = noise(0.0).protect(VECTORS, role="document", ids=IDS)
    np.testing.assert_array_equal(released, VECTORS)


def test_the_standard_deviation_of_the_noise_is_sigma() -> None:
    n, d, sigma = 2000, 100, 0.05
    ids = [str(number) for number in range(n)]
    drawn = noise(sigma).protect(np.zeros((n, d), np.float32), role="document", ids=ids)
    # The standard error of the mean of N = n*d draws is sigma/sqrt(N), that of their
    # standard deviation sigma/sqrt(2N); five of them are exceeded once in 1.7 million.
    assert abs(drawn.mean()) < 5 * sigma / np.sqrt(n * d)
    assert abs(drawn.std() - sigma) < 5 * sigma / np.sqrt(2 * n * d)


def test_rows_and_columns_of_the_noise_are_uncorrelated() -> None:
    n, d = 2000, 20
    ids = [str(number) for number in range(n)]
    drawn = noise(1.0).protect(np.zeros((n, d), np.float32), role="document", ids=ids)
    columns = np.asarray(np.corrcoef(drawn.T))[~np.eye(d, dtype=bool)]
    neighbours = (drawn[1:] * drawn[:-1]).mean()
    # A correlation of n independent pairs has standard error 1/sqrt(n).
    assert np.abs(columns).max() < 5 / np.sqrt(n)
    assert abs(neighbours) < 5 / np.sqrt((n - 1) * d)


def test_noise_on_documents_leaves_queries_as_they_are() -> None:
    released = noise(on="documents").protect(VECTORS, role="query", ids=IDS)
    np.testing.assert_array_equal(released, VECTORS)
    assert not np.shares_memory(released, VECTORS)
    assert not np.array_equal(
        noise(on="documents").protect(VECTORS, role="document", ids=IDS), VECTORS
    )


def test_noise_on_queries_leaves_documents_as_they_are() -> None:
    released = noise(on="queries").protect(VECTORS, role="document", ids=IDS)
    np.testing.assert_array_equal(released, VECTORS)


def test_another_secret_draws_other_noise() -> None:
    other = Noise(sigma=0.1, secret=Secret.from_seed(1))
    ours, theirs = (d.protect(VECTORS, role="document", ids=IDS) for d in (noise(), other))
    assert not np.isclose(ours, theirs).any(axis=1).all()


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_what_is_no_standard_deviation_is_refused(sigma: float) -> None:
    with pytest.raises(BadParameter, match=f"sigma is {sigma}"):
        noise(sigma)


def test_the_secret_is_not_shown() -> None:
    assert SECRET.key.hex() not in repr(noise())
    assert str(SECRET.key) not in repr(noise())


def test_no_defense_releases_a_copy() -> None:
    released = Undefended().protect(VECTORS, role="document", ids=IDS)
    np.testing.assert_array_equal(released, VECTORS)
    assert not np.shares_memory(released, VECTORS)
