"""Exact retrieval in blocks, with ties broken by a seeded key.

Defenses that quantise make many documents score exactly the same, and ranking
those by position or by name moves NDCG by several points. Here the order of equal
scores is decided by a key for each document that depends on nothing but its id
and a seed, so the result is the same for every chunk size, order and device.

A float32 product of a block tells which documents might be among the best at all; only those
are scored in float64 and ranked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BadParameter, BrokenPromise
from v2t_bench.search.best import Best
from v2t_bench.search.blocks import Search, slices
from v2t_bench.search.nearby import Backend, ByTorch, by_faiss
from v2t_bench.search.scores import STEPS, Scale, Similarity, Vectors, lengths
from v2t_bench.search.ties import RANKS, TieOrder, tie_keys, tie_keys_trec

__all__ = ["Hits", "Similarity", "Vectors", "tie_keys", "tie_keys_trec", "top_k"]

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
    document_chunk: int = 2048,
    backend: Backend = "torch",
) -> Hits:
    """Return the k documents closest to each query, exactly.

    Documents are ranked by score, highest first, then by tie key, lowest first.
    Scores are rounded before they are ranked: to 2^-20 for cosine, to 2^-20 of
    ``|q| * max |d|`` for dot and, squared, of ``(|q| + max |d|)^2`` for euclidean.
    Closer scores tie. Under cosine a zero vector scores 0 with everything. Under hamming
    only the sign of a coordinate counts, and what is not above 0 counts as negative.

    Documents may be memory-mapped: at most `document_chunk` of them are in memory, with
    `query_chunk` x `document_chunk` scores (4 bytes each). They are read once, and once more
    for the length of the longest where the similarity needs it (dot, euclidean).

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
        backend: What looks through a block in float32; likewise. "faiss" runs on the CPU
            whatever the device and needs the extra of that name.

    Raises:
        BrokenPromise: a vector holds NaN or infinity, the shapes do not fit, or
            two tie keys are equal.
        BadParameter: k or a chunk size is below 1, the similarity or the backend is unknown,
            or faiss is not installed.
    """
    import torch

    _check(queries, documents, k, similarity, backend)
    _check_sizes(k=k, query_chunk=query_chunk, document_chunk=document_chunk)
    order = TieOrder(tie_keys, len(documents))
    left_out = _left_out(exclude, len(queries), len(documents))
    query_lengths = _all_lengths(queries, query_chunk, "query")
    largest = 0.0
    if similarity in ("dot", "euclidean"):
        largest = float(_all_lengths(documents, document_chunk, "document").max(initial=0.0))

    on_cpu = device.startswith("mps") or backend == "faiss"
    search = Search(
        queries=queries,
        scale=Scale(similarity, largest),
        order=order,
        left_out=left_out,
        # Ties are counted to rank 11 even when fewer documents are asked for.
        best=Best(len(queries), max(k, TIE_DEPTH + 1)),
        place=torch.device("cpu" if on_cpu else device),
        look=by_faiss if backend == "faiss" else ByTorch(),
        query_chunk=query_chunk,
    )
    search.run(documents, document_chunk)
    return _hits(search.best, k, search.scale, query_lengths, documents.shape[1])


def _all_lengths(vectors: Vectors, chunk: int, kind: str) -> NDArray[np.float64]:
    """Return the length of each row, (n,), having seen that all are finite."""
    parts = [lengths(vectors[rows], kind, rows.start) for rows in slices(len(vectors), chunk)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _check(queries: Vectors, documents: Vectors, k: int, similarity: str, backend: str) -> None:
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
        raise BrokenPromise(
            f"queries of shape {queries.shape} cannot be compared with documents of shape "
            f"{documents.shape}; expected (n_q, d) and (n_docs, d)"
        )
    for kind, given, all_known in (
        ("similarity", similarity, get_args(Similarity)),
        ("backend", backend, get_args(Backend)),
    ):
        if given not in all_known:
            raise BadParameter(f"no {kind} {given!r}; known: {', '.join(all_known)}")


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise BadParameter(f"{name} is {size}; expected at least 1")


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


def _hits(best: Best, k: int, scale: Scale, query_lengths: NDArray[np.float64], dim: int) -> Hits:
    """Take the sums of score and rank apart again."""
    sums, indices = best.ranked()
    found = np.isfinite(sums)
    steps = np.floor(np.where(found, sums, 0.0) / RANKS)
    scores = steps / STEPS
    if scale.similarity == "dot":
        scores *= (query_lengths * scale.largest)[:, None]
    elif scale.similarity == "euclidean":
        longest = (query_lengths + scale.largest)[:, None]
        scores = 0.0 - np.sqrt(np.maximum(-scores, 0.0)) * longest
    elif scale.similarity == "hamming":
        scores = np.rint((scores - 1.0) * dim / 2)  # steps are finer than a coordinate
    scores = np.where(found, scores, -np.inf)

    top = steps[:, : TIE_DEPTH + 1]
    tied = (top[:, 1:] == top[:, :-1]) & found[:, 1 : TIE_DEPTH + 1]  # (n_q, 10)
    tie_rate = float(tied.any(axis=1).mean()) if len(sums) else 0.0
    return Hits(indices[:, :k], scores[:, :k].astype(np.float32), tie_rate)
