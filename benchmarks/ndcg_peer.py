"""NDCG@10 of ours and of the beir package on the same vectors, and the time both took.

``python benchmarks/ndcg_peer.py FOLDER [FOLDER ...]``: folders in BEIR's layout, embedded
with minilm through the vector cache. Ours is printed twice: with trec_eval's tie rule,
which beir uses and where both must agree to 1e-4, and with the seeded key that the
leaderboards use.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from v2t_bench.contracts import BuildContext, Embedder, Vectors
from v2t_bench.corpora.beir import read_beir
from v2t_bench.corpora.records import Corpus
from v2t_bench.environment import cache_folder
from v2t_bench.errors import V2TError
from v2t_bench.pieces import prepare
from v2t_bench.registry import discover
from v2t_bench.scoring.ndcg import ndcg_at_10
from v2t_bench.search import tie_keys, tie_keys_trec, top_k
from v2t_bench.vectors import VectorCache


class Stored:
    """What beir asks of a model: it hands back vectors that are already there."""

    def __init__(self, queries: Vectors, documents: dict[str, Vectors]) -> None:
        self.queries = queries
        self.documents = documents

    def encode_queries(self, texts: list[str], **more: Any) -> Vectors:
        """Return the vectors of all queries, in order."""
        return self.queries[: len(texts)]

    def encode_corpus(self, corpus: list[dict[str, str]], **more: Any) -> Vectors:
        """Return the vectors of documents, found by the id that stands in the title."""
        return np.stack([self.documents[document["title"]] for document in corpus])


def beir_ndcg(corpus: Corpus, ids: list[str], queries: Vectors, documents: Vectors) -> float:
    """Return NDCG@10 as the beir package computes it."""
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    model = Stored(queries, dict(zip(ids, documents, strict=True)))
    search = DenseRetrievalExactSearch(model, batch_size=1024, corpus_chunk_size=50_000)
    evaluator = EvaluateRetrieval(search, k_values=[10], score_function="cos_sim")
    texts = {name: {"title": name, "text": "x"} for name in ids}
    found = evaluator.retrieve(texts, dict.fromkeys(corpus.queries, "x"))
    judged = {query: dict(grades) for query, grades in corpus.judgements.items()}
    same = corpus.queries_are_documents
    return float(evaluator.evaluate(judged, found, [10], ignore_identical_ids=same)[0]["NDCG@10"])


def our_ndcg(
    corpus: Corpus, ids: list[str], queries: Vectors, documents: Vectors, keys: Any
) -> float:
    """Return NDCG@10 as the harness computes it, with the given tie keys."""
    hits = top_k(queries, documents, k=11, similarity="cosine", tie_keys=keys)
    ranking = {}
    for query, row in zip(corpus.queries, hits.indices, strict=True):
        found = [ids[place] for place in row if place >= 0]
        if corpus.queries_are_documents:
            found = [name for name in found if name != query]
        ranking[query] = found[:10]
    return mean(ndcg_at_10(ranking, corpus.judgements).values())


def compare(folder: Path) -> None:
    """Print one line for one collection."""
    registry = discover()

    def build(kind: Any, spelling: Any) -> Any:
        return registry.build(kind, spelling, context)

    context = BuildContext(build=build, offline=True)
    embedder: Embedder = registry.build("embedders", "minilm", context)
    corpus = read_beir(folder)
    prepared = prepare(corpus, embedder, track="cut", max_tokens=32)
    cache = VectorCache(cache_folder() / "vectors")
    documents = cache.vectors(embedder, prepared.pieces, "document")
    queries = cache.vectors(embedder, prepared.queries, "query")
    ids = [document.id for document in corpus.documents]
    started = time.perf_counter()
    trec = our_ndcg(corpus, ids, queries, documents, tie_keys_trec(ids))
    ours = time.perf_counter() - started
    theirs_value = beir_ndcg(corpus, ids, queries, documents)
    theirs = time.perf_counter() - started - ours
    seeded = our_ndcg(corpus, ids, queries, documents, tie_keys(ids, 0))
    print(
        f"{corpus.name}: beir {theirs_value:.5f} in {theirs:.1f} s, ours under its tie rule "
        f"{trec:.5f} in {ours:.1f} s (difference {abs(trec - theirs_value):.1e}), "
        f"ours with seeded ties {seeded:.5f}"
    )


def main() -> None:
    """Print one line a collection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    logging.disable(logging.INFO)
    for folder in parser.parse_args().folders:
        try:
            compare(folder)
        except V2TError as error:
            parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
