"""Words as attacks count them: how a text is cut into them, and a vocabulary of the frequent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from v2t_bench.contracts import Space
from v2t_bench.errors import BadInput

# A word of one text alone cannot be told from that text's other words.
MIN_TEXTS = 2

# A word with its apostrophes, or one mark of punctuation.
WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Words:
    """A vocabulary: what is said for each word, and its number by how the space sees it."""

    said: tuple[str, ...]
    numbers: Mapping[str, int]
    space: Space

    @classmethod
    def of(cls, texts: Sequence[str], space: Space, *, most: int, who: str) -> Words:
        """Return the most frequent words; each is said in its most frequent form.

        Raises:
            BadInput: no word occurs in two texts; the text names ``who`` asked.
        """
        written = Counter(word for text in texts for word in set(WORD.findall(text)))
        forms: dict[str, list[str]] = {}
        # Ties are broken by spelling, so that the order of the texts decides nothing.
        for form in sorted(written, key=lambda form: (-written[form], form)):
            forms.setdefault(space.normalize_text(form), []).append(form)
        counts = {key: sum(written[form] for form in forms[key]) for key in forms if key}
        frequent = [key for key in counts if counts[key] >= MIN_TEXTS]
        keys = sorted(frequent, key=lambda key: (-counts[key], key))[:most]
        if not keys:
            raise BadInput(f"{who}: no word occurs in two training texts; give it more of them")
        said = tuple(forms[key][0] for key in keys)
        return cls(said, {key: number for number, key in enumerate(keys)}, space)

    def numbers_of(self, text: str) -> list[int]:
        """Return the numbers of the words that ``text`` has, each once."""
        keys = {self.space.normalize_text(word) for word in WORD.findall(text)}
        return sorted(self.numbers[key] for key in keys if key in self.numbers)
