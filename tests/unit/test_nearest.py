"""The closest text: found exactly, stored safely."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from v2t_bench.contracts import (
    BuildContext,
    Embedder,
    Release,
    Secret,
    TrainContext,
    Vectors,
    as_they_are,
)
from v2t_bench.errors import BadParameter, CorruptArtifact, MissingCheckpoint, SpaceMismatch
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.nearest import TEXTS, VECTORS, Nearest


def train(
    context: BuildContext,
    oracle: Oracle,
    texts: Sequence[str],
    folder: Path,
    options: Mapping[str, str] | None = None,
    release: Release = as_they_are,
) -> Nearest:
    """Return the attack trained on ``texts``."""
    work = folder / "work"
    made = folder / "made"
    for path in (work, made):
        path.mkdir(parents=True)
    budget = TrainContext(
        folder=made, work=work, max_tokens=32, options=options or {}, release=release
    )
    Nearest(context=context).train(texts, oracle, budget)
    return Nearest(checkpoint=made, context=context)


@pytest.fixture
def trained(context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path) -> Nearest:
    return train(context, oracle, texts, tmp_path)


def test_a_stored_text_is_its_own_closest(
    trained: Nearest, oracle: Oracle, texts: list[str], vectors: Vectors
) -> None:
    assert trained.invert(vectors, oracle) == texts[: len(vectors)]


def test_the_closest_is_the_one_numpy_finds(
    trained: Nearest, oracle: Oracle, texts: list[str], embedder: Embedder
) -> None:
    asked = embedder.embed(["Bob paints a blue door at noon", "an old nurse reads"], "document")
    stored = embedder.embed(texts, "document")
    by_hand = (asked @ stored.T).argmax(axis=1)  # hashed vectors have length 1
    assert trained.invert(asked, oracle) == [texts[row] for row in by_hand]


def test_the_length_of_a_vector_does_not_matter(
    trained: Nearest, oracle: Oracle, vectors: Vectors
) -> None:
    assert trained.invert(vectors * np.float32(9), oracle) == trained.invert(vectors, oracle)


def stored(folder: Path) -> Vectors:
    vectors: Vectors = load_file(folder / "made" / VECTORS)["vectors"]
    return vectors


def test_against_a_defense_that_draws_nothing_it_stores_what_is_released(
    context: BuildContext, oracle: Oracle, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    def coarse(vectors: Vectors, ids: Sequence[str]) -> Vectors:
        return vectors.round(1)

    train(context, oracle, texts, tmp_path, release=coarse)
    clean = embedder.embed(texts, "document")
    np.testing.assert_array_equal(stored(tmp_path), clean.round(1))


def test_against_a_defense_that_draws_it_stores_the_mean_of_many_draws(
    context: BuildContext, oracle: Oracle, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    def noisy(vectors: Vectors, ids: Sequence[str]) -> Vectors:
        return vectors + Secret(b"own").normal(vectors.shape, "document", ids)

    train(context, oracle, texts, tmp_path, release=noisy)
    noise = stored(tmp_path) - embedder.embed(texts, "document")
    # The mean of 16 draws of deviation 1; 6912 of them show it to a hundredth.
    assert noise.std() == pytest.approx(0.25, abs=0.01)


def test_training_asks_for_each_distinct_text_once(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    train(context, oracle, texts + texts, tmp_path)
    assert oracle.texts_asked == len(texts)


def test_inverting_asks_for_nothing(trained: Nearest, oracle: Oracle, vectors: Vectors) -> None:
    before = oracle.texts_asked
    trained.invert(vectors, oracle)
    assert oracle.texts_asked == before


def test_a_limit_keeps_the_same_texts_whatever_their_order(
    context: BuildContext, oracle: Oracle, texts: list[str], embedder: Embedder, tmp_path: Path
) -> None:
    asked = embedder.embed(texts, "document")
    answers = [
        train(context, oracle, given, tmp_path / name, {"limit": "10"}).invert(asked, oracle)
        for name, given in (("forwards", texts), ("backwards", texts[::-1]))
    ]
    assert answers[0] == answers[1]
    assert len(set(answers[0])) == 10


@pytest.mark.parametrize("options", [{"limit": "0"}, {"limit": "many"}, {"size": "3"}])
def test_an_option_it_cannot_use_is_refused(
    context: BuildContext,
    oracle: Oracle,
    texts: list[str],
    tmp_path: Path,
    options: dict[str, str],
) -> None:
    with pytest.raises(BadParameter, match=next(iter(options))):
        train(context, oracle, texts, tmp_path, options)


def test_texts_come_back_as_they_were(
    context: BuildContext, oracle: Oracle, embedder: Embedder, tmp_path: Path
) -> None:
    odd = ["line\nbreak", 'quote " and \\', "naïve 日本 🦊", "\u2028 separator"]
    trained = train(context, oracle, odd, tmp_path)
    assert trained.invert(embedder.embed(odd, "document"), oracle) == odd


def test_no_vectors_give_no_guesses(trained: Nearest, oracle: Oracle, vectors: Vectors) -> None:
    assert trained.invert(vectors[:0], oracle) == []


def test_without_a_checkpoint_the_train_line_is_named(
    context: BuildContext, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(MissingCheckpoint, match="v2t-bench train nearest"):
        Nearest(context=context).invert(vectors, oracle)


def test_vectors_of_another_dimension_are_refused(
    trained: Nearest, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(SpaceMismatch, match="64 dimensions, these have 32"):
        trained.invert(vectors[:, :32], oracle)


@pytest.mark.parametrize("name", [TEXTS, VECTORS])
def test_a_truncated_file_is_a_corrupt_artifact(
    trained: Nearest, oracle: Oracle, vectors: Vectors, name: str
) -> None:
    assert trained.checkpoint is not None
    path = trained.checkpoint / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CorruptArtifact, match="train again"):
        trained.invert(vectors, oracle)
