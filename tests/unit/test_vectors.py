"""The vector cache: full keys, damage, resume."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from v2t_bench.contracts import BuildContext, Embedder, Role, Space, Vectors
from v2t_bench.errors import BrokenPromise
from v2t_bench.registry import Registry
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.shards import SHARD_ROWS
from v2t_bench.spelling import Spelling
from v2t_bench.vectors import VectorCache, embed_fast, oracle_of


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


def files_of(cache: VectorCache) -> list[Path]:
    assert cache.folder is not None
    return list(cache.folder.rglob("*.safetensors"))


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
    last = sorted(files_of(cache))[-1]
    last.unlink()
    assert cache.missing(counting, texts, "document") == 10
    np.testing.assert_array_equal(cache.vectors(counting, texts, "document"), whole)
    assert counting.asked == [SHARD_ROWS, 10, 10]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "replaced"])
def test_a_damaged_shard_is_told_and_embedded_again(
    cache: VectorCache, counting: Counting, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    good = cache.vectors(counting, ["a", "b"], "document")
    shard = next(iter(files_of(cache)))
    data = bytearray(shard.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[-3] ^= 1
    elif damage == "empty":
        data = bytearray()
    else:
        cache.vectors(counting, ["c", "d"], "document")
        data = bytearray(next(p for p in files_of(cache) if p != shard).read_bytes())
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
    assert not files_of(cache)


class Multiplied(Counting):
    """An embedder that multiplies by torch, and so feels the precision it is asked in."""

    matrix = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        vectors = torch.from_numpy(super().embed(texts, role))
        product: Vectors = (vectors @ self.matrix).float().numpy()
        return product

    def rounded(self, texts: Sequence[str]) -> Vectors:
        """Return what bfloat16 makes of it, by hand."""
        factors = torch.from_numpy(self.inner.embed(texts, "document")), self.matrix
        one, other = (factor.bfloat16().double() for factor in factors)
        product: Vectors = (one @ other).bfloat16().float().numpy()
        return product


@pytest.fixture
def multiplied(embedder: Embedder) -> Multiplied:
    return Multiplied(embedder)


def test_fast_vectors_are_multiplied_in_bfloat16_and_kept_in_float32(
    multiplied: Multiplied, texts: list[str]
) -> None:
    fast = embed_fast(multiplied, texts, "document")
    assert fast.dtype == np.float32
    assert fast.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(fast, multiplied.rounded(texts), rtol=2**-7)
    # A number of bfloat16 has its last 16 bits free.
    assert not (fast.view(np.uint32) & 0xFFFF).any()
    assert not np.array_equal(fast, multiplied.embed(texts, "document"))
    assert not torch.is_autocast_enabled("cpu")


def test_fast_vectors_of_a_transformer_lie_where_its_own_do(
    registry: Registry, context: BuildContext, tiny_model: Path, texts: list[str]
) -> None:
    spelling = Spelling("st", (str(tiny_model),), {})
    model: Embedder = registry.build("embedders", spelling, context)
    exact, fast = model.embed(texts, "document"), embed_fast(model, texts, "document")
    assert not np.array_equal(exact, fast)
    assert cosine_per_pair(exact, fast).min() > 0.999


def test_fast_vectors_are_kept_apart(
    cache: VectorCache, multiplied: Multiplied, texts: list[str]
) -> None:
    exact = cache.vectors(multiplied, texts, "document")
    fast = cache.vectors(multiplied, texts, "document", fast=True)
    n = len(texts)
    assert multiplied.asked == [n, n]
    np.testing.assert_array_equal(fast, embed_fast(multiplied, texts, "document"))
    np.testing.assert_array_equal(cache.vectors(multiplied, texts, "document"), exact)
    again = cache.vectors(multiplied, texts, "document", fast=True)
    np.testing.assert_array_equal(again, fast)
    assert multiplied.asked == [n, n, n]  # the third was asked by this test
    assert cache.missing(multiplied, texts, "document") == 0


def test_a_cache_from_before_there_were_fast_vectors_is_found(
    cache: VectorCache, counting: Counting
) -> None:
    cache.vectors(counting, ["a"], "document", fast=True)
    assert cache.missing(counting, ["a"], "document") == 1
    assert "arithmetic" not in cache._key(counting, ["a"], "document")


def test_an_oracle_answers_as_fast_as_it_is_told_to(
    multiplied: Multiplied, texts: list[str]
) -> None:
    for fast in (False, True):
        expected = (embed_fast if fast else Multiplied.embed)(multiplied, texts, "document")
        oracle = oracle_of(multiplied, fast=fast)
        for keep in (False, True):
            np.testing.assert_array_equal(oracle.embed(texts, keep=keep), expected)
        assert oracle.texts_asked == 2 * len(texts)


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than ten texts are a large list."""
    monkeypatch.setattr("v2t_bench.vectors.MAPPED_ROWS", 10)


MANY = [f"text {number}" for number in range(SHARD_ROWS + 5)]


@pytest.mark.usefixtures("mapping")
def test_many_vectors_are_mapped_from_one_file(cache: VectorCache, counting: Counting) -> None:
    made = cache.vectors(counting, MANY, "document")
    assert cache.missing(counting, MANY, "document") == 0
    again = cache.vectors(counting, MANY, "document")
    assert isinstance(made, np.memmap)
    assert isinstance(again, np.memmap)
    assert [path.name for path in files_of(cache)] == ["all.safetensors"]
    assert counting.asked == [SHARD_ROWS, 5]
    np.testing.assert_array_equal(made, counting.inner.embed(MANY, "document"))
    np.testing.assert_array_equal(made, again)


@pytest.mark.usefixtures("mapping")
def test_the_file_of_many_vectors_is_read_by_safetensors(
    cache: VectorCache, counting: Counting
) -> None:
    from safetensors.numpy import load_file

    made = cache.vectors(counting, MANY, "document")
    [file] = files_of(cache)
    np.testing.assert_array_equal(load_file(file)["vectors"], made)


@pytest.mark.usefixtures("mapping")
@pytest.mark.parametrize("damage", ["last byte", "shorter", "header"])
def test_a_damaged_file_of_many_vectors_is_made_again(
    cache: VectorCache, counting: Counting, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = np.array(cache.vectors(counting, MANY, "document"))
    [file] = files_of(cache)
    data = bytearray(file.read_bytes())
    if damage == "last byte":
        data[-1] ^= 1
    elif damage == "shorter":
        del data[-4:]
    else:
        data[:8] = b"\xff" * 8
    file.write_bytes(data)
    np.testing.assert_array_equal(cache.vectors(counting, MANY, "document"), made)
    assert "embedding these texts again" in caplog.text


@pytest.mark.usefixtures("mapping")
def test_a_kill_before_the_shards_are_joined_loses_none(
    cache: VectorCache, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> Vectors:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("v2t_bench.shards.Shards.join", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.vectors(counting, MANY, "document")
    cache.vectors(counting, MANY, "document")
    assert counting.asked == [SHARD_ROWS, 5]


def test_a_cache_of_nowhere_writes_nothing(tmp_path: Path, counting: Counting) -> None:
    nowhere = VectorCache(None)
    first = nowhere.vectors(counting, MANY, "document")
    np.testing.assert_array_equal(first, counting.inner.embed(MANY, "document"))
    assert nowhere.missing(counting, MANY, "document") == len(MANY)
    assert list(tmp_path.iterdir()) == []
