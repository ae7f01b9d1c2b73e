"""Rank documents by their pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Similarity, Vectors
from v2t_bench.pieces import Prepared
from v2t_bench.scoring.ndcg import DEPTH
from v2t_bench.search import top_k


def rank_documents(
    prepared: Prepared,
    ids: Sequence[str],
    *,
    queries: Vectors,
    pieces: Vectors,
    similarity: Similarity,
    keys: NDArray[np.uint64],
    queries_are_documents: bool = False,
    device: str = "cpu",
) -> tuple[dict[str, list[str]], float]:
    """Return the first ten documents of each query, best first, and the tie rate.

    A document scores as its best piece.

    Args:
        prepared: Which document each piece is from.
        ids: Of the documents.
        queries, pieces: What is compared, (n_q, d) and (n, d).
        similarity: How.
        keys: Of the documents: of equal scores the lower one stands first, (n_documents,).
        queries_are_documents: Whether a query's own id is left out of its ranking.
        device: As torch spells it.
    """
    owner = prepared.owner
    # Ten documents, and the query's own if it is one, lie among so many pieces.
    most = int(np.bincount(owner, minlength=1).max()) if len(owner) else 1
    wanted = DEPTH + int(queries_are_documents)
    hits = top_k(
        queries,
        pieces,
        k=min(len(owner), (wanted - 1) * most + 1),
        similarity=similarity,
        tie_keys=_piece_keys(keys, owner),
        device=device,
    )
    ranking: dict[str, list[str]] = {}
    for query, row in zip(prepared.query_ids, hits.indices, strict=True):
        found = dict.fromkeys(ids[int(owner[piece])] for piece in row if piece >= 0)
        if queries_are_documents:
            found.pop(query, None)
        ranking[query] = list(found)[:DEPTH]
    return ranking, hits.tie_rate


def _piece_keys(document_keys: NDArray[np.uint64], owner: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return one distinct key a piece, ordered by its document's key and then by place."""
    order = np.lexsort((np.arange(len(owner)), document_keys[owner]))
    keys = np.empty(len(owner), np.uint64)
    keys[order] = np.arange(len(owner), dtype=np.uint64)
    return keys
