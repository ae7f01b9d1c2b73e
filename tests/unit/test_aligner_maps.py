"""The maps of the aligner: what each finds in clouds of vectors, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clouds import cloud, rotated, rotation
from v2t_bench.alignment.closed_form import fit_linear, fit_procrustes, warning
from v2t_bench.alignment.maps import MAP, AffineMap, usable
from v2t_bench.alignment.mini_vec2vec import fit_mini_vec2vec
from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.attacks.aligner.measured import facts_of

Fit = Callable[[Vectors, Vectors], AffineMap]
PAIRED: dict[str, Fit] = {
    "linear": lambda x, y: fit_linear(x, y)[0],
    "procrustes": fit_procrustes,
}
DIM, KNOWN, HELD_OUT = 24, 1000, 500


@pytest.fixture(scope="module")
def sides() -> tuple[Vectors, Vectors]:
    """A cloud and the same turned, with 5 % noise: (2 * KNOWN + HELD_OUT, DIM) each."""
    a = cloud(2 * KNOWN + HELD_OUT, DIM, seed=1)
    return a, rotated(a, rotation(DIM, seed=3), noise=0.05, seed=5)


@pytest.mark.parametrize("method", PAIRED)
class TestFromPairs:
    def test_a_turned_cloud_is_turned_back(
        self, method: str, sides: tuple[Vectors, Vectors]
    ) -> None:
        a, b = sides
        found = PAIRED[method](a[:KNOWN], b[:KNOWN])
        held, targets = a[-HELD_OUT:], b[-HELD_OUT:]
        facts = facts_of(found.apply(held), held, targets)
        assert facts["top1"] >= 0.9
        assert facts["cosine"] > 0.98
        assert facts["identity_top1"] < 0.1
        assert facts["shuffled_top1"] < 0.1
        assert facts["shuffled_rank"] > 150

    def test_pairs_that_do_not_belong_together_teach_nothing(
        self, method: str, sides: tuple[Vectors, Vectors]
    ) -> None:
        a, b = sides
        found = PAIRED[method](a[:KNOWN], np.roll(b[:KNOWN], 1, axis=0))
        held, targets = a[-HELD_OUT:], b[-HELD_OUT:]
        assert facts_of(found.apply(held), held, targets)["top1"] < 0.1

    @pytest.mark.parametrize("dims", [(DIM, 16), (16, DIM)])
    def test_unequal_dimensions_are_bridged(
        self, method: str, dims: tuple[int, int], sides: tuple[Vectors, Vectors]
    ) -> None:
        a = sides[0][:, : min(dims)]
        x, y = (np.zeros((len(a), dim), np.float32) for dim in dims)
        x[:, : a.shape[1]], y[:, : a.shape[1]] = a, a @ rotation(min(dims), seed=2)
        found = PAIRED[method](x[:KNOWN], y[:KNOWN])
        np.testing.assert_allclose(found.apply(x[-50:]), y[-50:], atol=1e-3)
        facts = facts_of(found.apply(x[-50:]), x[-50:], y[-50:])
        assert [facts[f"identity_{name}"] for name in ("cosine", "top1", "rank")] == [None] * 3


def test_linear_without_a_penalty_is_least_squares(sides: tuple[Vectors, Vectors]) -> None:
    a, b = sides
    x, y = a[:200].astype(np.float64), b[:200].astype(np.float64)
    found, _ = fit_linear(a[:200], b[:200], 0.0)
    ones = np.hstack([x, np.ones((200, 1))])
    expected = ones @ np.linalg.lstsq(ones, y, rcond=None)[0]
    np.testing.assert_allclose(found.apply(a[:200]), expected, atol=1e-5)


def test_linear_with_a_penalty_is_least_squares_with_rows_for_it(
    sides: tuple[Vectors, Vectors],
) -> None:
    x, y = (side[:200].astype(np.float64) for side in sides)
    found, _ = fit_linear(sides[0][:200], sides[1][:200], 0.5)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    added = 0.5 * np.square(x).sum() / DIM  # half of the mean eigenvalue
    longer = np.vstack([x, np.sqrt(added) * np.eye(DIM)])
    expected = np.linalg.lstsq(longer, np.vstack([y, np.zeros((DIM, DIM))]), rcond=None)[0]
    np.testing.assert_allclose(found.matrix, expected, atol=1e-6)


def test_the_penalty_is_high_where_there_is_nothing_to_learn() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 20)).astype(np.float32)
    noise = rng.standard_normal((60, 3)).astype(np.float32)
    clean = (x @ rng.standard_normal((20, 3))).astype(np.float32)
    assert fit_linear(x, noise)[1] > 1 > 1e-3 > fit_linear(x, clean)[1]


def test_procrustes_finds_rotation_scale_and_shift(sides: tuple[Vectors, Vectors]) -> None:
    a, q = sides[0], rotation(DIM, seed=4)
    y = (3 * a @ q + np.arange(DIM)).astype(np.float32)
    found = fit_procrustes(a[:KNOWN], y[:KNOWN])
    np.testing.assert_allclose(found.matrix, 3 * q, atol=1e-4)
    np.testing.assert_allclose(found.apply(a[-9:]), y[-9:], atol=1e-3)


def test_as_many_pairs_as_dimensions_are_warned_of() -> None:
    assert "near n = d" in warning("linear", 400, 384)
    assert "do not show all of 384" in warning("procrustes", 100, 384)
    assert warning("linear", 4000, 384) == ""


class TestWithoutPairs:
    def test_a_turned_cloud_of_other_texts_is_turned_back(
        self, sides: tuple[Vectors, Vectors]
    ) -> None:
        a, b = sides
        found, said = fit_mini_vec2vec(a[:KNOWN], b[KNOWN : 2 * KNOWN], seed=0)
        held, targets = a[-HELD_OUT:], b[-HELD_OUT:]
        assert facts_of(found.apply(held), held, targets)["top1"] >= 0.9
        assert said["neighbour_cosine"] > 0.5

    def test_a_few_vectors_are_refused(self, sides: tuple[Vectors, Vectors]) -> None:
        with pytest.raises(BadInput, match="5 and 300 vectors are too few"):
            fit_mini_vec2vec(sides[0][:5], sides[1][:300], seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_unpaired_among_8192_nine_of_ten_are_found() -> None:
    known, dim = 10_000, 64
    a = cloud(2 * known + 8192, dim, seed=1)
    b = rotated(a, rotation(dim, seed=3), noise=0.05, seed=5)
    found, _ = fit_mini_vec2vec(a[:known], b[known : 2 * known], seed=0)
    held, targets = a[-8192:], b[-8192:]
    assert facts_of(found.apply(held), held, targets)["top1"] >= 0.9


class TestFacts:
    def test_are_those_of_a_hand_calculation(self) -> None:
        targets = np.eye(3, dtype=np.float32)
        mapped = np.array([[2, 0, 0], [0.6, 0.8, 0], [1, 0, 0]], np.float32)
        # Ranks 1 and 1; the third has cosine 0 with its own, as with another, and 1 with one.
        facts = facts_of(mapped, mapped, targets)
        assert facts["held_out"] == 3
        assert facts["cosine"] == pytest.approx((1 + 0.8 + 0) / 3)
        assert facts["top1"] == pytest.approx(2 / 3)
        assert facts["rank"] == pytest.approx((1 + 1 + 2.5) / 3)
        assert facts["identity_top1"] == facts["top1"]

    def test_one_answer_for_all_finds_nothing(self) -> None:
        rng = np.random.default_rng(0)
        targets = rng.standard_normal((99, 8)).astype(np.float32)
        same = np.tile(targets.mean(axis=0), (99, 1))
        facts = facts_of(same, same, targets)
        assert facts["rank"] == pytest.approx(50)
        assert facts["top1"] == pytest.approx(1 / 99)


class TestBadVectors:
    def test_nan_is_refused_with_its_row(self, sides: tuple[Vectors, Vectors]) -> None:
        bad = sides[0][:9].copy()
        bad[4, 1] = np.nan
        with pytest.raises(BadInput, match="vector 5 of 9 holds NaN"):
            usable(sides[1][:9], bad, who="aligner")

    def test_zeros_on_either_side_are_left_out(self, sides: tuple[Vectors, Vectors]) -> None:
        x, y = sides[0][:5].copy(), sides[1][:5].copy()
        x[1] = 0
        y[3] = 0
        assert usable(x, y, who="aligner").tolist() == [True, False, True, False, True]

    def test_one_text_is_too_few(self, sides: tuple[Vectors, Vectors]) -> None:
        with pytest.raises(BadInput, match="at least 2 texts"):
            usable(sides[0][:1], sides[1][:1], who="aligner")


class TestOnDisk:
    @pytest.fixture
    def found(self, sides: tuple[Vectors, Vectors], tmp_path: Path) -> AffineMap:
        found = fit_procrustes(sides[0][:99], sides[1][:99])
        found.save(tmp_path)
        return found

    def test_a_map_comes_back(
        self, found: AffineMap, sides: tuple[Vectors, Vectors], tmp_path: Path
    ) -> None:
        again = AffineMap.load(tmp_path)
        np.testing.assert_allclose(again.apply(sides[0]), found.apply(sides[0]), atol=1e-6)

    def test_a_truncated_map_is_a_corrupt_artifact(self, found: AffineMap, tmp_path: Path) -> None:
        path = tmp_path / MAP
        path.write_bytes(path.read_bytes()[:-3])
        with pytest.raises(CorruptArtifact, match="train again"):
            AffineMap.load(tmp_path)
