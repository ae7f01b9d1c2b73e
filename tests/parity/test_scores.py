"""BLEU, token F1 and exact match are those of the reference's own functions."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import nltk
import numpy as np
import pytest

from parity.reference import Bleu, Unused
from v2t_bench.scoring.bleu import bleu_per_text
from v2t_bench.scoring.overlap import exact_per_text, token_overlap_per_text

WORDS = (
    "a the The of Rome naïve Zoë café 北京 ありがとう Привет 🙂 don't it's U.S. $5.20 3,000 50% "
    "e-mail well-known ... ! ? , ; : ( ) [ ] \" ' “ ” -- — / "
    "\\ & # @ can't gonna cannot Mr. etc. 1st x"
).split()


def odd_pairs() -> list[tuple[str, str]]:
    """500 pairs of a text and a guess, among them empty, short, equal and foreign ones."""
    drawn = np.random.Generator(np.random.PCG64(0))
    pairs = [
        ("", ""),
        ("", "a"),
        ("a", ""),
        ("a", "a"),
        (" ", "a b"),
        (" ", ""),
        ("a b c", "a b c"),
        ("a b c d", "a b c d"),
        ("A b c d", "a b c d"),
        ("One. Two! Three? Four.", "One. Two! Three? Four."),
        ("same\ttab", "same tab"),
        ("'", '"'),
        ("🙂🙂", "🙂"),
    ]
    while len(pairs) < 500:
        text = drawn.choice(WORDS, int(drawn.integers(0, 14))).tolist()
        guess = [word for word in text if drawn.random() > 0.3]
        guess += drawn.choice(WORDS, int(drawn.integers(0, 4))).tolist()
        pairs.append((" ".join(text), " ".join(guess if drawn.random() > 0.1 else text)))
    return pairs


@pytest.fixture
def theirs(vec2text: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the reference's evaluation says of every pair."""
    # Splitting a text into sentences first needs data that nltk would fetch.
    whole = nltk.tokenize.word_tokenize
    monkeypatch.setattr(
        nltk.tokenize, "word_tokenize", lambda text: whole(text, preserve_line=True)
    )
    trainer = SimpleNamespace(metric_bleu=Bleu, metric_rouge=Unused, additional_metrics=[])
    compare = vec2text.trainers.base.BaseTrainer._text_comparison_metrics
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error of a mean of one is asked for
        scores = [compare(trainer, [[0]], [guess], [[0]], [text]) for text, guess in odd_pairs()]
    return {name: np.array([score[name] for score in scores]) for name in scores[0]}


def test_bleu_is_theirs(theirs: dict[str, Any]) -> None:
    ours = bleu_per_text(*zip(*odd_pairs(), strict=True))
    np.testing.assert_allclose(ours, theirs["bleu_score"], atol=1e-9)
    assert 100 < np.count_nonzero(ours) < 500


def test_exact_match_is_theirs(theirs: dict[str, Any]) -> None:
    ours = exact_per_text(*zip(*odd_pairs(), strict=True))
    np.testing.assert_array_equal(ours, theirs["exact_match"])
    assert 10 < ours.sum() < 490


def test_token_f1_is_theirs_where_there_are_words(theirs: dict[str, Any]) -> None:
    pairs = odd_pairs()
    ours = token_overlap_per_text(*zip(*pairs, strict=True))
    silent = np.array([not text.split() and not guess.split() for text, guess in pairs])
    np.testing.assert_allclose(ours.f1[~silent], theirs["token_set_f1"][~silent], atol=1e-12)
    # What they call precision is recall, and the other way round.
    np.testing.assert_allclose(
        ours.recall[~silent], theirs["token_set_precision"][~silent], atol=1e-12
    )
    np.testing.assert_allclose(
        ours.precision[~silent], theirs["token_set_recall"][~silent], atol=1e-12
    )


def test_two_texts_without_words_agree_here_and_not_there(theirs: dict[str, Any]) -> None:
    pairs = odd_pairs()
    silent = [not text.split() and not guess.split() for text, guess in pairs]
    assert (token_overlap_per_text(*zip(*pairs, strict=True)).f1[silent] == 1).all()
    assert (theirs["token_set_f1"][silent] == 0).all()


def test_splitting_sentences_first_is_what_sets_the_paper_apart(theirs: dict[str, Any]) -> None:
    """A full stop inside the text stays on its word where the text is not split first."""
    kept = nltk.tokenize.word_tokenize("One. Two.")  # patched above to take the text whole
    assert kept == ["One.", "Two", "."]
