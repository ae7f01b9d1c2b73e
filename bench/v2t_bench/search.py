"""Exact retrieval in chunks, with ties broken by a seeded key.

Defenses that quantise make many documents score exactly the same, and ranking
those by position or by name moves NDCG by several points. Here the order of equal
scores is decided by a key for each document that depends on nothing but its id
and a seed, so the result is the same for every chunk size, order and device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BadParameter, BrokenPromise

if TYPE_CHECKING:
    import torch

Similarity = Literal["cosine", "dot", "euclidean", "hamming"]
Vectors = NDArray[Any]
"""Vectors in rows: float32, or what widens to float64 exactly; may be memory-mapped."""

STEPS = 2**20
"""Scores are rounded to this many steps between 0 and the largest one possible.

The scores themselves are computed in float64: rounding float32 ones would still let
the low bits of BLAS, which differ by position, carry one of two identical vectors
over the edge of a step in some 6% of cases; in float64 that is one in 10^9, for a
product that takes 2.5 times as long on a CPU. The steps are as wide as they are
(10^-6) so that one text embedded in two batches, whose scores differ by about
10^-7, mostly ties with itself.
"""

RANKS = 2**32
"""One float64 holds a rounded score and a document's rank by tie key: 2^20 * 2^32 < 2^53."""

TIE_DEPTH = 10
"""The depth at which ties are counted: that of NDCG@10."""


@dataclass(frozen=True)
class Hits:
    """What a search found.

    Args:
        indices: Rows of the documents, best first, (n_q, k) int64; -1 where there
            are fewer than k documents.
        scores: Their rounded similarities, (n_q, k) float32, higher is closer;
            -inf where the index is -1. Euclidean and Hamming ones are distances times -1.
        tie_rate: Share of queries, 0-1, for which two neighbours in the ranking
            have equal scores between ranks 1 and 11: there the tie key decides
            what stands in the top 10 or in which order.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    tie_rate: float


def tie_keys(doc_ids: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """Return a key for each document from sha256 of seed and id alone, (n_docs,)."""
    digests = (
        hashlib.sha256(f"{seed}:{doc_id}".encode("utf-8", "surrogatepass")).digest()
        for doc_id in doc_ids
    )
    first_eight = (int.from_bytes(digest[:8], "big") for digest in digests)
    return np.fromiter(first_eight, dtype=np.uint64, count=len(doc_ids))


def tie_keys_trec(doc_ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return keys that break ties as trec_eval and BEIR do: by id, descending.

    Only for comparison with them, since names then decide the score; (n_docs,).
    """
    encoded = [doc_id.encode("utf-8", "surrogatepass") for doc_id in doc_ids]  # strcmp sees bytes
    descending = sorted(range(len(encoded)), key=encoded.__getitem__, reverse=True)
    keys = np.empty(len(encoded), dtype=np.uint64)
    keys[descending] = np.arange(len(encoded), dtype=np.uint64)
    return keys


