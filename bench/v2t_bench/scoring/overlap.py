"""Overlap of words between a text and its guess, and equality."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from v2t_bench.scoring.pairs import check_pairs


class TokenOverlap(NamedTuple):
    """How far the sets of words of n pairs agree; each array is (n,), 0-1."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def token_overlap_per_text(references: Sequence[str], guesses: Sequence[str]) -> TokenOverlap:
    """Return precision, recall and F1 between the sets of words of each pair.

    Words are those of nltk's NLTKWordTokenizer, case and punctuation kept, each
    counted once. Precision is the share of the guess's words that the reference
    has, recall the share of the reference's words that the guess has. Two texts
    without words agree (1, 1, 1); if one alone has none, all three are 0.

    This is nearly the Vec2Text paper's "token F1" (``vec2text/trainers/base.py``).
    Theirs uses ``nltk.word_tokenize``, which needs downloaded data to split
    sentences first and so cuts the full stop off a sentence inside the text; and
    what it logs as precision is recall, and the other way round.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    from nltk.tokenize import NLTKWordTokenizer

    check_pairs(references, guesses)
    words = NLTKWordTokenizer().tokenize
    rows = [
        _set_overlap(set(words(reference)), set(words(guess)))
        for reference, guess in zip(references, guesses, strict=True)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)  # (n, 3), also for n = 0
    return TokenOverlap(table[:, 0], table[:, 1], table[:, 2])


def token_f1_per_text(references: Sequence[str], guesses: Sequence[str]) -> NDArray[np.float64]:
    """Return the F1 of `token_overlap_per_text`, (n,), 0-1.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    return token_overlap_per_text(references, guesses).f1


def exact_per_text(references: Sequence[str], guesses: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 where the guess equals its reference as a string, else 0; (n,).

    Nothing is normalised: case, accents and white space count.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    check_pairs(references, guesses)
    pairs = zip(references, guesses, strict=True)
    return np.array([reference == guess for reference, guess in pairs], dtype=np.float64)


def _set_overlap(reference: set[str], guess: set[str]) -> tuple[float, float, float]:
    if not reference and not guess:
        return 1.0, 1.0, 1.0
    shared = len(reference & guess)
    if not shared:
        return 0.0, 0.0, 0.0
    return (
        shared / len(guess),
        shared / len(reference),
        2 * shared / (len(guess) + len(reference)),
    )
