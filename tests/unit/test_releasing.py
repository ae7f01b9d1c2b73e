"""What is released of a collection, block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from v2t_bench.composition import build_defense
from v2t_bench.contracts import BuildContext, Defense, Role, Secret, Vectors
from v2t_bench.errors import BrokenPromise
from v2t_bench.registry import Registry
from v2t_bench.releasing import Released, release
from v2t_bench.rooms import room_for

N, DIM = 23, 8


@pytest.fixture
def clean() -> Vectors:
    """Rows of length 1."""
    rows = np.random.default_rng(0).normal(size=(N, DIM))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def released(defense: Defense, clean: Vectors, folder: Path | None = None) -> Released:
    return release(
        defense,
        documents=clean,
        document_ids=[f"d{row}" for row in range(N)],
        queries=clean[:3],
        query_ids=["q0", "q1", "q2"],
        attacked_rows=np.array([20, 1], np.int64),
        attacked=lambda: clean[:0],
        attacked_ids=["d20", "d1"],
        who="the defense",
        folder=folder,
    )


@pytest.mark.parametrize("text", ["noise:0.1", "quantize:int8", "pca:4", "rotate", "opaque:aes"])
def test_blocks_change_nothing(
    text: str,
    clean: Vectors,
    registry: Registry,
    context: BuildContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defense = build_defense(registry, text, context, Secret.from_seed(1)).fit(clean)
    whole = released(defense, clean)
    monkeypatch.setattr("v2t_bench.rooms.BLOCK_ROWS", 5)
    monkeypatch.setattr("v2t_bench.releasing.BLOCK_ROWS", 5)
    monkeypatch.setattr("v2t_bench.rooms.MOST_IN_MEMORY", 0)
    parts = released(defense, clean, tmp_path)
    assert isinstance(parts.documents, np.memmap)
    # A product of fewer rows may differ in its last bit.
    np.testing.assert_allclose(parts.documents, whole.documents, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(parts.attacked, parts.documents[[20, 1]])
    np.testing.assert_array_equal(parts.queries, whole.queries)
    assert parts.snr_db == (None if whole.snr_db is None else pytest.approx(whole.snr_db, abs=1e-6))


def test_texts_from_elsewhere_are_released_under_their_own_names(
    clean: Vectors, registry: Registry, context: BuildContext
) -> None:
    defense = build_defense(registry, "noise:0.1", context, Secret.from_seed(1))
    others = clean[::-1][:2].copy()
    made = release(
        defense,
        documents=clean,
        document_ids=[f"d{row}" for row in range(N)],
        queries=clean[:0],
        query_ids=[],
        attacked_rows=None,
        attacked=lambda: others,
        attacked_ids=["o1", "o2"],
        who="noise",
        folder=None,
    )
    expected = defense.protect(others, role="document", ids=["o1", "o2"])
    np.testing.assert_array_equal(made.attacked, expected)


class Shrinking:
    """A defense that releases fewer dimensions the second time."""

    def __init__(self) -> None:
        self.calls = 0

    def protect(self, vectors: Vectors, *, role: Role, ids: object) -> Vectors:
        self.calls += 1
        return np.zeros((len(vectors), DIM - self.calls), np.float32)

    def lift(self, released: Vectors) -> None:
        return None


def test_a_defense_whose_blocks_differ_in_dimension_is_refused(
    clean: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2t_bench.rooms.BLOCK_ROWS", 5)
    monkeypatch.setattr("v2t_bench.releasing.BLOCK_ROWS", 5)
    with pytest.raises(BrokenPromise, match=r"returned shape \(5, 6\); expected .*\(5, 7\)"):
        released(Shrinking(), clean)  # type: ignore[arg-type]


def test_a_large_room_is_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2t_bench.rooms.MOST_IN_MEMORY", 100)
    small, large = room_for(2, 4, tmp_path), room_for(50, 4, tmp_path)
    large[:] = 1
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert float(large.sum()) == 200
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_every_room_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v2t_bench.rooms.MOST_IN_MEMORY", 100)
    assert not isinstance(room_for(50, 4, None), np.memmap)