def top_k(
    queries: Vectors,
    documents: Vectors,
    *,
    k: int,
    similarity: Similarity,
    tie_keys: NDArray[np.uint64],
    exclude: Sequence[int | None] | None = None,
    device: str = "cpu",
    query_chunk: int = 512,
    document_chunk: int = 8192,
) -> Hits:
    """Return the k documents closest to each query, exactly.

    Documents are ranked by score, highest first, then by tie key, lowest first.
    Scores are rounded before they are ranked: to 2^-20 for cosine, to 2^-20 of
    ``|q| * max |d|`` for dot and, squared, of ``(|q| + max |d|)^2`` for euclidean.
    Closer scores tie. Under cosine a zero vector scores 0 with everything. Under hamming
    only the sign of a coordinate counts, and what is not above 0 counts as negative.

    Documents are read twice, in chunks, so they may be memory-mapped; at most
    `query_chunk` x `document_chunk` scores (8 bytes each) exist at a time.

    Args:
        queries: (n_q, d).
        documents: (n_docs, d); fewer than 2^32.
        k: How many documents to return for each query.
        similarity: What closeness is.
        tie_keys: One for each document, all different, (n_docs,); see `tie_keys`.
        exclude: For each query the row of a document to leave out, or None.
        device: Where the products are computed. "mps" has no float64: cpu is used.
        query_chunk: Queries at a time; changes memory and speed, not results.
        document_chunk: Documents at a time; likewise.

    Raises:
        BrokenPromise: a vector holds NaN or infinity, the shapes do not fit, or
            two tie keys are equal.
        BadParameter: k or a chunk size is below 1, or the similarity is unknown.
    """
    import torch

    _check(queries, documents, k, similarity, query_chunk, document_chunk)
    by_rank, ranks = _ranks(tie_keys, len(documents))
    left_out = _left_out(exclude, len(queries), len(documents))
    query_norms = _norms(queries, query_chunk, "query")
    document_norms = _norms(documents, document_chunk, "document")
    largest = float(document_norms.max(initial=0.0))

    place = torch.device("cpu" if device.startswith("mps") else device)
    # Ties are counted to rank 11 even when fewer documents are asked for.
    depth = max(k, TIE_DEPTH + 1)
    best = torch.full((len(queries), depth), -torch.inf, dtype=torch.float64, device=place)
    for docs in _slices(len(documents), document_chunk):
        right = _document_side(documents[docs], document_norms[docs], similarity)
        right_there = torch.from_numpy(right).to(place)  # (bd, d')
        bonus = torch.from_numpy(RANKS - 1.0 - ranks[docs]).to(place)  # (bd,)
        for rows in _slices(len(queries), query_chunk):
            left = _query_side(queries[rows], query_norms[rows], largest, similarity)
            sums = torch.from_numpy(left).to(place) @ right_there.T  # (bq, bd), -1 to 1
            # All sums are now different, so topk, which is unstable on ties, is exact.
            sums.mul_(STEPS).round_().mul_(RANKS).add_(bonus)
            _leave_out(sums, left_out[rows], docs)
            found = sums.topk(min(depth, sums.shape[1]), dim=1).values
            best[rows] = torch.cat([best[rows], found], dim=1).topk(depth, dim=1).values
    dim = documents.shape[1]
    return _hits(best.cpu().numpy(), k, by_rank, similarity, query_norms, largest, dim)


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _check(
    queries: Vectors,
    documents: Vectors,
    k: int,
    similarity: str,
    query_chunk: int,
    document_chunk: int,
) -> None:
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
        raise BrokenPromise(
            f"queries of shape {queries.shape} cannot be compared with documents of shape "
            f"{documents.shape}; expected (n_q, d) and (n_docs, d)"
        )
    if similarity not in get_args(Similarity):
        known = ", ".join(get_args(Similarity))
        raise BadParameter(f"no similarity {similarity!r}; known: {known}")
    for name, size in (("k", k), ("query_chunk", query_chunk), ("document_chunk", document_chunk)):
        if size < 1:
            raise BadParameter(f"{name} is {size}; expected at least 1")


