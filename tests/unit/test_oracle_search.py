"""The oracle-guided search: what it finds in a toy world, what it asks, what it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from v2t_bench.contracts import BuildContext, Embedder, TrainContext, TrainReport, Vectors
from v2t_bench.errors import (
    BadInput,
    BadParameter,
    CorruptArtifact,
    MissingCheckpoint,
    SpaceMismatch,
    V2TError,
)
from v2t_bench.registry import Registry
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_bench.spelling import parse
from v2t_bench.threat import Oracle
from v2t_bench.training import Lesson, School
from v2t_bench.vectors import VectorCache
from v2t_plugins.attacks.oracle_search import OracleSearch
from v2t_plugins.attacks.oracle_search.edits import (
    fit,
    leavings,
    openings,
    orders,
    padded,
    with_word,
)
from v2t_plugins.attacks.oracle_search.effects import LOST, OTHERS, closer, way_to
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.oracle_search.ridge import STRENGTH, Ridge
from v2t_plugins.attacks.oracle_search.saving import (
    EFFECTS,
    ORDER,
    RIDGE,
    TEXTS,
    VECTORS,
    WORDS,
    Learned,
)


def train(
    context: BuildContext,
    oracle: Oracle,
    texts: Sequence[str],
    folder: Path,
    options: Mapping[str, str] | None = None,
) -> tuple[OracleSearch, TrainReport]:
    """Return the attack trained on ``texts``, and its report."""
    work, made = folder / "work", folder / "made"
    for path in (work, made):
        path.mkdir(parents=True)
    budget = TrainContext(folder=made, work=work, max_tokens=32, options=options or {})
    report = OracleSearch(context=context).train(texts, oracle, budget)
    return OracleSearch(checkpoint=made, context=context), report


def door(embedder: Embedder) -> Oracle:
    return Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)


@pytest.fixture(scope="module")
def trained(
    context: BuildContext,
    embedder: Embedder,
    texts: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> OracleSearch:
    """Trained on every second text of the tiny world."""
    return train(context, door(embedder), texts[::2], tmp_path_factory.mktemp("search"))[0]


@pytest.fixture
def unseen(texts: list[str]) -> list[str]:
    """Twelve texts that were not trained on."""
    return texts[1::2][::4][:12]


@pytest.fixture
def targets(embedder: Embedder, unseen: list[str]) -> Vectors:
    return embedder.embed(unseen, "document")


@pytest.fixture
def strange() -> Vectors:
    """Four vectors on which no text lands."""
    return np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)


# ------------------------------------------------------------------ what it finds


def test_finds_texts_it_has_not_seen_where_the_prior_does_not(
    trained: OracleSearch, oracle: Oracle, targets: Vectors, unseen: list[str], texts: list[str]
) -> None:
    mean = oracle.embed(texts[::2]).mean(axis=0, keepdims=True)
    prior = trained.invert(mean, oracle) * len(unseen)
    guesses = trained.invert(targets, oracle)
    own = token_f1_per_text(unseen, guesses).mean()
    assert own > token_f1_per_text(unseen, prior).mean() + 0.3
    assert own > 0.9


def test_knows_less_about_the_vectors_of_other_texts(
    trained: OracleSearch, oracle: Oracle, targets: Vectors, unseen: list[str]
) -> None:
    own = token_f1_per_text(unseen, trained.invert(targets, oracle)).mean()
    others = token_f1_per_text(unseen, trained.invert(targets[::-1].copy(), oracle)).mean()
    assert own > others + 0.2


def test_the_order_of_words_is_that_of_the_language_model(
    trained: OracleSearch, oracle: Oracle, targets: Vectors, unseen: list[str]
) -> None:
    # The hashed embedder does not see order at all.
    guesses = trained.invert(targets, oracle)
    exact = [a.lower() == b.lower() for a, b in zip(guesses, unseen, strict=True)]
    assert sum(exact) >= 10


def test_more_queries_come_closer(
    trained: OracleSearch, oracle: Oracle, embedder: Embedder, targets: Vectors
) -> None:
    cosines = []
    for queries in (1, 200):
        guesses = replace(trained, queries=queries).invert(targets, oracle)
        cosines.append((embedder.embed(guesses, "document") * targets).sum(axis=1).mean())
    assert cosines[1] > cosines[0] + 0.02


def test_begins_at_the_answer_of_another_attack(
    trained: OracleSearch, oracle: Oracle, targets: Vectors, unseen: list[str]
) -> None:
    class Knows:
        def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
            return unseen

    def build(kind: str, spelling: Any) -> Any:
        assert (kind, spelling.name) == ("attacks", "knows")
        return Knows()

    context = replace(trained.context, build=build)
    search = replace(trained, init=parse("knows"), queries=1, context=context)
    assert search.invert(targets, oracle) == unseen


def test_a_trace_ends_with_the_round_that_found_the_answer(
    trained: OracleSearch, oracle: Oracle, targets: Vectors
) -> None:
    traces = trained.invert_traced(targets, oracle)
    assert [trace.text for trace in traces] == trained.invert(targets, oracle)
    for trace in traces:
        assert trace.text in [one.text for one in trace.rounds]
        assert [one.step for one in trace.rounds] == list(range(len(trace.rounds)))


# ------------------------------------------------------------------ what it asks


@pytest.mark.parametrize("queries", [1, 7, 40])
def test_asks_exactly_what_it_may(
    trained: OracleSearch, oracle: Oracle, strange: Vectors, queries: int
) -> None:
    replace(trained, queries=queries).invert(strange, oracle)
    assert oracle.texts_asked == queries * len(strange)


def test_stops_where_nothing_gets_better(
    trained: OracleSearch, oracle: Oracle, strange: Vectors
) -> None:
    replace(trained, queries=10**6, restarts=0).invert(strange, oracle)
    assert 0 < oracle.texts_asked < 2000 * len(strange)


def test_a_restart_asks_on(trained: OracleSearch, embedder: Embedder, strange: Vectors) -> None:
    asked = []
    for restarts in (0, 1):
        oracle = door(embedder)
        replace(trained, queries=10**6, restarts=restarts).invert(strange[:1], oracle)
        asked.append(oracle.texts_asked)
    assert asked[1] > asked[0]


def test_no_text_is_asked_twice_for_one_vector(
    trained: OracleSearch, embedder: Embedder, strange: Vectors
) -> None:
    asked: list[str] = []

    def answer(texts: Sequence[str], role: Any) -> Vectors:
        asked.extend(texts)
        return embedder.embed(texts, role)

    oracle = Oracle(answer, space=embedder.space, dim=embedder.dim)
    replace(trained, queries=200).invert(strange[:1], oracle)
    assert len(asked) == len(set(asked)) == oracle.texts_asked


def test_training_asks_for_the_texts_for_words_alone_and_for_some_trials(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    _, report = train(context, oracle, texts, tmp_path)
    trials = oracle.texts_asked - len(texts) - report.recipe["words"]
    assert len(texts) < trials <= len(texts) * (1 + LOST + OTHERS)


# ------------------------------------------------------------------ training


def test_the_same_texts_give_the_same_bytes(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    made = [train(context, oracle, texts, tmp_path / name)[0].checkpoint for name in "ab"]
    for name in (WORDS, TEXTS, ORDER, RIDGE, EFFECTS, VECTORS):
        first, second = ((folder / name).read_bytes() for folder in made if folder is not None)
        assert first == second


def test_options_bound_the_vocabulary_and_the_stored_texts(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    options = {"words": "9", "limit": "20"}
    trained, report = train(context, oracle, texts, tmp_path, options)
    assert (report.recipe["words"], report.recipe["stored"]) == (9, 20)
    assert trained.checkpoint is not None
    assert load_file(trained.checkpoint / VECTORS)["vectors"].shape == (20, 64)


def test_the_test_after_training_has_a_small_budget_and_says_so(
    registry: Registry, context: BuildContext, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    school = School(
        registry=registry,
        embedder=embedder,
        embedder_text="hashed",
        context=context,
        cache=VectorCache(tmp_path / "vectors"),
    )
    lesson = Lesson(attack="search", texts=texts, trained_on="tiny", max_tokens=16)
    checkpoint = school.train(lesson, tmp_path / "made")
    record = (checkpoint.folder / "checkpoint.json").read_text()
    assert '"attack": "search:beam=6,fluency=0.3,queries=100,restarts=2"' in record


def test_what_words_bring_a_text_is_foreseen(
    trained: OracleSearch, embedder: Embedder, unseen: list[str], targets: Vectors
) -> None:
    assert trained.checkpoint is not None
    learned = Learned.load(trained.checkpoint)
    lexicon = learned.lexicon(embedder.space)
    words = np.arange(len(lexicon))
    foreseen, found = [], []
    for text, target in zip(unseen, targets, strict=True):
        half = lexicon.read(text)[::2].tolist()
        here, *there = embedder.embed(
            [lexicon.write(half), *(lexicon.write([*half, word]) for word in words.tolist())],
            "document",
        )
        way, distance = way_to(target, here)
        foreseen += closer(*learned.effects.steps(words, way, distance)).tolist()
        found += np.log((1 - here @ target) / (1 - np.array(there) @ target)).tolist()
    assert np.corrcoef(foreseen, found)[0, 1] > 0.8
    assert abs(np.mean(foreseen) - np.mean(found)) < 0.1


def test_frequent_words_take_smaller_steps(trained: OracleSearch) -> None:
    assert trained.checkpoint is not None
    learned = Learned.load(trained.checkpoint)
    assert np.corrcoef(learned.effects.reach, learned.ridge.share)[0, 1] < -0.3


def test_the_regression_is_that_of_augmented_least_squares() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((40, 5)).astype(np.float32)
    texts = [np.flatnonzero(generator.random(7) < 0.4) for _ in range(40)]
    bags = np.array([[word in text for word in range(7)] for text in texts], dtype=np.float64)
    ridge = Ridge.fit(vectors, texts, 7)
    centred = vectors - vectors.mean(axis=0)
    penalty = STRENGTH * np.square(vectors.astype(np.float64)).sum(axis=1).mean()
    left = np.vstack([centred, np.sqrt(penalty) * np.eye(5)])
    right = np.vstack([bags - bags.mean(axis=0), np.zeros((5, 7))])
    expected = np.linalg.lstsq(left, right, rcond=None)[0].T
    np.testing.assert_allclose(ridge.weight, expected, atol=1e-5)


# ------------------------------------------------------------------ words and edits


def test_a_text_written_is_read_back(trained: OracleSearch, embedder: Embedder) -> None:
    assert trained.checkpoint is not None
    lexicon = Learned.load(trained.checkpoint).lexicon(embedder.space)
    numbers = np.arange(len(lexicon))
    np.testing.assert_array_equal(lexicon.read(lexicon.write(numbers)), numbers)


def test_a_text_is_spaced_and_begun_as_english_is(embedder: Embedder) -> None:
    said = ["he", "said", '"', "no", ",", "(", "1990", ")", "-", "co", "."]
    lexicon = Lexicon(said, embedder.space)
    spoken = ["he", "said", '"', "no", ",", "no", '"', "(", "1990", ")", ".", "co", "-", "said"]
    numbers = [said.index(word) for word in spoken]
    assert lexicon.write(numbers) == 'He said "no, no" (1990). Co-said'


def test_relatives_differ_in_one_digit_or_where_it_is_seen_in_case(embedder: Embedder) -> None:
    said = ["1990", "1991", "1890", "1881", "rome", "Rome", "ROME"]
    cased = Lexicon(said, replace(embedder.space, blind_to=()))
    assert cased.relatives(0) == (1, 2)
    assert cased.relatives(5) == (4, 6)


TEXT = (4, 7, 4, 2, 9, 1)


def test_other_orders_are_of_the_same_words_and_none_comes_twice() -> None:
    made = [tuple(order) for order in orders(6).tolist()]
    assert {tuple(sorted(one)) for one in made} == {(0, 1, 2, 3, 4, 5)}
    assert len(made) == len(set(made))
    assert (0, 1, 2, 3, 4, 5) not in made
    assert (3, 4, 0, 1, 2, 5) in made  # a span to the front
    assert (4, 1, 2, 3, 0, 5) in made  # two words change places


def test_one_word_has_no_other_order() -> None:
    assert orders(1).shape == (0, 1)


def test_what_is_left_out_is_left_out() -> None:
    assert leavings(3, 1).tolist() == [[1, 2], [0, 2], [0, 1]]
    assert leavings(3, 2).tolist() == [[2], [0]]


def test_a_pair_is_put_in_or_takes_the_place_of_words() -> None:
    assert openings(1, 0).tolist() == [[1, 2, 0], [0, 1, 2]]
    assert openings(3, 2).tolist() == [[3, 4, 2], [0, 3, 4]]


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_how_a_word_fits_is_what_reading_the_changed_text_says(
    trained: OracleSearch, length: int
) -> None:
    assert trained.checkpoint is not None
    order = Learned.load(trained.checkpoint).order
    text, words = TEXT[:length], np.array([0, 3, 8])
    (own,) = order.of_texts(padded([text]))
    fits = fit(order, text, own, words)
    for replaced, change in ((False, fits.inserted), (True, fits.replaced)):
        for place in range(len(change)):
            changed = [with_word(text, place, int(w), replace=replaced) for w in words]
            read = order.of_texts(padded(changed)).sum(axis=1) - own.sum()
            np.testing.assert_allclose(change[place], read, atol=1e-4)


# ------------------------------------------------------------------ what it refuses


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("queries", 0), ("beam", 0), ("restarts", -1), ("fluency", -0.1), ("fluency", float("nan"))],
)
def test_a_parameter_out_of_range_is_refused(
    context: BuildContext, parameter: str, value: Any
) -> None:
    with pytest.raises(BadParameter, match=parameter):
        OracleSearch(context=context, **{parameter: value})


@pytest.mark.parametrize("options", [{"words": "0"}, {"limit": "all"}, {"wrods": "5"}])
def test_an_option_it_cannot_use_is_refused(
    context: BuildContext,
    oracle: Oracle,
    texts: list[str],
    tmp_path: Path,
    options: dict[str, str],
) -> None:
    with pytest.raises(BadParameter, match=next(iter(options))):
        train(context, oracle, texts, tmp_path, options)


def test_texts_that_share_no_word_are_refused(
    context: BuildContext, oracle: Oracle, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="search: no word occurs in two"):
        train(context, oracle, ["one two", "three four"], tmp_path)


def test_vectors_that_are_no_numbers_are_refused(
    trained: OracleSearch, oracle: Oracle, targets: Vectors
) -> None:
    with pytest.raises(V2TError, match="NaN"):
        trained.invert(targets * np.float32("nan"), oracle)


def test_without_a_checkpoint_the_train_line_is_named(
    context: BuildContext, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(MissingCheckpoint, match="v2t-bench train search"):
        OracleSearch(context=context).invert(vectors, oracle)


def test_vectors_of_another_dimension_are_refused(
    trained: OracleSearch, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(SpaceMismatch, match="64 dimensions, these have 32"):
        trained.invert(vectors[:, :32], oracle)


@pytest.mark.parametrize("name", [WORDS, TEXTS, ORDER, RIDGE, VECTORS])
def test_a_truncated_file_is_a_corrupt_artifact(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path, name: str
) -> None:
    trained, _ = train(context, oracle, texts, tmp_path)
    assert trained.checkpoint is not None
    path = trained.checkpoint / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CorruptArtifact, match="train again"):
        trained.invert(np.zeros((1, oracle.dim), np.float32), oracle)


def test_files_of_two_trainings_do_not_fit(
    context: BuildContext, oracle: Oracle, texts: list[str], tmp_path: Path
) -> None:
    trained, _ = train(context, oracle, texts, tmp_path / "all")
    other, _ = train(context, oracle, texts[:70], tmp_path / "some")
    assert trained.checkpoint is not None
    assert other.checkpoint is not None
    (trained.checkpoint / VECTORS).write_bytes((other.checkpoint / VECTORS).read_bytes())
    with pytest.raises(CorruptArtifact, match="do not fit"):
        trained.invert(np.zeros((1, oracle.dim), np.float32), oracle)
