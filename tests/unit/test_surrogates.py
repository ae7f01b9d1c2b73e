"""Made-up people: drawn from exactly what they depend on, with surnames nobody can recite."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from v2t_bench.corpora.demo import demo_training_texts
from v2t_bench.corpora.surrogates import (
    Draw,
    Surrogates,
    default_surnames,
    surnames_absent_from,
    surnames_in,
    word_lists,
)
from v2t_bench.errors import BadParameter
from v2t_bench.lines import read_lines


def test_a_draw_is_the_sha256_of_its_names() -> None:
    """Computed with hashlib alone, by the remainder of the number that the digest is."""
    digest = hashlib.sha256(b"v2t-bench surrogate 3 patient 42").digest()
    number = int.from_bytes(digest, "big")
    draw = Draw(3, "patient", 42)
    assert (draw.below(10), draw.below(7)) == (number % 10, number // 10 % 7)


def test_draws_are_even() -> None:
    """Of 10,000 draws of ten, each comes up 1,000 times; 5 standard deviations are 150."""
    counts = [0] * 10
    for number in range(10_000):
        counts[Draw(number).below(10)] += 1
    assert all(850 < count < 1150 for count in counts)


def test_a_number_has_as_many_digits_as_asked_for() -> None:
    assert all(re.fullmatch(r"[1-9]\d{4}", Draw(number).digits(5)) for number in range(100))


def test_surnames_are_many_distinct_single_words() -> None:
    surnames = default_surnames()
    assert len(surnames) > 4_000
    assert len({surname.casefold() for surname in surnames}) == len(surnames)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]{3,}", surname) for surname in surnames)


def test_no_surname_stands_in_the_training_text_of_the_demo_inverter() -> None:
    assert not surnames_in(demo_training_texts(), default_surnames())


@pytest.mark.data
@pytest.mark.slow
def test_no_surname_stands_in_the_training_text_of_the_wiki_inverter(shared_data: Path) -> None:
    for name in ("train_passages.txt.zst", "train_sentences.txt.zst"):
        lines = (line for _, line in read_lines(shared_data / "wiki" / name))
        assert not surnames_in(lines, default_surnames())


def test_no_surname_is_a_word_of_another_made_up_value() -> None:
    """Else it would be found where nobody is named."""
    words = [word for key, options in word_lists().items() for word in options]
    assert not surnames_in(words, default_surnames())


def test_no_first_name_stands_twice() -> None:
    lists = word_lists()
    for sex in ("women", "men"):
        assert len(set(lists[sex])) == len(lists[sex]) > 150


def test_surnames_are_found_as_whole_words_in_any_case() -> None:
    texts = ["Dr. LAROCCO's note", "molinaros", "xx_Begay", "von Tidwell-Sisk"]
    surnames = ["Larocco", "Molinaro", "Begay", "Tidwell", "Sisk", "Toney", "Van Tidwell"]
    assert surnames_in(texts, surnames) == {"Larocco", "Begay", "Tidwell", "Sisk", "Van Tidwell"}
    assert surnames_absent_from(texts, surnames) == ("Molinaro", "Toney")


def test_a_training_text_with_every_surname_is_refused() -> None:
    with pytest.raises(BadParameter, match="each of the 2 surnames stands in the training text"):
        surnames_absent_from(["Toney met Sisk"], ["Sisk", "Toney"])


@pytest.mark.parametrize("surnames", [[], ["Sisk", " "]])
def test_an_empty_list_of_surnames_is_refused(surnames: list[str]) -> None:
    with pytest.raises(BadParameter, match="list of surnames is empty or holds a blank one"):
        Surrogates(0, surnames=surnames)


def test_surnames_may_be_given() -> None:
    people = Surrogates(0, surnames=["Aa", "Bb"])
    lasts = {people.name(people.patient(subject)).last for subject in range(50)}
    assert lasts == {"Aa", "Bb"}


def test_another_seed_or_list_is_another_fingerprint() -> None:
    prints = {Surrogates(0).fingerprint(), Surrogates(1).fingerprint()}
    prints |= {Surrogates(0, surnames=["Aa"]).fingerprint(), Surrogates(0).fingerprint()}
    assert len(prints) == 3
