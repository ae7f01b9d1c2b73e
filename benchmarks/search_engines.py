"""What ``search_peer.py`` compares: made vectors in a file, and the engines that search them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Work = Callable[[], float]

DIM = 384
QUERIES = 1000
# Length of the noise over that of the copied document: the copy is as close to a query as the
# closest of a million others is, so that NDCG falls as documents are added.
NOISE = 3.9
CHUNK = 10_000
PEER = "beir"


def write_world(folder: Path, n: int) -> None:
    """Write ``n`` unit vectors, and queries with the documents that they are copies of."""
    rng = np.random.default_rng(0)
    relevant = np.sort(rng.choice(n, min(QUERIES, n), replace=False))
    copied = []
    with (folder / "documents").open("wb") as file:
        for start in range(0, n, CHUNK):
            rows = unit(rng.standard_normal((min(CHUNK, n - start), DIM), dtype=np.float32))
            rows.tofile(file)
            inside = relevant[(relevant >= start) & (relevant < start + len(rows))]
            copied.append(rows[inside - start])
    queries = np.concatenate(copied)
    noise = unit(rng.standard_normal(queries.shape, dtype=np.float32))
    unit(queries + np.float32(NOISE) * noise).tofile(folder / "queries")
    (folder / "relevant.json").write_text(json.dumps(relevant.tolist()))


def unit(rows: Rows) -> Rows:
    """Return rows of length 1."""
    scaled: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


@dataclass(frozen=True)
class World:
    """Mapped documents, and queries with their judgements."""

    documents: Rows
    queries: Rows
    judged: dict[str, dict[str, int]]

    @classmethod
    def read(cls, folder: Path, most: int | None = None) -> World:
        """Return what was written; with ``most`` the first documents and queries alone."""
        mapped = np.memmap(folder / "documents", dtype=np.float32, mode="r").reshape(-1, DIM)
        queries = np.fromfile(folder / "queries", dtype=np.float32).reshape(-1, DIM)
        relevant = json.loads((folder / "relevant.json").read_text())
        judged = {f"q{row}": {name(place): 1} for row, place in enumerate(relevant[:most])}
        return cls(np.asarray(mapped[:most]), queries[:most], judged)


def name(row: int) -> str:
    """Return the id of a document."""
    return f"doc{row}"


# ---------------------------------------------------------------------- engines
def ours(world: World, backend: Any = "torch") -> Work:
    """Return NDCG@10 as the harness computes it, ids packed as those of large corpora are."""
    from v2t_bench.packed import PackedTexts
    from v2t_bench.scoring.ndcg import ndcg_at_10
    from v2t_bench.search import tie_keys, top_k

    ids = PackedTexts(map(name, range(len(world.documents))))

    def work() -> float:
        keys = tie_keys(ids, 0)
        hits = top_k(
            world.queries,
            world.documents,
            k=10,
            similarity="cosine",
            tie_keys=keys,
            backend=backend,
        )
        return ndcg(ndcg_at_10, world, hits.indices, ids)

    return work


def ours_by_faiss(world: World) -> Work:
    """Return the same with blocks that faiss looks through."""
    return ours(world, "faiss")


def faiss_flat(world: World) -> Work:
    """Return NDCG@10 of what faiss's flat index finds, which holds a copy of all vectors."""
    import faiss

    from v2t_bench.packed import PackedTexts
    from v2t_bench.scoring.ndcg import ndcg_at_10

    faiss.omp_set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    ids = PackedTexts(map(name, range(len(world.documents))))

    def work() -> float:
        index = faiss.IndexFlatIP(DIM)
        for start in range(0, len(world.documents), CHUNK):
            index.add(world.documents[start : start + CHUNK])
        return ndcg(ndcg_at_10, world, index.search(world.queries, 10)[1], ids)

    return work


def ndcg(measure: Callable[..., dict[str, float]], world: World, found: Any, ids: Any) -> float:
    """Return the mean NDCG@10 of the documents in ``found``, (n_q, 10)."""
    names = {int(row): ids[int(row)] for row in np.unique(found)}
    ranking = {
        query: [names[row] for row in rows]
        for query, rows in zip(world.judged, found.tolist(), strict=True)
    }
    return mean(measure(ranking, world.judged).values())


class Mapped:
    """What beir asks of a model: it hands over the next mapped vectors, in beir's stable order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.place = 0

    def encode_queries(self, texts: list[str], **more: Any) -> Rows:
        """Return the vectors of all queries; documents then begin anew."""
        self.place = 0
        return self.world.queries

    def encode_corpus(self, corpus: list[dict[str, str]], **more: Any) -> Rows:
        """Return the vectors of as many documents as are given."""
        self.place += len(corpus)
        return self.world.documents[self.place - len(corpus) : self.place]


def beir(world: World) -> Work:
    """Return NDCG@10 as beir's own search and evaluation compute it."""
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    logging.disable(logging.INFO)
    search = DenseRetrievalExactSearch(Mapped(world), show_progress_bar=False)
    evaluator = EvaluateRetrieval(search, k_values=[10], score_function="cos_sim")
    # Texts as short as can be: what they hold is not read.
    corpus = {name(row): {"title": "", "text": "x"} for row in range(len(world.documents))}

    def work() -> float:
        found = evaluator.retrieve(corpus, dict.fromkeys(world.judged, "x"))
        return float(evaluator.evaluate(world.judged, found, [10])[0]["NDCG@10"])

    return work


ENGINES: dict[str, Callable[[World], Work]] = {
    PEER: beir,
    "ours": ours,
    "ours by faiss": ours_by_faiss,
    "faiss IndexFlatIP": faiss_flat,
}
