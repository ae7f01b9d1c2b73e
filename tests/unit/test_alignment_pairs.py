"""The map that true pairs show: the kind that was used is found, from as few pairs as can be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from clouds import cloud, rotation
from v2t_bench.alignment.pairs import fit_pairs
from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput

DIM = 48
CLEAN = cloud(700, DIM, seed=1)
UNSEEN = cloud(200, DIM, seed=2)


def permuted(vectors: Vectors) -> Vectors:
    return vectors[:, np.random.default_rng(3).permutation(DIM)]


def turned(vectors: Vectors) -> Vectors:
    return (vectors @ rotation(DIM, seed=4)).astype(np.float32)


def noisy(vectors: Vectors) -> Vectors:
    drawn = np.random.default_rng(len(vectors)).standard_normal(vectors.shape)
    return (vectors + 0.15 * drawn).astype(np.float32)


def cosine(a: Vectors, b: Vectors) -> float:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / lengths).mean())


@pytest.mark.parametrize(
    ("change", "pairs", "kind"),
    [
        (lambda v: -2.5 * v, 8, "scale"),
        (permuted, 16, "permutation"),
        (lambda v: 3 * permuted(v), 16, "permutation"),
        (turned, DIM + 20, "rotation"),
    ],
)
def test_what_was_done_is_found_from_few_pairs(
    change: Callable[[Vectors], Vectors], pairs: int, kind: str
) -> None:
    chosen = fit_pairs(change(CLEAN[:pairs]).astype(np.float32), CLEAN[:pairs])
    assert chosen.kind.startswith(kind)
    restored = chosen.map.apply(change(UNSEEN).astype(np.float32))
    assert cosine(restored, UNSEEN) > 0.9999


def test_a_rotation_is_not_known_from_half_as_many_pairs_as_dimensions() -> None:
    chosen = fit_pairs(turned(CLEAN[: DIM // 2]), CLEAN[: DIM // 2])
    assert cosine(chosen.map.apply(turned(UNSEEN)), UNSEEN) < 0.97


def test_noise_is_taken_away_by_regression() -> None:
    chosen = fit_pairs(noisy(CLEAN), CLEAN)
    assert "ridge" in chosen.kind
    assert cosine(chosen.map.apply(noisy(UNSEEN)), UNSEEN) > cosine(noisy(UNSEEN), UNSEEN) + 0.05


def test_the_cosine_told_is_that_on_texts_not_seen() -> None:
    chosen = fit_pairs(noisy(CLEAN), CLEAN)
    found = cosine(chosen.map.apply(noisy(UNSEEN)), UNSEEN)
    # Of 200 and 700 texts whose cosines scatter by 0.05.
    assert abs(chosen.cosine - found) < 0.02


def test_fewer_dimensions_are_brought_back() -> None:
    chosen = fit_pairs(CLEAN[:, :30], CLEAN)
    assert chosen.map.apply(UNSEEN[:, :30]).shape == UNSEEN.shape
    assert cosine(chosen.map.apply(UNSEEN[:, :30]), UNSEEN) > cosine(
        np.pad(UNSEEN[:, :30], ((0, 0), (0, 18))), UNSEEN
    )


def test_pairs_that_do_not_belong_together_show_nothing() -> None:
    chosen = fit_pairs(turned(CLEAN), np.roll(CLEAN, 1, axis=0))
    centred = CLEAN.mean(axis=0)
    found = cosine(chosen.map.apply(turned(UNSEEN)) - centred, UNSEEN - centred)
    assert abs(found) < 0.1


def test_too_few_pairs_and_no_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match="7 pairs are too few"):
        fit_pairs(CLEAN[:7], CLEAN[:7])
    with pytest.raises(BadInput, match="NaN"):
        fit_pairs(CLEAN[:9] * np.float32("nan"), CLEAN[:9])
