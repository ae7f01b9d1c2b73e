"""Defenses of single coordinates and lengths: topk, clip, normalize, center; and opaque."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clouds import cloud
from v2t_bench.contracts import BuildContext, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.registry import Registry
from v2t_plugins.defenses import center
from v2t_plugins.defenses.clip import Clip
from v2t_plugins.defenses.fitting import CHUNK, SAMPLE, evenly
from v2t_plugins.defenses.normalize import Normalize
from v2t_plugins.defenses.opaque import Opaque
from v2t_plugins.defenses.topk import TopK

DIM = 24
VECTORS = cloud(60, DIM, seed=0)


def release(defense: Any, vectors: Vectors = VECTORS) -> Vectors:
    ids = [f"doc-{row}" for row in range(len(vectors))]
    released: Vectors = defense.protect(vectors, role="document", ids=ids)
    return released


@pytest.mark.parametrize("k", [1, 5, 23, 24])
def test_topk_keeps_the_largest(k: int) -> None:
    expected = np.zeros_like(VECTORS)
    for row, vector in enumerate(VECTORS):
        for place in sorted(range(DIM), key=lambda place: -abs(vector[place]))[:k]:
            expected[row, place] = vector[place]
    np.testing.assert_array_equal(release(TopK(k=k)), expected)


def test_of_equal_coordinates_the_first_are_kept() -> None:
    vectors = np.array([[1, -1, 1, 2, -1], [0, 0, 0, 0, 3], [0, 0, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(
        release(TopK(k=3), vectors), [[1, -1, 0, 2, 0], [0, 0, 0, 0, 3], [0, 0, 0, 0, 0]]
    )


def test_topk_leaves_no_negative_zero() -> None:
    released = release(TopK(k=3))
    assert not np.signbit(released[released == 0]).any()


@pytest.mark.parametrize(("dim", "expected"), [(384, 32 * 6), (65_536, 32 * 6), (65_537, 32 * 8)])
def test_topk_stores_values_and_places(dim: int, expected: int) -> None:
    assert TopK(k=32).bytes_per_vector(dim) == expected


def test_topk_of_more_than_there_are_is_refused() -> None:
    for asked in (lambda: TopK(k=25).released_dim(DIM), lambda: release(TopK(k=25))):
        with pytest.raises(BadParameter, match="topk: k is 25 and the vectors have 24 dimensions"):
            asked()


def test_clipping_bounds_what_is_beyond_and_nothing_else() -> None:
    released = release(Clip(c=0.1))
    inside = np.abs(VECTORS) <= 0.1
    np.testing.assert_array_equal(released[inside], VECTORS[inside])
    np.testing.assert_allclose(released[~inside], 0.1 * np.sign(VECTORS[~inside]), rtol=1e-6)
    assert inside.any()
    assert not inside.all()


@pytest.mark.parametrize("c", [0.0, -1.0, float("nan"), float("inf"), 1e-40])
def test_what_is_no_bound_is_refused(c: float) -> None:
    with pytest.raises(BadParameter, match=f"clip: c is {c}"):
        Clip(c=c)


@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
def test_normalised_vectors_have_length_1_and_their_direction(size: float) -> None:
    released = release(Normalize(), VECTORS * np.float32(size))
    np.testing.assert_allclose(released, VECTORS, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(released, axis=1), 1, atol=1e-6)


def test_a_zero_vector_has_no_direction_and_is_named() -> None:
    vectors = np.ones((CHUNK + 9, 2), np.float32)
    vectors[[CHUNK + 3, CHUNK + 5]] = 0
    with pytest.raises(BadInput, match=rf"document 'doc-{CHUNK + 3}' \(row {CHUNK + 3}\) is zero"):
        release(Normalize(), vectors)


def test_constant_vectors_cannot_be_centred_and_scaled() -> None:
    same = np.repeat(VECTORS[:1], 5, axis=0)
    centred = release(center.build().fit(same), same)
    np.testing.assert_array_equal(centred, np.zeros_like(same))
    with pytest.raises(BadInput, match="is zero"):
        release(Normalize(), centred)


def test_centred_vectors_have_mean_0_and_their_distances() -> None:
    centred = release(center.build().fit(VECTORS))
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-6)
    before, after = (
        np.linalg.norm(v[:, None].astype(np.float64) - v[None], axis=2) for v in (VECTORS, centred)
    )
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_centring_is_undone_by_lifting() -> None:
    defense = center.build().fit(VECTORS)
    np.testing.assert_allclose(defense.lift(release(defense)), VECTORS, atol=1e-6)


def test_centring_needs_a_mean() -> None:
    with pytest.raises(BadInput, match="center is not fitted"):
        release(center.build())
    with pytest.raises(BadInput, match="center is not fitted"):
        center.build().lift(VECTORS)
    with pytest.raises(BadInput, match="needs at least 1"):
        center.build().fit(VECTORS[:0])
    with pytest.raises(BadInput, match="24 dimensions and is given 10"):
        release(center.build().fit(VECTORS), VECTORS[:, :10])


def test_opaque_vectors_are_computed_with_and_never_read() -> None:
    defense = Opaque(scheme="ckks")
    np.testing.assert_array_equal(release(defense), VECTORS)
    assert defense.opaque
    assert defense.lift(VECTORS) is None  # type: ignore[func-returns-value]
    assert defense.bytes_per_vector(DIM) is None  # type: ignore[func-returns-value]
    assert set(defense.keeps) == {"cosine", "dot", "euclidean", "hamming"}


@pytest.mark.parametrize("scheme", ["", "a b", "../x", "ckks\n", "é"])
def test_what_is_no_name_of_a_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(BadParameter, match="opaque: scheme is"):
        Opaque(scheme=scheme)


@pytest.mark.parametrize("example", ["topk:5", "normalize", "mask:4", "pca:4", "quantize:int4"])
def test_chunks_leave_no_seam(example: str, registry: Registry, context: BuildContext) -> None:
    vectors = cloud(CHUNK + 40, 8, seed=1)
    defense = registry.build("defenses", example, context).fit(vectors)
    np.testing.assert_allclose(
        release(defense, vectors)[CHUNK - 20 :], release(defense, vectors[CHUNK - 20 :]), atol=1e-6
    )


def test_a_sample_is_evenly_spaced_and_no_larger_than_it_may_be() -> None:
    rows = np.arange(2.5 * SAMPLE, dtype=np.float32)[:, None]
    seen = evenly(rows)[:, 0]
    assert len(seen) == SAMPLE
    assert set(np.diff(seen)) == {2.0, 3.0}
    assert len(evenly(rows[:SAMPLE])) == SAMPLE
