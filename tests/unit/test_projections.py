"""Defenses that release fewer directions: what they keep, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clouds import cloud
from v2t_bench.contracts import BuildContext, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.registry import Registry
from v2t_plugins.defenses import mask, pca, random_projection, truncate

DIM = 24
VECTORS = cloud(200, DIM, seed=0)
EVERY = ("pca", "random_projection", "mask", "truncate")


def release(defense: Any, vectors: Vectors = VECTORS) -> Vectors:
    ids = [str(row) for row in range(len(vectors))]
    released: Vectors = defense.protect(vectors, role="document", ids=ids)
    return released


def squared(vectors: Vectors) -> float:
    return float((vectors.astype(np.float64) ** 2).sum())


def scores(vectors: Vectors) -> dict[str, Any]:
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    products = exact @ exact.T
    return {
        "dot": products,
        "cosine": products / np.outer(lengths, lengths),
        "euclidean": np.linalg.norm(exact[:, None] - exact[None], axis=2),
    }


@pytest.mark.parametrize("build", [pca.build, random_projection.build, mask.build])
def test_with_every_dimension_kept_scores_stay(build: Any) -> None:
    before = scores(3 * VECTORS)  # not of length 1, so that the three are different claims
    defense = build(k=DIM).fit(3 * VECTORS)
    after = scores(release(defense, 3 * VECTORS))
    assert defense.keeps == ("cosine", "dot", "euclidean")
    for similarity in defense.keeps:
        np.testing.assert_allclose(after[similarity], before[similarity], atol=1e-5)


@pytest.mark.parametrize("build", [pca.build, random_projection.build, mask.build])
def test_with_fewer_dimensions_nothing_is_promised(build: Any) -> None:
    assert build(k=DIM - 1).fit(VECTORS).keeps == ()
    assert build(k=DIM).keeps == (), "before a fit nobody knows how many there are"


def test_pca_to_every_dimension_turns_vectors_and_moves_them() -> None:
    assert np.abs(release(pca.build(k=DIM).fit(VECTORS)) - VECTORS).max() > 0.1


@pytest.mark.parametrize("k", [1, 5, 12, 23])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pca_keeps_more_of_the_squared_lengths_than_a_random_projection(k: int, seed: int) -> None:
    random = release(random_projection.build(k=k, seed=seed).fit(VECTORS))
    assert squared(release(pca.build(k=k).fit(VECTORS))) > squared(random) * k / DIM


def test_pca_keeps_what_the_singular_values_say() -> None:
    values = np.linalg.svd(VECTORS.astype(np.float64), compute_uv=False)
    kept = squared(release(pca.build(k=5).fit(VECTORS)))
    assert kept == pytest.approx((values[:5] ** 2).sum(), rel=1e-5)


def test_pca_lifts_to_the_closest_vectors_of_its_directions() -> None:
    defense = pca.build(k=5).fit(VECTORS)
    u, values, v = np.linalg.svd(VECTORS.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(
        defense.lift(release(defense)), (u[:, :5] * values[:5]) @ v[:5], atol=1e-5
    )


def test_pca_of_vectors_in_one_direction_is_finite() -> None:
    same = np.repeat(VECTORS[:1], 30, axis=0)
    released = release(pca.build(k=3).fit(same), same)
    np.testing.assert_allclose(np.abs(released[:, 0]), 1, atol=1e-5)
    np.testing.assert_allclose(released[:, 1:], 0, atol=1e-5)


def test_a_random_projection_keeps_squared_lengths_on_average() -> None:
    # Of a unit vector the share in k random directions has mean 1 and standard deviation
    # sqrt(2 (d - k) / (k (d + 2))) (a beta distribution); five errors of the mean of 400.
    k, draws = 6, 400
    lengths = [
        squared(release(random_projection.build(k=k, seed=seed).fit(VECTORS[:1]), VECTORS[:1]))
        for seed in range(draws)
    ]
    spread = np.sqrt(2 * (DIM - k) / (k * (DIM + 2)))
    assert abs(np.mean(lengths) - 1) < 5 * spread / np.sqrt(draws)
    assert np.std(lengths) == pytest.approx(spread, rel=0.2)


def test_a_random_projection_is_of_orthogonal_directions() -> None:
    matrix = random_projection.build(k=6).fit(VECTORS).matrix
    assert matrix is not None
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(6) * DIM / 6, atol=1e-5)


def test_a_random_projection_knows_nothing_of_the_vectors() -> None:
    first, other = (random_projection.build(k=6).fit(v) for v in (VECTORS, -VECTORS[:3]))
    np.testing.assert_array_equal(release(first), release(other))
    another_seed = random_projection.build(k=6, seed=1).fit(VECTORS)
    assert np.abs(release(first) - release(another_seed)).max() > 0.1


@pytest.mark.parametrize("build", [pca.build, random_projection.build, mask.build, truncate.build])
def test_what_is_lifted_is_released_as_it_was(build: Any) -> None:
    defense = build(k=7).fit(VECTORS)
    released = release(defense)
    np.testing.assert_allclose(release(defense, defense.lift(released)), released, atol=1e-5)


def test_truncation_keeps_the_first_and_lifts_with_zeros() -> None:
    defense = truncate.build(k=7).fit(VECTORS)
    np.testing.assert_array_equal(release(defense), VECTORS[:, :7])
    lifted = defense.lift(release(defense))
    np.testing.assert_array_equal(lifted[:, :7], VECTORS[:, :7])
    np.testing.assert_array_equal(lifted[:, 7:], np.zeros((len(VECTORS), DIM - 7)))


def groups() -> Vectors:
    """Vectors in 30 groups that decide two axes; 20 more, longer than the second, are chance."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 10)
    vectors = rng.standard_normal((300, 22))
    vectors[:, 0] = 100.0 * group
    vectors[:, 1] = rng.choice([-0.5, 0.5], size=30)[group]
    return vectors.astype(np.float32)


