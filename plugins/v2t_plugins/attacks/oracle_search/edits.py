"""What can be done to a text's words, and what each change does to their order.

A text is a tuple of word numbers. Words that are put in or replaced are scored for every
place at once; other changes are lists of places, the same for all texts of one length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from v2t_plugins.attacks.oracle_search.kneser_ney import KneserNey

Text = tuple[int, ...]
Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Words that are moved together, and left out together.
LONGEST_MOVED = 4
LONGEST_LEFT_OUT = 2


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


@cache
def orders(n: int) -> Ids:
    """Return ways to put ``n`` words in another order, (r, n).

    A span moved, so that neighbouring words and spans are swapped too, or two words swapped.
    """
    same = tuple(range(n))
    found = set()
    for width in range(1, min(LONGEST_MOVED, n - 1) + 1):
        for start in range(n - width + 1):
            span, rest = same[start : start + width], same[:start] + same[start + width :]
            found |= {rest[:place] + span + rest[place:] for place in range(len(rest) + 1)}
    for left, right in combinations(range(n), 2):
        swapped = list(same)
        swapped[left], swapped[right] = right, left
        found.add(tuple(swapped))
    return np.array(sorted(found - {same}), dtype=np.int64).reshape(-1, n)


@cache
def leavings(n: int, width: int) -> Ids:
    """Return what is left of ``n`` words without neighbours, (n - width + 1, n - width)."""
    places = np.arange(n)
    return np.array([np.delete(places, slice(at, at + width)) for at in range(n - width + 1)])


@cache
def openings(n: int, width: int) -> Ids:
    """Return the same with others, n and n + 1, in their place, (n - width + 1, n - width + 2)."""
    other = [n, n + 1]
    rows = [[*range(at), *other, *range(at + width, n)] for at in range(n - width + 1)]
    return np.array(rows, dtype=np.int64)


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
