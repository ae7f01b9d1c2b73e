"""What planning, identity, storing and resuming add to the components' own time.

The peer calls the same components by hand and keeps nothing: no identity, no files. The
embedder is `hashed` and the attack `silent`, so that next to no time is spent in a model.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from v2t_bench.cells import Grid, Scene
from v2t_bench.contracts import BuildContext, Secret
from v2t_bench.corpora.demo import demo_corpus
from v2t_bench.harness import Harness
from v2t_bench.matrix import Planner
from v2t_bench.pieces import prepare, sample_attacked
from v2t_bench.registry import Registry, discover
from v2t_bench.scorecard import corpus_bleu, leakage_scores, per_text_scores, utility_scores
from v2t_bench.scoring.ndcg import ndcg_at_10
from v2t_bench.search import tie_keys, top_k
from v2t_bench.store import Store
from v2t_bench.threat import Oracle
from v2t_bench.vectors import VectorCache

if TYPE_CHECKING:
    from benchmarks.conftest import Measure

DEFENSES = ("none", "noise:0.01", "noise:0.05")
ATTACKED = 60
ROUNDS = 5


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover(strangers=())


@pytest.fixture(scope="module")
def context(registry: Registry) -> BuildContext:
    def build(kind: Any, spelling: Any) -> Any:
        return registry.build(kind, spelling, made)

    made = BuildContext(build=build, offline=True)
    return made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> VectorCache:
    return VectorCache(tmp_path_factory.mktemp("vectors"))


@pytest.fixture(scope="module")
def scene(
    registry: Registry, context: BuildContext, tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    """Three utility cells and one of the silent attacker: none that trains."""
    grid = Grid(
        datasets=("demo-nq",), embedders=("hashed",), attacks=("silent",), defenses=DEFENSES
    )
    shelves = [tmp_path_factory.mktemp("checkpoints")]
    (planned,) = Planner(registry=registry, context=context, shelves=shelves).plan(grid)
    return replace(planned, cells=tuple(c for c in planned.cells if not _learned(c)))


def _learned(cell: Any) -> bool:
    return cell.attack is not None and bool(cell.attack.lessons)


@pytest.fixture(scope="module")
def by_hand(registry: Registry, context: BuildContext) -> Any:
    """Return a function that makes the same scores with nothing around the components."""
    corpus = demo_corpus("demo-nq")
    embedder = registry.build("embedders", "hashed", context)
    silent = registry.build("attacks", "silent", context)

    def work() -> None:
        prepared = prepare(corpus, embedder, track="cut", max_tokens=32)
        documents = embedder.embed(prepared.pieces, "document")
        queries = embedder.embed(prepared.queries, "query")
        keys = tie_keys(prepared.piece_ids, 0)
        for spelling in DEFENSES:
            secret = {} if spelling == "none" else {"secret": Secret.from_seed(0)}
            defense = registry.build("defenses", spelling, context, **secret).fit(documents)
            hits = top_k(
                defense.protect(queries, role="query", ids=prepared.query_ids),
                defense.protect(documents, role="document", ids=prepared.piece_ids),
                k=10,
                similarity=embedder.space.similarity,
                tie_keys=keys,
            )
            found = {
                query: [corpus.documents[row].id for row in rows]
                for query, rows in zip(prepared.query_ids, hits.indices, strict=True)
            }
            utility_scores(list(ndcg_at_10(found, corpus.judgements).values()))
        rows = sample_attacked(prepared, corpus.fingerprint, ATTACKED, 0)
        texts = [prepared.pieces[row] for row in rows]
        oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
        guesses = silent.invert(documents[rows], oracle)
        again = embedder.embed(guesses, "document")
        scores = per_text_scores(texts, guesses, embedder.space, [None] * len(texts))
        cosines = np.einsum("nd,nd->n", again, documents[rows])
        leakage_scores({**scores, "cos": cosines}, clusters=prepared.piece_ids[: len(rows)])
        corpus_bleu(texts, guesses)

    return work


def test_by_hand(measure: Measure, by_hand: Any) -> None:
    measure("four cells", "peer", by_hand, rounds=ROUNDS)


def test_harness(
    measure: Measure,
    registry: Registry,
    context: BuildContext,
    cache: VectorCache,
    scene: Scene,
    tmp_path: Path,
) -> None:
    folders = (tmp_path / str(number) for number in count())

    def run() -> None:
        store = Store(next(folders))
        with store.lock():
            harness = Harness(registry=registry, context=context, store=store, cache=cache)
            assert {outcome.status for outcome in harness.run([scene])} == {"done"}

    measure("four cells", "the harness", run, rounds=ROUNDS)


def test_harness_with_everything_stored(
    measure: Measure,
    registry: Registry,
    context: BuildContext,
    cache: VectorCache,
    scene: Scene,
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)

    def run() -> set[str]:
        with store.lock():
            harness = Harness(registry=registry, context=context, store=store, cache=cache)
            return {str(outcome.status) for outcome in harness.run([scene])}

    run()

    assert measure("four cells", "the harness, resumed", run, rounds=ROUNDS) == {"stored"}
