"""Codes: what they cost, what they rank by, and how far off they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clouds import cloud
from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput
from v2t_bench.search import Similarity, tie_keys, top_k
from v2t_plugins.defenses.quantize import Quantize, build

DIM = 24
VECTORS = cloud(300, DIM, seed=0)


def release(defense: Quantize, vectors: Vectors = VECTORS) -> Vectors:
    return defense.protect(vectors, role="document", ids=[str(n) for n in range(len(vectors))])


def step_of(defense: Quantize) -> float:
    assert defense.step is not None
    return float(defense.step[0])


@pytest.mark.parametrize(
    ("code", "dim", "expected"),
    [("int8", 384, 384), ("int4", 384, 192), ("binary", 384, 48), ("int4", 7, 4), ("binary", 9, 2)],
)
def test_a_vector_takes_so_many_bytes(code: Any, dim: int, expected: int) -> None:
    assert build(code=code).bytes_per_vector(dim) == expected


def test_int8_needs_a_quarter_of_the_bytes_of_float32() -> None:
    assert 4 * build(code="int8").bytes_per_vector(384) == VECTORS.itemsize * 384


@pytest.mark.parametrize(("code", "most"), [("int8", 127), ("int4", 7)])
def test_codes_are_whole_numbers_in_their_range(code: Any, most: int) -> None:
    defense = build(code=code).fit(VECTORS)
    codes = release(defense, 9 * VECTORS)  # far beyond what it was fitted to
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert (codes.min(), codes.max()) == (-most, most)


@pytest.mark.parametrize(("code", "most"), [("int8", 127), ("int4", 7)])
def test_what_is_in_range_is_off_by_at_most_half_a_step(code: Any, most: int) -> None:
    defense = build(code=code).fit(VECTORS)
    step = step_of(defense)
    off = np.abs(defense.lift(release(defense)) - VECTORS)
    inside = np.abs(VECTORS) <= most * step
    assert off[inside].max() <= 0.5001 * step
    # What is beyond is brought to the end of the range.
    np.testing.assert_allclose(off[~inside], np.abs(VECTORS[~inside]) - most * step, atol=1e-6)


@pytest.mark.parametrize("code", ["int8", "int4"])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_codes_rank_as_the_vectors_they_stand_for(code: Any, similarity: Similarity) -> None:
    defense = build(code=code).fit(VECTORS)
    codes = release(defense)
    # A step that is a power of two multiplies without rounding.
    exact = Quantize(code=code, step=np.array([2.0**-9], np.float32))
    keys = tie_keys([str(n) for n in range(len(codes))], 0)
    found, expected = (
        top_k(v[:40], v, k=20, similarity=similarity, tie_keys=keys).indices
        for v in (codes, exact.lift(codes))
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("code", ["int8", "int4"])
def test_no_other_range_of_those_tried_has_a_smaller_error(code: Any) -> None:
    defense = build(code=code).fit(VECTORS)
    most = {"int8": 127, "int4": 7}[code]
    exact = VECTORS.astype(np.float64)

    def error(step: float) -> float:
        codes = np.clip(np.rint(exact / step), -most, most)
        return float(((codes * step - exact) ** 2).mean())

    steps = [share / 20 * float(np.abs(VECTORS).max()) / most for share in range(1, 21)]
    assert step_of(defense) == pytest.approx(min(steps, key=error), rel=1e-6)


def test_one_far_coordinate_does_not_decide_the_range() -> None:
    vectors = cloud(2000, DIM, seed=1)
    vectors[0, 0] = 3.0
    spared = build(code="int4").fit(vectors)
    assert step_of(spared) < 3.0 / 7 / 2


def test_a_sign_is_1_above_zero_and_minus_1_elsewhere() -> None:
    vectors = np.array([[0.2, 0.0, -0.0, -3.0, 1e-30]], np.float32)
    np.testing.assert_array_equal(release(build(code="binary"), vectors), [[1, -1, -1, -1, 1]])


def test_signs_are_compared_by_hamming_distance() -> None:
    binary, int8 = build(code="binary"), build(code="int8")
    assert (binary.similarity, binary.keeps) == ("hamming", ("hamming",))
    assert (int8.similarity, int8.keeps) == (None, ())


def test_signs_are_lifted_to_the_mean_size_of_each_coordinate() -> None:
    defense = build(code="binary").fit(VECTORS)
    expected = np.where(VECTORS > 0, 1, -1) * np.abs(VECTORS).mean(axis=0)
    np.testing.assert_allclose(defense.lift(release(defense)), expected, rtol=1e-5)


def test_constant_vectors_are_quantised() -> None:
    same = np.full((5, 4), 0.25, np.float32)
    for code in ("int8", "int4", "binary"):
        defense = build(code=code).fit(same)
        np.testing.assert_allclose(defense.lift(release(defense, same)), same, rtol=1e-5)


@pytest.mark.parametrize("code", ["int8", "int4", "binary"])
def test_what_has_no_range_is_refused(code: Any) -> None:
    with pytest.raises(BadInput, match="needs at least 1"):
        build(code=code).fit(VECTORS[:0])
    with pytest.raises(BadInput, match="zero vectors"):
        build(code=code).fit(np.zeros((3, 4), np.float32))
    with pytest.raises(BadInput, match="no coordinate is larger than"):
        build(code=code).fit(np.full((3, 4), 1e-40, np.float32))


@pytest.mark.parametrize("code", ["int8", "int4"])
def test_unfitted_codes_are_refused(code: Any) -> None:
    with pytest.raises(BadInput, match=r"^quantize is not fitted"):
        release(build(code=code))


@pytest.mark.parametrize("code", ["int8", "int4", "binary"])
def test_unfitted_codes_cannot_be_lifted(code: Any) -> None:
    with pytest.raises(BadInput, match=r"^quantize is not fitted"):
        build(code=code).lift(VECTORS)