def _ranks(keys: NDArray[np.uint64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return documents in the order of their keys, and each one's place in it."""
    if keys.shape != (n,) or keys.dtype != np.uint64:
        raise BrokenPromise(
            f"tie keys are {keys.dtype} of shape {keys.shape}; expected uint64 of shape ({n},)"
        )
    if n >= RANKS:
        raise BrokenPromise(f"{n} documents are too many to search at once; expected below 2^32")
    by_rank = np.argsort(keys).astype(np.int64)
    if np.any(np.diff(keys[by_rank]) == 0):
        raise BrokenPromise("two documents have the same tie key; document ids must be different")
    ranks = np.empty(n, dtype=np.int64)
    ranks[by_rank] = np.arange(n)
    return by_rank, ranks


def _left_out(
    exclude: Sequence[int | None] | None, n_queries: int, n_documents: int
) -> NDArray[np.int64]:
    """Return the document to leave out for each query, -1 for none, (n_q,)."""
    if exclude is None:
        return np.full(n_queries, -1, dtype=np.int64)
    if len(exclude) != n_queries:
        raise BrokenPromise(f"exclude has {len(exclude)} entries for {n_queries} queries")
    for document in exclude:
        if document is not None and not 0 <= document < n_documents:
            raise BrokenPromise(f"exclude names document {document} of {n_documents}")
    return np.array([-1 if document is None else document for document in exclude], dtype=np.int64)


def _leave_out(sums: torch.Tensor, left_out: NDArray[np.int64], docs: slice) -> None:
    for row in np.flatnonzero((left_out >= docs.start) & (left_out < docs.stop)):
        sums[int(row), int(left_out[row]) - docs.start] = -float("inf")


def _norms(vectors: Vectors, chunk: int, kind: str) -> NDArray[np.float64]:
    """Return the length of each row, (n,), having seen that all are finite."""
    norms = np.zeros(len(vectors), dtype=np.float64)
    for rows in _slices(len(vectors), chunk):
        block = np.array(vectors[rows], dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            raise BrokenPromise(
                f"the vector of {kind} {rows.start + bad[0]} holds NaN or infinity; "
                "an embedder or defense must return finite numbers"
            )
        norms[rows] = np.sqrt(np.einsum("nd,nd->n", block, block))
    return norms


def _query_side(
    block: Vectors, norms: NDArray[np.float64], largest: float, similarity: Similarity
) -> NDArray[np.float64]:
    """Return rows whose products with `_document_side` are the scores, -1 to 1."""
    rows = np.array(block, dtype=np.float64)
    if similarity == "euclidean":
        # -|q - d|^2 = 2 q.d - |q|^2 - |d|^2, as one product of longer vectors.
        ones = np.ones_like(norms)
        longer = np.column_stack([2 * rows, -(norms**2), -ones])  # (bq, d + 2)
        return longer / _or_one((norms + largest) ** 2)[:, None]
    if similarity == "hamming":
        return _signs(rows)
    scale = norms if similarity == "cosine" else norms * largest
    return rows / _or_one(scale)[:, None]


def _document_side(
    block: Vectors, norms: NDArray[np.float64], similarity: Similarity
) -> NDArray[np.float64]:
    """Return rows whose products with `_query_side` are the scores, -1 to 1."""
    rows = np.array(block, dtype=np.float64)
    if similarity == "euclidean":
        return np.column_stack([rows, np.ones_like(norms), norms**2])  # (bd, d + 2)
    if similarity == "hamming":
        signs: NDArray[np.float64] = _signs(rows) / max(rows.shape[1], 1)
        return signs
    return rows / _or_one(norms)[:, None] if similarity == "cosine" else rows


def _signs(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where a coordinate is above 0 and -1 elsewhere: d - 2 x distance is a product."""
    signs: NDArray[np.float64] = np.where(rows > 0, 1.0, -1.0)
    return signs


def _or_one(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scale with 1 for 0: a zero vector scores 0, not NaN."""
    return np.where(scale == 0, 1.0, scale)


def _hits(
    best: NDArray[np.float64],
    k: int,
    by_rank: NDArray[np.int64],
    similarity: Similarity,
    query_norms: NDArray[np.float64],
    largest: float,
    dim: int,
) -> Hits:
    """Take the sums of score and rank, (n_q, depth), apart again."""
    found = np.isfinite(best)
    sums = np.where(found, best, 0.0)
    steps = np.floor(sums / RANKS)
    ranks = (RANKS - 1.0 - (sums - steps * RANKS)).astype(np.int64)
    indices = np.full(best.shape, -1, dtype=np.int64)
    indices[found] = by_rank[ranks[found]]

    scores = steps / STEPS
    if similarity == "dot":
        scores *= (query_norms * largest)[:, None]
    elif similarity == "euclidean":
        scores = 0.0 - np.sqrt(np.maximum(-scores, 0.0)) * (query_norms + largest)[:, None]
    elif similarity == "hamming":
        scores = np.rint((scores - 1.0) * dim / 2)  # steps are finer than a coordinate
    scores = np.where(found, scores, -np.inf)

    top = steps[:, : TIE_DEPTH + 1]
    tied = (top[:, 1:] == top[:, :-1]) & found[:, 1 : TIE_DEPTH + 1]  # (n_q, 10)
    tie_rate = float(tied.any(axis=1).mean()) if len(best) else 0.0
    return Hits(indices[:, :k], scores[:, :k].astype(np.float32), tie_rate)
