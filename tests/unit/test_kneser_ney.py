"""The trigram model: numbers worked out by hand, and what must hold of any such model."""

import numpy as np
import pytest
from numpy.typing import NDArray

from v2t_plugins.attacks.oracle_search.kneser_ney import KneserNey

A, B, C = range(3)


def ids(*words: int) -> NDArray[np.int64]:
    return np.array(words, dtype=np.int64)


@pytest.fixture(scope="module")
def three() -> KneserNey:
    """Of the texts "a b", "a b" and "a c"."""
    return KneserNey.fit([ids(A, B), ids(A, B), ids(A, C)], 3)


def test_a_word_seen_after_both_has_the_probability_worked_out_by_hand(three: KneserNey) -> None:
    # So few texts: half a count is taken off everywhere. Each word follows one other word, so
    # p(b) = .5/3 + (1.5/3)/4 = .291667, p(b|a) = .5/2 + (1/2) .291667 = .395833, and
    # p(b|mark a) = 1.5/3 + (1/3) .395833 = .631944.
    (found,) = three.log_probabilities(ids(three.beginning), ids(A), ids(B))
    assert np.exp(found) == pytest.approx(0.631944, abs=1e-6)


def test_a_word_seen_after_one_of_both_falls_back_on_that_one(three: KneserNey) -> None:
    # "b a" was never seen, so nothing is taken off: p(b|a) of above.
    (found,) = three.log_probabilities(ids(B), ids(A), ids(B))
    assert np.exp(found) == pytest.approx(0.395833, abs=1e-6)


def test_a_word_nobody_said_gets_a_share_of_what_was_taken_off(three: KneserNey) -> None:
    (found,) = three.log_probabilities(ids(B), ids(B), ids(three.unknown))
    assert np.exp(found) == pytest.approx(1.5 / 3 / 4, abs=1e-6)


@pytest.fixture(scope="module")
def many() -> KneserNey:
    """Of 400 texts of 8 words drawn unevenly from 12: every count of counts is there."""
    drawn = np.random.default_rng(0).zipf(1.4, size=(400, 8)) % 12
    return KneserNey.fit(list(drawn.astype(np.int64)), 12)


def test_probabilities_sum_to_one_after_any_two_words(many: KneserNey) -> None:
    contexts = np.arange(14)
    before, between = (grid.ravel()[:, None] for grid in np.meshgrid(contexts, contexts))
    said = np.arange(13)[None, :]
    sums = np.exp(many.log_probabilities(before, between, said).astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-4)


def test_what_was_seen_more_often_is_likelier(many: KneserNey) -> None:
    words, logs = many.following(many.beginning, many.beginning)
    assert words[logs.argmax()] == 1  # of Zipf's distribution


def test_words_that_follow_are_those_that_were_seen(three: KneserNey) -> None:
    words, _ = three.following(three.beginning, A)
    assert words.tolist() == [B, C]
    assert three.following(C, C)[0].tolist() == []


def test_a_text_is_read_word_by_word_and_padding_counts_nothing(three: KneserNey) -> None:
    (found,) = three.of_texts(np.array([[A, B, -1]]))
    start = three.beginning
    by_hand = three.log_probabilities(ids(start, start), ids(start, A), ids(A, B))
    np.testing.assert_array_equal(found, [*by_hand, 0])


def test_the_order_of_the_texts_changes_nothing() -> None:
    texts = [ids(A, B, C), ids(B, A), ids(C)]
    first, second = (KneserNey.fit(given, 3).arrays() for given in (texts, texts[::-1]))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_arrays_of_two_models_are_no_model(three: KneserNey, many: KneserNey) -> None:
    with pytest.raises(ValueError, match="lengths"):
        KneserNey.from_arrays({**three.arrays(), "pairs": many.pairs})
