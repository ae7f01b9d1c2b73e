"""Between a text and the numbers of its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Space
from v2t_plugins.attacks.words import WORD

Ids = NDArray[np.int64]

_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%'\u2019\u201d/-")
_NO_SPACE_AFTER = frozenset("([{$#\u201c/-")
_ENDS = frozenset(".!?")
_DIGITS = "0123456789"


@dataclass(frozen=True)
class Lexicon:
    """The words that can be said, by number.

    Args:
        said: How each is written, (v,).
        space: What the embedder sees of a word; two that it cannot tell apart are one.
    """

    said: Sequence[str]
    space: Space
    _numbers: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _forms: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _kin: dict[int, tuple[int, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Number the words."""
        for number, word in enumerate(self.said):
            self._numbers.setdefault(self.space.normalize_text(word), number)

    def __len__(self) -> int:
        return len(self.said)

    def number(self, form: str) -> int:
        """Return the number of a word, or -1."""
        number = self._forms.get(form)
        if number is None:
            number = self._numbers.get(self.space.normalize_text(form), -1)
            self._forms[form] = number
        return number

    def relatives(self, number: int) -> tuple[int, ...]:
        """Return the words that differ from one in case or in one digit, where they can be said."""
        if number not in self._kin:
            word = self.said[number]
            kin = {word.lower(), word.upper(), word[:1].upper() + word[1:].lower()}
            for place in (at for at, mark in enumerate(word) if mark in _DIGITS):
                kin |= {word[:place] + digit + word[place + 1 :] for digit in _DIGITS}
            numbers = {self.number(one) for one in kin} - {-1, number}
            self._kin[number] = tuple(sorted(numbers))
        return self._kin[number]

    def read(self, text: str) -> Ids:
        """Return the numbers of the words of ``text``, (t,); -1 is one that cannot be said."""
        return np.array([self.number(form) for form in WORD.findall(text)], dtype=np.int64)

    def write(self, numbers: Iterable[int]) -> str:
        """Return a text of these words, spaced and begun as English is."""
        parts: list[str] = []
        capitals = "case" in self.space.blind_to
        glued, inside, begins = True, False, capitals
        for word in (self.said[number] for number in numbers):
            closes = word == '"' and inside
            if not (glued or closes or word in _NO_SPACE_BEFORE):
                parts.append(" ")
            parts.append(word[:1].upper() + word[1:] if begins else word)
            glued = word in _NO_SPACE_AFTER or (word == '"' and not inside)
            inside ^= word == '"'
            begins = capitals and (word in _ENDS or (begins and not word[:1].isalnum()))
        return "".join(parts)
