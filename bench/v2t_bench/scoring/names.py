"""Look in a guess for the name of the person its text is about."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BadInput
from v2t_bench.scoring.pairs import check_pairs


@dataclass(frozen=True)
class Name:
    """The name a text is annotated with; either part may be several words.

    Raises:
        BadInput: a part is empty or white space, which every guess would contain.
    """

    first: str
    last: str

    def __post_init__(self) -> None:
        """Refuse a name of which a part would be found everywhere."""
        for part, text in (("first", self.first), ("last", self.last)):
            if not text.strip():
                raise BadInput(
                    f"the {part} name of {self} is empty; leave such a text out of the annotations"
                )


class NamesFound(NamedTuple):
    """1 where the part of the name was found, else 0; each array is (n,)."""

    first: NDArray[np.float64]
    last: NDArray[np.float64]
    full: NDArray[np.float64]


def names_found_per_text(names: Sequence[Name], guesses: Sequence[str]) -> NamesFound:
    """Return which parts of its name each guess contains.

    `full` means the first name directly followed by the last, with nothing but
    white space between. Case, Unicode composition and the width of white space do
    not matter; accents do ("Jose" is not "José"). A part counts as a whole word
    only: no letter, digit, combining mark or underscore may touch it, so "Ann" is
    in "Ann's" and "Ann-Marie" and not in "Anna". Scripts written without spaces
    between words are therefore under-counted.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    check_pairs(names, guesses)
    rows = []
    for name, guess in zip(names, guesses, strict=True):
        text, first, last = _folded(guess), _folded(name.first), _folded(name.last)
        rows.append((_has(text, first), _has(text, last), _has(text, f"{first} {last}")))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)  # (n, 3), also for n = 0
    return NamesFound(table[:, 0], table[:, 1], table[:, 2])


def _folded(text: str) -> str:
    """Return text in one case, one composition and single spaces."""
    # Canonical caseless matching, definition D145 of the Unicode standard.
    folded = unicodedata.normalize("NFD", text).casefold()
    return " ".join(unicodedata.normalize("NFD", folded).split())


def _has(text: str, words: str) -> bool:
    """Return whether words stand in text, not as a part of longer ones."""
    start = text.find(words)
    while start >= 0:
        before, after = text[:start][-1:], text[start + len(words) :][:1]
        if not _belongs_to_word(before) and not _belongs_to_word(after):
            return True
        start = text.find(words, start + 1)
    return False


def _belongs_to_word(character: str) -> bool:
    # re's \w and \b leave out combining marks, which end many Indic words.
    return character != "" and (character == "_" or unicodedata.category(character)[0] in "LNM")
