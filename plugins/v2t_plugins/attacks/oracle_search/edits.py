"""What can be done to a text's words, and what each change does to their order.

A text is a tuple of word numbers. Words that are put in or replaced are scored for every
place at once; everything else is written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from v2t_plugins.attacks.oracle_search.kneser_ney import KneserNey

Text = tuple[int, ...]
Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Words that are moved together, and left out together.
LONGEST_MOVED = 4
LONGEST_LEFT_OUT = 2
# Neighbouring spans that change places have at most so many words each.
LONGEST_SWAPPED = 3


@dataclass(frozen=True)
class Fit:
    """What putting each of k words at each place does to the log probability of a text.

    Args:
        inserted: Before each word and at the end, (t + 1, k).
        replaced: In place of each word, (t, k).
    """

    inserted: Floats
    replaced: Floats


def fit(order: KneserNey, text: Text, own: Floats, words: Ids) -> Fit:
    """Return how ``words``, (k,), fit into ``text``, whose own log probabilities are ``own``.

    At most three words see another one before them: the new one and the two behind it.
    """
    ids = np.array(text, dtype=np.int64)
    n = len(ids)
    marked = np.concatenate([[order.beginning, order.beginning], ids])[:, None]
    before, between, new = marked[:-1], marked[1:], words[None, :]
    said = order.log_probabilities(before, between, new)  # (t + 1, k)
    inserted, replaced = said.copy(), said[:n] - own[:, None]
    after, own = ids[:, None], own[:, None]
    inserted[:n] += order.log_probabilities(between[:n], new, after) - own
    if n > 1:
        inserted[: n - 1] += order.log_probabilities(new, after[:-1], after[1:]) - own[1:]
        replaced[: n - 1] += order.log_probabilities(between[: n - 1], new, after[1:]) - own[1:]
    if n > 2:
        replaced[: n - 2] += order.log_probabilities(new, after[1:-1], after[2:]) - own[2:]
    return Fit(inserted, replaced)


def rearranged(text: Text) -> Iterator[Text]:
    """Yield the text with a span moved, neighbouring spans swapped or two words swapped.

    Moving a word over one other swaps neighbours. Some come twice.
    """
    n = len(text)
    for width in range(1, min(LONGEST_MOVED, n - 1) + 1):
        for start in range(n - width + 1):
            span, rest = text[start : start + width], text[:start] + text[start + width :]
            for place in range(len(rest) + 1):
                if place != start:
                    yield rest[:place] + span + rest[place:]
    for left in range(n):
        for right in range(left + 2, n):
            middle = text[left + 1 : right]
            yield (
                text[:left]
                + text[right : right + 1]
                + middle
                + text[left : left + 1]
                + text[right + 1 :]
            )


def shortened(text: Text) -> Iterator[tuple[Text, Text]]:
    """Yield the text without a span, and the span; something is always left."""
    for width in range(1, min(LONGEST_LEFT_OUT, len(text) - 1) + 1):
        for start in range(len(text) - width + 1):
            yield text[:start] + text[start + width :], text[start : start + width]


def with_word(text: Text, place: int, word: int, *, replace: bool) -> Text:
    """Return the text with ``word`` before the word at ``place``, or instead of it."""
    return (*text[:place], word, *text[place + replace :])


def padded(texts: list[Text]) -> Ids:
    """Return the texts as one array, (n, t), padded with -1."""
    longest = max((len(text) for text in texts), default=0)
    rows = np.full((len(texts), longest), -1, dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    return rows
