"""The bag of words: what it learns of a toy world, and what it refuses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from v2t_bench.contracts import BuildContext, Embedder, TrainContext, TrainReport, Vectors
from v2t_bench.errors import (
    BadInput,
    BadParameter,
    CorruptArtifact,
    MissingCheckpoint,
    SpaceMismatch,
)
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.bag_of_words import NETWORK, SETTINGS, BagOfWords
from v2t_plugins.attacks.word_classifier import WordClassifier, likeliest


def train(
    context: BuildContext,
    oracle: Oracle,
    texts: Sequence[str],
    folder: Path,
    *,
    steps: int = 80,
    options: Mapping[str, str] | None = None,
) -> tuple[BagOfWords, TrainReport]:
    """Return the attack trained on ``texts``, and its report."""
    work, made = folder / "work", folder / "made"
    for path in (work, made):
        path.mkdir(parents=True)
    budget = TrainContext(
        folder=made,
        work=work,
        max_tokens=32,
        size="tiny",
        steps=steps,
        batch_size=32,
        options=options or {},
    )
    report = BagOfWords(context=context).train(texts, oracle, budget)
    return BagOfWords(checkpoint=made, context=context), report


@pytest.fixture(scope="module")
def trained(
    context: BuildContext,
    embedder: Embedder,
    texts: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> BagOfWords:
    """Trained on every second text of the tiny world."""
    oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
    return train(context, oracle, texts[::2], tmp_path_factory.mktemp("bow"))[0]


@pytest.fixture
def unseen(texts: list[str]) -> list[str]:
    return texts[1::2]


def test_reads_words_out_of_vectors_it_has_not_seen(
    trained: BagOfWords, oracle: Oracle, embedder: Embedder, unseen: list[str]
) -> None:
    guesses = trained.invert(embedder.embed(unseen, "document"), oracle)
    assert token_f1_per_text(unseen, guesses).mean() > 0.9


def test_knows_less_about_the_vectors_of_other_texts(
    trained: BagOfWords, oracle: Oracle, embedder: Embedder, unseen: list[str]
) -> None:
    vectors = embedder.embed(unseen, "document")
    own = token_f1_per_text(unseen, trained.invert(vectors, oracle)).mean()
    shuffled = vectors[np.random.default_rng(0).permutation(len(unseen))]
    others = token_f1_per_text(unseen, trained.invert(shuffled, oracle)).mean()
    assert own > others + 0.2


def test_says_a_word_in_its_most_frequent_form(
    trained: BagOfWords, oracle: Oracle, embedder: Embedder
) -> None:
    # "Ann" and "ann" are one word to an embedder that is blind to case.
    (guess,) = trained.invert(embedder.embed(["ANN SELLS TWO MAPS ON MONDAY."], "query"), oracle)
    assert {"Ann", "sells", "maps"} <= set(guess.split())


def test_asks_for_the_training_texts_and_for_nothing_else(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    trained, _ = train(context, oracle, texts, tmp_path, steps=1)
    trained.invert(np.zeros((2, oracle.dim), np.float32), oracle)
    assert oracle.texts_asked == len(texts)


def test_the_same_seed_gives_the_same_bytes(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    made = [train(context, oracle, texts, tmp_path / name, steps=3)[0] for name in "ab"]
    first, second = (a.checkpoint / NETWORK for a in made if a.checkpoint is not None)
    assert first.read_bytes() == second.read_bytes()


def test_the_vocabulary_does_not_depend_on_the_order_of_the_texts(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    made = [
        train(context, oracle, given, tmp_path / name, steps=1)[0]
        for name, given in (("a", texts), ("b", texts[::-1]))
    ]
    first, second = (a.checkpoint / SETTINGS for a in made if a.checkpoint is not None)
    assert first.read_bytes() == second.read_bytes()


def test_the_option_words_bounds_the_vocabulary(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    _, report = train(context, oracle, texts, tmp_path, steps=1, options={"words": "5"})
    assert report.recipe["words"] == 5


def test_the_loss_is_the_binary_cross_entropy_of_torch() -> None:
    network = WordClassifier(dim=4, hidden=8, words=6).eval()
    vectors = torch.linspace(-1, 1, 12).reshape(3, 4)
    words = torch.tensor([[0, 5], [2, -1], [-1, -1]])
    target = torch.zeros(3, 6)
    target[0, 0] = target[0, 5] = target[1, 2] = 1
    summed = torch.nn.functional.binary_cross_entropy_with_logits(
        network.logits(vectors), target, reduction="sum"
    )
    torch.testing.assert_close(network(vectors, words)["loss"], summed / 3)


def test_the_number_of_words_said_has_the_best_expected_f1() -> None:
    # Probabilities .9, .8, .1, .1 sum to 1.9; 2*S/(k + 1.9) is .62, .87, .73, .64.
    logits = torch.logit(torch.tensor([[0.1, 0.9, 0.1, 0.8]]))
    order, count = likeliest(logits)
    assert count.tolist() == [2]
    assert order[0, :2].tolist() == [1, 3]


@pytest.mark.parametrize("options", [{"words": "0"}, {"words": "all"}, {"wrods": "5"}])
def test_an_option_it_cannot_use_is_refused(
    context: BuildContext,
    oracle: Oracle,
    texts: list[str],
    tmp_path: Path,
    options: dict[str, str],
) -> None:
    with pytest.raises(BadParameter, match=next(iter(options))):
        train(context, oracle, texts, tmp_path, options=options)


def test_texts_that_share_no_word_are_refused(
    context: BuildContext, oracle: Oracle, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="no word occurs in two"):
        train(context, oracle, ["one two", "three four"], tmp_path)


def test_no_vectors_give_no_guesses(trained: BagOfWords, oracle: Oracle, vectors: Vectors) -> None:
    assert trained.invert(vectors[:0], oracle) == []


def test_without_a_checkpoint_the_train_line_is_named(
    context: BuildContext, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(MissingCheckpoint, match="v2t-bench train bow"):
        BagOfWords(context=context).invert(vectors, oracle)


def test_vectors_of_another_dimension_are_refused(
    trained: BagOfWords, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(SpaceMismatch, match="64 dimensions, these have 32"):
        trained.invert(vectors[:, :32], oracle)


@pytest.mark.parametrize("name", [NETWORK, SETTINGS])
def test_a_truncated_file_is_a_corrupt_artifact(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path, name: str
) -> None:
    trained, _ = train(context, oracle, texts, tmp_path, steps=1)
    assert trained.checkpoint is not None
    path = trained.checkpoint / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CorruptArtifact, match="train again"):
        trained.invert(np.zeros((1, oracle.dim), np.float32), oracle)
