"""The vector cache: full keys, damage, resume."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from v2t_bench.contracts import Embedder, Role, Space, Vectors
from v2t_bench.errors import BrokenPromise
from v2t_bench.vectors import SHARD_ROWS, VectorCache


class Counting:
    """A real embedder that notes what it is asked."""

    def __init__(self, inner: Embedder, space: Space | None = None) -> None:
        self.inner = inner
        self.space = space or inner.space
        self.dim = inner.dim
        self.special_tokens = inner.special_tokens
        self.asked: list[int] = []

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        self.asked.append(len(texts))
        return self.inner.embed(texts, role)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return self.inner.token_spans(texts)


@pytest.fixture
def counting(embedder: Embedder) -> Counting:
    return Counting(embedder)


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path)


def test_the_same_texts_are_embedded_once(cache: VectorCache, counting: Counting) -> None:
    first = cache.vectors(counting, ["a", "b"], "document")
    second = cache.vectors(counting, ["a", "b"], "document")
    assert counting.asked == [2]
    np.testing.assert_array_equal(first, second)


def test_what_is_stored_is_what_the_embedder_answered(
    cache: VectorCache, counting: Counting, embedder: Embedder, texts: list[str]
) -> None:
    cache.vectors(counting, texts, "document")
    np.testing.assert_array_equal(
        cache.vectors(counting, texts, "document"), embedder.embed(texts, "document")
    )


@pytest.mark.parametrize(
    "texts", [["b", "a"], ["ab", ""], ["", "ab"], ["a", "b", ""], ["a"]], ids=repr
)
def test_other_texts_are_another_entry(
    cache: VectorCache, counting: Counting, texts: list[str]
) -> None:
    cache.vectors(counting, ["a", "b"], "document")
    cache.vectors(counting, texts, "document")
    assert counting.asked == [2, len(texts)]


def test_roles_and_spaces_do_not_share_vectors(cache: VectorCache, counting: Counting) -> None:
    other = Counting(counting.inner, replace(counting.space, query_prompt="find: "))
    cache.vectors(counting, ["a"], "document")
    cache.vectors(counting, ["a"], "query")
    cache.vectors(other, ["a"], "document")
    assert (counting.asked, other.asked) == ([1, 1], [1])


def test_a_run_that_was_cut_short_embeds_only_the_rest(
    cache: VectorCache, counting: Counting
) -> None:
    texts = [f"text {i}" for i in range(SHARD_ROWS + 10)]
    whole = cache.vectors(counting, texts, "document")
    last = sorted(cache.folder.rglob("*.safetensors"))[-1]
    last.unlink()
    assert cache.missing(counting, texts, "document") == 10
    np.testing.assert_array_equal(cache.vectors(counting, texts, "document"), whole)
    assert counting.asked == [SHARD_ROWS, 10, 10]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "replaced"])
def test_a_damaged_shard_is_told_and_embedded_again(
    cache: VectorCache, counting: Counting, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    good = cache.vectors(counting, ["a", "b"], "document")
    shard = next(cache.folder.rglob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[-3] ^= 1
    elif damage == "empty":
        data = bytearray()
    else:
        cache.vectors(counting, ["c", "d"], "document")
        data = bytearray(
            next(p for p in cache.folder.rglob("*.safetensors") if p != shard).read_bytes()
        )
    shard.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        again = cache.vectors(counting, ["a", "b"], "document")
    np.testing.assert_array_equal(again, good)
    assert "embedding these texts again" in caplog.text


def test_no_texts_cost_nothing(cache: VectorCache, counting: Counting) -> None:
    assert cache.vectors(counting, [], "document").shape == (0, counting.dim)
    assert counting.asked == []


def test_vectors_that_break_the_contract_are_not_stored(
    cache: VectorCache, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "embed", lambda texts, role: np.full((1, 64), np.nan, "f4"))
    with pytest.raises(BrokenPromise, match="NaN"):
        cache.vectors(counting, ["a"], "document")
    assert not list(cache.folder.rglob("*.safetensors"))
