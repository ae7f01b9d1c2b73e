"""Search: brute force in integers, BEIR, and the traps that ties set."""

import hashlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from v2t_bench.errors import BadParameter, BrokenPromise
from v2t_bench.scoring.ndcg import ndcg_at_10
from v2t_bench.search import Hits, Similarity, tie_keys, tie_keys_trec, top_k

if TYPE_CHECKING:
    import torch

Rows = NDArray[np.float32]
World = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint64]]

SIMILARITIES: tuple[Similarity, ...] = ("cosine", "dot", "euclidean", "hamming")


def one_bit(seed: int, n: int, d: int = 8) -> NDArray[np.float32]:
    signs = np.random.default_rng(seed).integers(0, 2, size=(n, d)) * 2 - 1
    return signs.astype(np.float32)


def search(queries: Rows, documents: Rows, **settings: Any) -> Hits:
    """Search with the settings that most tests do not care about filled in."""
    usual: dict[str, Any] = {
        "k": 10,
        "similarity": "cosine",
        "tie_keys": tie_keys([f"d{i}" for i in range(len(documents))], seed=0),
    }
    return top_k(queries, documents, **usual | settings)


def brute_force(
    queries: Rows, documents: Rows, keys: NDArray[Any], k: int, similarity: Similarity
) -> NDArray[np.int64]:
    """Rank by exact integers; cosine only for vectors of equal length."""
    q, d = queries.astype(np.int64), documents.astype(np.int64)
    if similarity == "euclidean":
        scores = -((q[:, None, :] - d[None, :, :]) ** 2).sum(axis=2)
    elif similarity == "hamming":
        scores = -((q[:, None, :] > 0) != (d[None, :, :] > 0)).sum(axis=2)
    else:
        scores = q @ d.T
    return np.array([np.lexsort((keys, -row))[:k] for row in scores])


