"""Names in guesses: cases decided by hand."""

import unicodedata

import pytest

from v2t_bench.errors import BadInput, BrokenPromise
from v2t_bench.scoring.names import Name, names_found_per_text


def found(first: str, last: str, guess: str) -> tuple[bool, bool, bool]:
    parts = names_found_per_text([Name(first, last)], [guess])
    return bool(parts.first[0]), bool(parts.last[0]), bool(parts.full[0])


def test_a_full_name_is_first_directly_followed_by_last() -> None:
    assert found("Ann", "Lee", "seen by Ann Lee today") == (True, True, True)


@pytest.mark.parametrize(
    "guess", ["Ann M. Lee", "Lee, Ann", "Ann, Lee", "Ann-Lee", "AnnLee Ann Lees"]
)
def test_a_full_name_with_anything_between_is_not_full(guess: str) -> None:
    assert found("Ann", "Lee", guess)[2] is False


def test_one_part_is_found_without_the_other() -> None:
    assert found("Ann", "Lee", "Mrs Lee came") == (False, True, False)


@pytest.mark.parametrize("guess", ["Anna", "Joann", "Ann1", "_Ann", "Änn", "Anné"])
def test_a_part_of_a_longer_word_is_not_found(guess: str) -> None:
    assert found("Ann", "Lee", guess)[0] is False


@pytest.mark.parametrize("guess", ["Ann", "(Ann)", "Ann's", "Ann-Marie", "Anna and Ann."])
def test_a_word_ends_where_no_letter_touches(guess: str) -> None:
    assert found("Ann", "Lee", guess)[0] is True


@pytest.mark.parametrize(
    ("last", "guess"), [("Lee", "LEE"), ("STRAUSS", "Strauß"), ("ΝΙΚΟΣ", "νικος"), ("Lee", "lee")]
)
def test_case_does_not_matter_in_any_script(last: str, guess: str) -> None:
    assert found("Ann", last, guess)[1] is True


def test_composed_and_decomposed_accents_are_the_same() -> None:
    decomposed = unicodedata.normalize("NFD", "José Núñez")

    assert found("José", "Núñez", decomposed) == (True, True, True)


def test_the_order_of_combining_marks_does_not_matter() -> None:
    # Alpha with iota below and acute, as one letter and as three in the other order.
    assert found("\u1fb4", "Lee", "\u03b1\u0345\u0301")[0] is True


def test_an_accent_that_was_lost_is_not_found() -> None:
    assert found("José", "Núñez", "Jose Nunez") == (False, False, False)


def test_a_combining_mark_belongs_to_its_word() -> None:
    # The second word is the first plus a vowel sign, which is no letter to re's \w.
    assert found("राम", "Lee", "रामा")[0] is False


def test_signs_of_regular_expressions_are_only_signs() -> None:
    assert found("A.", "Lee", "AB Lee")[0] is False


def test_names_of_several_words_may_be_spaced_anyhow() -> None:
    assert found("Mary Ann", "van der Berg", "Mary  Ann\nvan der\tBerg") == (True, True, True)


def test_an_empty_guess_holds_no_name() -> None:
    assert found("Ann", "Lee", "") == (False, False, False)


@pytest.mark.parametrize(("first", "last"), [("", "Lee"), ("Ann", " ")])
def test_an_empty_part_of_a_name_is_refused(first: str, last: str) -> None:
    with pytest.raises(BadInput, match="is empty"):
        Name(first, last)


def test_a_missing_guess_is_refused() -> None:
    with pytest.raises(BrokenPromise, match="0 guesses for 1 texts"):
        names_found_per_text([Name("Ann", "Lee")], [])
