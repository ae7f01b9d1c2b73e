"""The collections that tests may read: NDCG@10 as pytrec_eval has it on the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from v2t_bench.contracts import BuildContext, Embedder, Vectors
from v2t_bench.corpora.beir import read_beir
from v2t_bench.corpora.records import Corpus, ids_of
from v2t_bench.pieces import Prepared, Track, prepare
from v2t_bench.ranking import rank_documents
from v2t_bench.registry import Registry
from v2t_bench.scoring.ndcg import ndcg_at_10
from v2t_bench.search import tie_keys_trec
from v2t_bench.search.scores import STEPS

FOLDERS = (
    "arguana", "cranfield", "medquad-liveqa", "medquad-qa", "msmarco-dl19-dl20", "mtsamples-desc",
    "nfcorpus", "nq", "scifact",
)  # fmt: skip


def by_pytrec_eval(
    corpus: Corpus, prepared: Prepared, queries: Vectors, pieces: Vectors
) -> dict[str, float]:
    """Rank by the whole table of cosines, a document by its best piece, ties as trec_eval breaks
    them; of each query what scores below its fiftieth is left out, ties with that are not."""
    ids = list(ids_of(corpus.documents))
    firsts = np.flatnonzero(np.diff(prepared.owner, prepend=-1))
    left = queries.astype(np.float64)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    right = pieces.astype(np.float64)
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-300)
    run: dict[str, dict[str, float]] = {}
    for query, row in zip(prepared.query_ids, left, strict=True):
        scores = np.rint(np.maximum.reduceat(right @ row, firsts) * STEPS)
        kept = np.flatnonzero(scores >= np.sort(scores)[-50:][0])
        run[query] = {ids[place]: float(scores[place]) for place in kept}
        if corpus.queries_are_documents:
            run[query].pop(query, None)
    judged = {query: dict(grades) for query, grades in prepared.judgements.items()}
    found = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}).evaluate(run)
    return {query: measured["ndcg_cut_10"] for query, measured in found.items()}


CHEAP = {("cut", name) for name in FOLDERS} | {
    ("chunks", name) for name in ("cranfield", "medquad-liveqa", "nfcorpus")
}


@pytest.mark.data
@pytest.mark.parametrize(
    ("track", "name"),
    [
        pytest.param(track, name, marks=[] if (track, name) in CHEAP else pytest.mark.slow)
        for track in ("cut", "chunks")
        for name in FOLDERS
    ],
)
def test_ndcg_of_a_public_collection_is_that_of_pytrec_eval(
    track: Track, name: str, shared_data: Path, registry: Registry, context: BuildContext
) -> None:
    corpus = read_beir(shared_data / "ir" / name)
    embedder: Embedder = registry.build("embedders", "hashed", context)
    prepared = prepare(corpus, embedder, track=track, max_tokens=32)
    # A sample of the queries: the whole table is computed for each.
    rows = np.linspace(0, len(prepared.queries) - 1, min(len(prepared.queries), 60)).astype(int)
    queries = embedder.embed([prepared.queries[row] for row in rows], "query")
    pieces = embedder.embed(list(prepared.pieces), "document")
    asked = [prepared.query_ids[row] for row in rows]
    sampled = Prepared(
        piece_ids=prepared.piece_ids,
        pieces=prepared.pieces,
        owner=prepared.owner,
        query_ids=tuple(asked),
        queries=tuple(prepared.queries[row] for row in rows),
        judgements={query: prepared.judgements[query] for query in asked},
        n_cut_documents=prepared.n_cut_documents,
        n_cut_queries=prepared.n_cut_queries,
    )
    ids = ids_of(corpus.documents)
    ranking, _ = rank_documents(
        sampled,
        ids,
        queries=queries,
        pieces=pieces,
        similarity="cosine",
        keys=tie_keys_trec(ids),
        queries_are_documents=corpus.queries_are_documents,
    )
    ours = ndcg_at_10(ranking, sampled.judgements)
    theirs = by_pytrec_eval(corpus, sampled, queries, pieces)
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert sum(ours.values()) > 0