integers = st.integers(-3, 3).map(np.float32)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Few coordinates of few values, so that most scores tie."""
    n_queries, n_documents = draw(st.integers(1, 4)), draw(st.integers(1, 30))
    queries = draw(arrays(np.float32, (n_queries, 3), elements=integers))
    documents = draw(arrays(np.float32, (n_documents, 3), elements=integers))
    keys = draw(st.permutations([7 * i for i in range(n_documents)]))
    return queries, documents, np.array(keys, dtype=np.uint64)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(1, 14), st.sampled_from(["dot", "euclidean", "hamming"]))
def test_equals_a_full_sort_by_score_then_key(world: World, k: int, similarity: Similarity) -> None:
    queries, documents, keys = world
    k = min(k, len(documents))

    hits = search(queries, documents, k=k, similarity=similarity, tie_keys=keys)

    expected = brute_force(queries, documents, keys, k, similarity)
    np.testing.assert_array_equal(hits.indices, expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20))
def test_one_bit_vectors_rank_by_key_among_equals_under_cosine(seed: int, k: int) -> None:
    queries, documents = one_bit(seed, 3), one_bit(seed + 1, 40)
    keys = tie_keys([f"d{i}" for i in range(40)], seed)

    hits = search(queries, documents, k=k, tie_keys=keys)

    expected = brute_force(queries, documents, keys, k, "cosine")
    np.testing.assert_array_equal(hits.indices, expected)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.sampled_from(SIMILARITIES), st.integers(1, 5), st.integers(1, 7))
def test_chunk_sizes_change_nothing(
    world: World, similarity: Similarity, some: int, few: int
) -> None:
    queries, documents, keys = world

    whole = search(queries, documents, similarity=similarity, tie_keys=keys)
    chunked = search(
        queries,
        documents,
        similarity=similarity,
        tie_keys=keys,
        query_chunk=some,
        document_chunk=few,
    )

    np.testing.assert_array_equal(whole.indices, chunked.indices)
    np.testing.assert_array_equal(whole.scores, chunked.scores)
    assert whole.tie_rate == chunked.tie_rate


@settings(max_examples=25, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_documents_changes_nothing(world: World, dice: random.Random) -> None:
    queries, documents, keys = world
    moved = list(range(len(documents)))
    dice.shuffle(moved)
    k = len(documents)

    before = search(queries, documents, k=k, tie_keys=keys).indices
    after = search(queries, documents[moved], k=k, tie_keys=keys[moved]).indices

    np.testing.assert_array_equal(before, np.array(moved)[after])


def test_renaming_documents_of_one_bit_vectors_leaves_ndcg_unbiased() -> None:
    """By trec_eval's rule the names alone would move it from the worst to the best order.

    The two namings draw different keys, so the numbers differ by chance only.
    """
    queries, documents = one_bit(1, 400), one_bit(2, 300)
    relevant = brute_force(queries, documents, np.arange(300), 1, "cosine")[:, 0]
    is_relevant = np.isin(np.arange(300), np.random.default_rng(3).choice(300, 100, replace=False))
    low = [f"{'a' if is_relevant[i] else 'z'}{i}" for i in range(300)]
    high = [f"{'z' if is_relevant[i] else 'a'}{i}" for i in range(300)]
    asked = np.flatnonzero(is_relevant[relevant])  # queries whose best document is one renamed

    def ndcg(names: list[str], keys: NDArray[np.uint64]) -> float:
        found = search(queries[asked], documents, tie_keys=keys).indices
        ranking = {f"q{i}": [names[j] for j in row] for i, row in zip(asked, found, strict=True)}
        judged = {f"q{i}": {names[relevant[i]]: 1} for i in asked}
        return float(np.mean(list(ndcg_at_10(ranking, judged).values())))

    by_name = ndcg(high, tie_keys_trec(high)) - ndcg(low, tie_keys_trec(low))
    seeds = range(8)
    by_key = np.mean([ndcg(high, tie_keys(high, s)) - ndcg(low, tie_keys(low, s)) for s in seeds])
    assert by_name > 0.05  # the trap is there
    assert abs(by_key) < by_name / 5


def test_renaming_documents_under_the_same_keys_leaves_ndcg_unchanged() -> None:
    queries, documents = one_bit(1, 30), one_bit(2, 200)
    keys = tie_keys([str(i) for i in range(200)], seed=0)
    found = search(queries, documents, tie_keys=keys).indices

    def ndcg(names: list[str]) -> list[float]:
        ranking = {f"q{i}": [names[j] for j in row] for i, row in enumerate(found)}
        judged = {f"q{i}": {names[i]: 1, names[row[3]]: 2} for i, row in enumerate(found)}
        return list(ndcg_at_10(ranking, judged).values())

    assert ndcg([f"a{i:03}" for i in range(200)]) == ndcg([f"z{999 - i}" for i in range(200)])


class Integers:
    """An encoder for BEIR whose products are exact, so that ties are ties there too."""

    def __init__(self, queries: NDArray[np.float32], documents: NDArray[np.float32]) -> None:
        self.queries, self.documents = queries, documents

    def encode_queries(self, queries: list[str], **_: object) -> "torch.Tensor":
        import torch

        return torch.from_numpy(self.queries[[int(query) for query in queries]])

    def encode_corpus(self, corpus: list[dict[str, str]], **_: object) -> "torch.Tensor":
        import torch

        return torch.from_numpy(self.documents[[int(document["text"]) for document in corpus]])


def test_equals_beir_s_exact_search_and_ndcg_under_its_tie_rule() -> None:
    """BEIR 2.2.0 over a corpus of 1-bit vectors, nearly all of which tie."""
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense.exact_search import DenseRetrievalExactSearch

    queries, documents = one_bit(5, 12), one_bit(6, 150)
    names = [f"doc-{i}" for i in np.random.default_rng(8).permutation(150)]
    rng = np.random.default_rng(9)
    judged = {
        f"q{i}": {names[j]: int(rng.integers(1, 3)) for j in rng.choice(150, 30, replace=False)}
        for i in range(12)
    }
    search_exactly = DenseRetrievalExactSearch(Integers(queries, documents))
    found = EvaluateRetrieval(search_exactly, score_function="dot").retrieve(
        {name: {"title": "", "text": str(i)} for i, name in enumerate(names)},
        {f"q{i}": str(i) for i in range(12)},
    )
    theirs = EvaluateRetrieval.evaluate(judged, found, [10])[0]["NDCG@10"]

    hits = search(queries, documents, similarity="dot", tie_keys=tie_keys_trec(names))
    ranking = {f"q{i}": [names[j] for j in row] for i, row in enumerate(hits.indices)}
    ours = float(np.mean(list(ndcg_at_10(ranking, judged).values())))

    assert hits.tie_rate > 0.9
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_identical_vectors_tie_wherever_they_stand() -> None:
    rng = np.random.default_rng(4)
    one = rng.standard_normal(257).astype(np.float32)
    documents = rng.standard_normal((301, 257)).astype(np.float32)
    copies = [0, 3, 64, 150, 299, 300]
    documents[copies] = one
    queries = np.tile(one, (20, 1)) + rng.standard_normal((20, 257)).astype(np.float32)

    hits = search(queries, documents, k=6, document_chunk=37)

    assert (hits.scores == hits.scores[:, :1]).all()


def test_ties_that_straddle_the_last_place_go_by_key() -> None:
    documents = np.ones((1000, 4), dtype=np.float32)
    keys = tie_keys([f"d{i}" for i in range(1000)], seed=3)

    hits = search(documents[:1], documents, k=10, tie_keys=keys, document_chunk=64)

    assert hits.indices[0].tolist() == np.argsort(keys)[:10].tolist()


def test_the_tie_rate_is_the_share_of_queries_with_a_tie_at_the_top() -> None:
    # For the first query all differ; for the second documents 0 and 1 are equal.
    documents = np.array([[3, 1], [2, 1], [1, 0]], dtype=np.float32)
    queries = np.array([[1, 0], [0, 1]], dtype=np.float32)

    assert search(queries, documents, k=2, similarity="dot").tie_rate == 0.5


@pytest.mark.parametrize(("equal", "rate"), [((9, 10), 1.0), ((10, 11), 0.0)])
def test_a_tie_counts_as_far_as_it_straddles_rank_10(equal: tuple[int, int], rate: float) -> None:
    values = np.arange(20, 0, -1, dtype=np.float32)  # best first: position 9 is rank 10
    values[equal[1]] = values[equal[0]]

    hits = search(np.ones((1, 1), np.float32), values[:, None], k=1, similarity="dot")

    assert hits.tie_rate == rate


def test_cosine_ignores_length() -> None:
    documents = np.array([[100, 100], [1, 0]], dtype=np.float32)

    hits = search(np.array([[2, 0]], np.float32), documents, k=2)

    assert hits.indices.tolist() == [[1, 0]]
    np.testing.assert_allclose(hits.scores, [[1, np.sqrt(0.5)]], atol=2**-20)


def test_dot_scores_are_products() -> None:
    documents = np.array([[100, 100], [1, 0]], dtype=np.float32)

    hits = search(np.array([[2, 0]], np.float32), documents, k=2, similarity="dot")

    np.testing.assert_allclose(hits.scores, [[200, 2]], atol=2 * 142 * 2**-20)


def test_hamming_scores_are_numbers_of_differing_signs_times_minus_1() -> None:
    documents = np.array([[1, -1, 1], [-1, -1, 1], [-1, 1, -2], [0, -1, 5]], np.float32)
    hits = search(np.array([[3, -4, 2]], np.float32), documents, k=4, similarity="hamming")
    assert hits.scores[0].tolist() == [0, -1, -1, -3]
    assert hits.indices[0, 0] == 0
    assert hits.indices[0, 3] == 2
    assert hits.tie_rate == 1


def test_euclidean_scores_are_distances_times_minus_1() -> None:
    documents = np.array([[3, 4], [0, 0], [6, 8]], dtype=np.float32)

    hits = search(np.array([[3, 4]], np.float32), documents, k=3, similarity="euclidean")

    assert hits.scores[0, 0] == 0
    np.testing.assert_allclose(hits.scores[0, 1:], [-5, -5], rtol=1e-4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_zero_vector_has_a_score(similarity: Similarity) -> None:
    zeros = np.zeros((2, 3), dtype=np.float32)

    assert search(zeros, zeros, k=2, similarity=similarity).scores.tolist() == [[0, 0], [0, 0]]


def test_zero_vectors_score_0_under_cosine() -> None:
    documents = np.array([[0, 0], [-1, 0]], dtype=np.float32)

    hits = search(np.array([[1, 0]], np.float32), documents, k=2)

    assert hits.indices.tolist() == [[0, 1]]
    assert hits.scores.tolist() == [[0, -1]]


def test_an_excluded_document_is_left_out_for_its_query_alone() -> None:
    documents = np.eye(5, dtype=np.float32)

    hits = search(documents[3:], documents, k=5, exclude=[3, None], query_chunk=1, document_chunk=2)

    assert sorted(hits.indices[0].tolist()) == [-1, 0, 1, 2, 4]
    assert sorted(hits.indices[1].tolist()) == [0, 1, 2, 3, 4]


def test_places_without_a_document_hold_minus_1() -> None:
    documents = np.eye(2, dtype=np.float32)

    hits = search(documents[:1], documents, k=4, exclude=[0])

    assert hits.indices.tolist() == [[1, -1, -1, -1]]
    assert hits.scores.tolist() == [[0.0, -np.inf, -np.inf, -np.inf]]


def test_places_without_a_document_are_no_ties() -> None:
    assert search(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)).tie_rate == 0


def test_no_documents_are_no_hits() -> None:
    nothing = np.zeros((0, 3), dtype=np.float32)

    assert search(np.ones((1, 3), np.float32), nothing, k=2).indices.tolist() == [[-1, -1]]


def test_no_queries_are_no_rows() -> None:
    nothing = np.zeros((0, 3), dtype=np.float32)

    assert search(nothing, np.ones((4, 3), np.float32), k=2).indices.shape == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(("place", "kind"), [(0, "query"), (1, "document")])
def test_a_vector_that_is_not_finite_is_refused(bad: float, place: int, kind: str) -> None:
    sides = [np.ones((5, 3), dtype=np.float32), np.ones((5, 3), dtype=np.float32)]
    sides[place][4, 1] = bad

    with pytest.raises(BrokenPromise, match=f"the vector of {kind} 4 holds NaN or infinity"):
        search(sides[0], sides[1], query_chunk=2, document_chunk=2)


def test_equal_tie_keys_are_refused() -> None:
    documents = np.eye(2, dtype=np.float32)

    with pytest.raises(BrokenPromise, match="same tie key"):
        search(documents, documents, tie_keys=tie_keys(["twin", "twin"], 0))


def test_vectors_of_different_width_are_refused() -> None:
    with pytest.raises(BrokenPromise, match="cannot be compared"):
        search(np.ones((1, 3), np.float32), np.ones((1, 4), np.float32))


@pytest.mark.parametrize("name", ["k", "query_chunk", "document_chunk"])
def test_a_size_below_1_is_refused(name: str) -> None:
    documents = np.eye(2, dtype=np.float32)

    with pytest.raises(BadParameter, match=name):
        search(documents, documents, **{name: 0})


def test_an_excluded_document_that_does_not_exist_is_refused() -> None:
    documents = np.eye(2, dtype=np.float32)

    with pytest.raises(BrokenPromise, match="document 2 of 2"):
        search(documents, documents, exclude=[2, None])


def test_memory_mapped_documents_give_the_same_hits(tmp_path: Path) -> None:
    queries, documents = one_bit(1, 5), one_bit(2, 50)
    documents.tofile(tmp_path / "documents")
    on_disk = np.memmap(tmp_path / "documents", dtype=np.float32, mode="r", shape=(50, 8))

    mapped = search(queries, on_disk, document_chunk=16)

    np.testing.assert_array_equal(mapped.indices, search(queries, documents).indices)


def test_a_tie_key_is_the_head_of_a_sha256() -> None:
    expected = int(hashlib.sha256(b"7:a").hexdigest()[:16], 16)

    assert tie_keys(["a", "b"], seed=7)[0] == expected


def test_another_seed_orders_ties_otherwise() -> None:
    ids = [f"d{i}" for i in range(20)]

    assert np.argsort(tie_keys(ids, 0)).tolist() != np.argsort(tie_keys(ids, 1)).tolist()


def test_trec_keys_put_the_last_name_first() -> None:
    ids = ["d9", "d10", "é", "z"]

    # By bytes, as strcmp does: d10 < d9 < z < é.
    assert [ids[i] for i in np.argsort(tie_keys_trec(ids))] == ["é", "z", "d9", "d10"]