def test_a_mask_keeps_what_neighbours_share_where_pca_keeps_what_is_long() -> None:
    vectors = groups()
    second = vectors[:, 1]

    def explained(defense: Any) -> float:
        released = release(defense.fit(vectors), vectors)
        return float(np.abs(np.corrcoef(released[:, 1], second)[0, 1]))

    assert explained(mask.build(k=2)) > 0.9
    assert explained(pca.build(k=2)) < 0.5


def test_a_mask_releases_the_longest_of_its_axes_first() -> None:
    lengths = (release(mask.build(k=12).fit(VECTORS)).astype(np.float64) ** 2).sum(axis=0)
    np.testing.assert_array_equal(np.sort(lengths)[::-1], lengths)


def test_the_share_of_its_own_is_that_of_a_hand_calculation() -> None:
    # Two pairs. Gaps: 1, 1, 0, 0 along the first, 0, 0, 1, 1 along the second, none along the
    # third; mean squares 201/4, 41/4 and 1; nothing along the last.
    rows = np.array([[0.0, 0, 1, 0], [1, 0, 1, 0], [10, 4, 1, 0], [10, 5, 1, 0]])
    np.testing.assert_allclose(mask.own_share(rows), [0.25 / 50.25, 0.25 / 10.25, 0, np.inf])


def test_the_nearest_is_the_one_that_distances_say() -> None:
    rows = cloud(mask.QUERIES + 50, 8, seed=3).astype(np.float64)
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(mask.nearest(rows), distances.argmin(axis=1))


def test_a_mask_of_repeated_vectors_compares_those_that_differ() -> None:
    vectors = groups()
    twice = np.concatenate([vectors, vectors])
    once, again = (release(mask.build(k=2).fit(v), vectors) for v in (vectors, twice))
    np.testing.assert_allclose(np.abs(once), np.abs(again), rtol=1e-3, atol=1e-2)


def test_a_mask_of_one_vector_over_and_over_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^mask is to be fitted to 9 vectors that are all the same"):
        mask.build(k=2).fit(np.repeat(VECTORS[:1], 9, axis=0))


@pytest.mark.parametrize("name", EVERY)
def test_more_dimensions_than_there_are_are_refused(
    name: str, registry: Registry, context: BuildContext
) -> None:
    defense: Any = registry.build("defenses", f"{name}:25", context)
    for ask, given in ((defense.released_dim, DIM), (defense.fit, VECTORS)):
        with pytest.raises(BadParameter, match=f"^{name}: k is 25 and the vectors have 24"):
            ask(given)
    assert defense.released_dim(25) == 25


@pytest.mark.parametrize("name", [*EVERY, "topk"])
@pytest.mark.parametrize("k", [0, -3])
def test_keeping_nothing_is_refused(
    name: str, k: int, registry: Registry, context: BuildContext
) -> None:
    with pytest.raises(BadParameter, match=f"^{name}: k is {k}; expected a whole number from 1"):
        registry.build("defenses", f"{name}:{k}", context)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(BadParameter, match="seed is -1"):
        random_projection.build(k=3, seed=-1)


@pytest.mark.parametrize("name", ["pca", "random_projection", "mask"])
def test_an_unfitted_projection_says_so(
    name: str, registry: Registry, context: BuildContext
) -> None:
    defense = registry.build("defenses", f"{name}:4", context)
    with pytest.raises(BadInput, match=f"^{name} is not fitted; fit it to the owner's vectors"):
        release(defense)
    with pytest.raises(BadInput, match=f"^{name} is not fitted"):
        defense.lift(VECTORS[:, :4])


def test_an_unfitted_truncation_cannot_be_lifted() -> None:
    with pytest.raises(BadInput, match="truncate is not fitted"):
        truncate.build(k=4).lift(VECTORS[:, :4])


@pytest.mark.parametrize("build", [pca.build, mask.build])
def test_fewer_vectors_than_components_are_refused(build: Any) -> None:
    with pytest.raises(BadInput, match="fitted to 5 vectors and needs at least 6"):
        build(k=6).fit(VECTORS[:5])


@pytest.mark.parametrize("build", [pca.build, mask.build])
def test_zero_vectors_alone_are_refused(build: Any) -> None:
    with pytest.raises(BadInput, match="fitted to zero vectors"):
        build(k=2).fit(np.zeros((9, DIM), np.float32))


def test_vectors_of_another_length_than_the_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="fitted to vectors of 24 dimensions and is given 10"):
        release(pca.build(k=4).fit(VECTORS), VECTORS[:, :10])


def test_a_projection_that_overflows_is_refused() -> None:
    with pytest.raises(BadInput, match="too large"), np.errstate(over="ignore", invalid="ignore"):
        release(random_projection.build(k=4).fit(VECTORS), np.full((2, DIM), 3e38, np.float32))
