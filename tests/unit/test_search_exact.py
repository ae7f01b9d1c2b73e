"""That looking through blocks in float32 first loses nothing."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plain_search import KINDS, SIMILARITIES, plain_search, some_rows
from v2t_bench.errors import BadParameter, BrokenPromise
from v2t_bench.search import Hits, Similarity, tie_keys, top_k

BACKENDS = [
    "torch",
    pytest.param(
        "faiss",
        marks=pytest.mark.skipif(
            find_spec("faiss") is None,
            reason="faiss is not installed: pip install 'v2t-bench[faiss]'",
        ),
    ),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    d=st.integers(1, 70),
    k=st.integers(1, 40),
    chunks=st.tuples(st.integers(1, 9), st.integers(1, 150)),
)
def test_equals_a_full_sort_of_float64_scores(
    backend: Any,
    similarity: Similarity,
    kind: str,
    seed: int,
    n: int,
    d: int,
    k: int,
    chunks: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, kind, n + 7, d)
    queries, documents = rows[:7], rows[7:]
    keys = rng.permutation(n).astype(np.uint64)
    exclude = [int(place) if place < n else None for place in rng.integers(0, n + 3, size=7)]

    hits = top_k(
        queries,
        documents,
        k=k,
        similarity=similarity,
        tie_keys=keys,
        exclude=exclude,
        query_chunk=chunks[0],
        document_chunk=chunks[1],
        backend=backend,
    )

    expected = plain_search(queries, documents, keys, k, similarity, exclude)
    np.testing.assert_array_equal(hits.indices, expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["close", "bits", "repeated", "plain"])
def test_a_block_in_which_thousands_are_equally_close_is_searched_exactly(
    backend: Any, kind: str
) -> None:
    rng = np.random.default_rng(5)
    documents = some_rows(rng, kind, 6000, 24)
    queries = documents[:: 6000 // 16]
    keys = rng.permutation(6000).astype(np.uint64)

    hits = top_k(queries, documents, k=10, similarity="cosine", tie_keys=keys, backend=backend)

    expected = plain_search(queries, documents, keys, 10, "cosine", [None] * len(queries))
    np.testing.assert_array_equal(hits.indices, expected)


def test_documents_that_come_ever_closer_are_searched_exactly() -> None:
    """No block is ruled out by those before it."""
    turn = np.linspace(np.pi, 0, 5000)
    documents = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
    keys = np.arange(5000, dtype=np.uint64)
    query = np.array([[1, 0]], np.float32)

    hits = top_k(query, documents, k=12, similarity="dot", tie_keys=keys, document_chunk=100)

    expected = plain_search(query, documents, keys, 12, "dot", [None])
    np.testing.assert_array_equal(hits.indices, expected)


def test_one_that_is_left_out_leaves_room_for_the_next() -> None:
    documents = some_rows(np.random.default_rng(4), "plain", 1000, 8)
    keys = np.arange(1000, dtype=np.uint64)
    themselves: list[int | None] = list(range(20))

    hits = top_k(
        documents[:20], documents, k=12, similarity="cosine", tie_keys=keys, exclude=themselves
    )

    expected = plain_search(documents[:20], documents, keys, 12, "cosine", themselves)
    np.testing.assert_array_equal(hits.indices, expected)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_more_documents_than_a_block_holds_can_be_asked_for(similarity: Similarity) -> None:
    rng = np.random.default_rng(6)
    documents = some_rows(rng, "repeated", 700, 5)
    keys = rng.permutation(700).astype(np.uint64)

    hits = top_k(
        documents[:9], documents, k=700, similarity=similarity, tie_keys=keys, document_chunk=64
    )

    expected = plain_search(documents[:9], documents, keys, 700, similarity, [None] * 9)
    np.testing.assert_array_equal(hits.indices, expected)


@pytest.mark.parametrize("document_chunk", [1, 37, 300, 5000])
def test_a_pair_scores_the_same_beside_any_others(document_chunk: int) -> None:
    """Scores half a step wide around an edge, which any other order of summation would move."""
    rng = np.random.default_rng(8)
    d = 33
    query = rng.standard_normal((1, d))
    query /= np.linalg.norm(query)
    across = rng.standard_normal((400, d))
    across -= across @ query.T * query
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    edge = (2**19 + 0.5) / 2**20
    documents = edge * query + np.sqrt(1 - edge**2) * across  # float64: all at the edge
    keys = np.arange(400, dtype=np.uint64)

    def search(chunk: int) -> Hits:
        return top_k(
            query, documents, k=400, similarity="cosine", tie_keys=keys, document_chunk=chunk
        )

    whole, chunked = search(400), search(document_chunk)
    assert len(np.unique(whole.scores)) == 2  # the edge runs through them
    np.testing.assert_array_equal(whole.indices, chunked.indices)
    np.testing.assert_array_equal(whole.scores, chunked.scores)


def test_hamming_is_a_whole_number_for_every_pair() -> None:
    rng = np.random.default_rng(9)
    documents = some_rows(rng, "bits", 300, 1001)
    keys = np.arange(300, dtype=np.uint64)

    hits = top_k(documents[:5], documents, k=300, similarity="hamming", tie_keys=keys)

    differing = (documents[:5, None] != documents[hits.indices]).sum(axis=2)
    np.testing.assert_array_equal(hits.scores, -differing)


def test_a_coordinate_that_is_no_number_is_refused_under_hamming() -> None:
    documents = np.ones((5, 3), dtype=np.float32)
    documents[3, 1] = np.nan
    with pytest.raises(BrokenPromise, match="the vector of document 3 holds NaN or infinity"):
        top_k(
            documents[:1],
            documents,
            k=1,
            similarity="hamming",
            tie_keys=np.arange(5, dtype=np.uint64),
            document_chunk=2,
        )


def test_tie_keys_are_made_of_any_sequence_of_ids() -> None:
    ids = [f"d{i}" for i in range(20_000)]
    keys = tie_keys(ids, 3)
    assert keys[[0, 8191, 8192, 19_999]].tolist() == [
        tie_keys([ids[place]], 3)[0] for place in (0, 8191, 8192, 19_999)
    ]


def test_without_faiss_its_backend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # what Python takes for not installed
    documents = np.eye(2, dtype=np.float32)
    with pytest.raises(BadParameter, match=r"pip install 'v2t-bench\[faiss\]'"):
        top_k(
            documents,
            documents,
            k=1,
            similarity="cosine",
            tie_keys=np.arange(2, dtype=np.uint64),
            backend="faiss",
        )


def test_an_unknown_backend_is_refused() -> None:
    documents = np.eye(2, dtype=np.float32)
    backend: Any = "annoy"
    with pytest.raises(BadParameter, match="no backend 'annoy'; known: torch, faiss"):
        top_k(
            documents,
            documents,
            k=1,
            similarity="cosine",
            tie_keys=np.arange(2, dtype=np.uint64),
            backend=backend,
        )
