"""Overlap of words: hand-counted sets."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from v2t_bench.errors import BrokenPromise
from v2t_bench.scoring.overlap import exact_per_text, token_f1_per_text, token_overlap_per_text

REFERENCE = "the cat sat on the mat"  # 5 different words
GUESS = "a cat sat"  # 3, of which 2 are shared


def test_precision_is_the_share_of_the_guess_that_is_right() -> None:
    assert token_overlap_per_text([REFERENCE], [GUESS]).precision[0] == pytest.approx(2 / 3)


def test_recall_is_the_share_of_the_reference_that_was_found() -> None:
    assert token_overlap_per_text([REFERENCE], [GUESS]).recall[0] == pytest.approx(2 / 5)


def test_f1_is_their_harmonic_mean() -> None:
    assert token_f1_per_text([REFERENCE], [GUESS])[0] == pytest.approx(2 * 2 / (3 + 5))


def test_a_word_counts_once_however_often_it_is_said() -> None:
    assert token_f1_per_text(["go go go stop"], ["go stop stop"])[0] == 1


def test_order_does_not_matter() -> None:
    assert token_f1_per_text(["one two"], ["two one"])[0] == 1


def test_case_matters() -> None:
    assert token_f1_per_text(["Paris"], ["paris"])[0] == 0


def test_punctuation_and_clitics_are_words() -> None:
    # it | 's | here | , | now   against   it | is | here | now
    assert token_f1_per_text(["it's here, now"], ["it is here now"])[0] == pytest.approx(6 / 9)


def test_a_full_stop_inside_a_text_stays_on_its_word() -> None:
    """Where nltk.word_tokenize, which the paper used, would cut it off."""
    assert token_f1_per_text(["He left. Bye"], ["left."])[0] == 0


@pytest.mark.parametrize("blank", ["", " \n"])
def test_two_texts_without_words_agree(blank: str) -> None:
    assert token_f1_per_text([""], [blank])[0] == 1


@pytest.mark.parametrize(("reference", "guess"), [("word", ""), ("", "word"), ("word", "other")])
def test_nothing_shared_is_0(reference: str, guess: str) -> None:
    overlap = token_overlap_per_text([reference], [guess])

    assert [float(column[0]) for column in overlap] == [0, 0, 0]


def test_exact_is_1_only_for_the_same_string() -> None:
    references = ["a b", "a b", "a b", ""]
    guesses = ["a b", "A b", "a b ", ""]

    assert exact_per_text(references, guesses).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("score", [token_f1_per_text, exact_per_text])
def test_a_missing_guess_is_refused(
    score: Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]],
) -> None:
    with pytest.raises(BrokenPromise, match="1 guesses for 2 texts"):
        score(["a", "b"], ["a"])


def test_no_texts_give_no_scores() -> None:
    assert token_f1_per_text([], []).shape == (0,)
