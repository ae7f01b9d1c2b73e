"""Which changes of a guess to try first.

Each is judged before it is embedded: by what it does to the order of the words, which is
known, and by how much closer it is expected to come. A word brings a text closer if the way
from the guess to the target leads where that word lies, see `effects`, and if it did so when
it was tried before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_plugins.attacks.oracle_search.edits import (
    LONGEST_LEFT_OUT,
    fit,
    leavings,
    openings,
    orders,
    with_word,
)
from v2t_plugins.attacks.oracle_search.effects import Effects, way_to
from v2t_plugins.attacks.oracle_search.kneser_ney import KneserNey
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.oracle_search.nodes import Kind, Node, Proposal, Row
from v2t_plugins.attacks.oracle_search.saving import Learned
from v2t_plugins.attacks.oracle_search.steps import Steps

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Kept of each kind, for one guess: more than it gets turns for.
MOST = 20
# Words that are expected to bring a guess closest, and for each place those that follow what
# stands before it.
CLOSEST, FOLLOWING = 64, 3
# Places of pairs of words, by what they are expected to bring, that are read in their place.
PLACED = 48
# The same word at a second place is expected to do what it does at the first.
AGAIN = 0.04


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """Makes proposals.

    Args:
        order: How likely a word is after two others.
        effects: Where words take a text.
        most_words: Of a proposal.
        relatives: Words that differ from one in case or in one digit.
    """

    order: KneserNey
    effects: Effects
    most_words: int
    relatives: Callable[[int], Sequence[int]]

    @classmethod
    def of(cls, learned: Learned, lexicon: Lexicon) -> Proposer:
        """Return the proposer of what was learned."""
        return cls(
            order=learned.order,
            effects=learned.effects,
            most_words=learned.most_words,
            relatives=lexicon.relatives,
        )

    def propose(self, row: Row, node: Node, fluency: float) -> dict[Kind, list[Proposal]]:
        """Return changes of a guess by kind, the most promising last."""
        way, distance = way_to(row.target, node.vector)
        words = np.array(node.words, dtype=np.int64)
        here = Steps.of(self.effects, row, words, way, distance)
        found = [
            *self._words(row, node, here, fluency),
            *self._left_out(row, node, here, fluency),
            *self._moved(node, fluency),
            *self._phrased(row, node, here, fluency),
        ]
        # Equal ones by their words, so that no accident decides.
        found.sort(key=lambda one: (one.gain, one.words))
        by_kind: dict[Kind, list[Proposal]] = {}
        for one in found:
            by_kind.setdefault(one.kind, []).append(one)
        return by_kind

    def _candidates(self, row: Row, node: Node, here: Steps, fluency: float) -> Ids:
        """Return the words that are worth a try, (k,)."""
        hopeful = here.of_others(row.words)
        said = self.order.words[row.words] / np.float32(len(node.words) + 1)
        promise = (hopeful.put_in() + np.float32(fluency) * said).round(5)
        closest = row.words[np.argsort(-promise, kind="stable")[:CLOSEST]]
        marked = (self.order.beginning, self.order.beginning, *node.words)
        following = [self._following(row, before, between) for before, between in pairwise(marked)]
        related = [word for one in node.words for word in self.relatives(one)]
        kin = np.array(related, dtype=np.int64)
        return np.unique(np.concatenate([closest, kin, *following]))

    def _following(self, row: Row, before: int, between: int) -> Ids:
        """Return the words that fit behind two others and speak of the target, (k,)."""
        words, likely = self.order.following(before, between)
        score = (likely + row.evidence[words]).round(5)
        return words[np.argsort(-score, kind="stable")[:FOLLOWING]]

    def _words(self, row: Row, node: Node, here: Steps, fluency: float) -> Iterator[Proposal]:
        """Yield the best insertions and replacements."""
        words = self._candidates(row, node, here, fluency)
        n, total = len(node.words), float(node.own.sum())
        fits = fit(self.order, node.words, node.own, words)
        new = here.of_others(words)
        now = fluency * node.fluency + row.of_length(n)
        if n < self.most_words:
            closer = new.put_in()
            reads = fluency * (total + fits.inserted) / (n + 1) + row.of_length(n + 1) - now
            gain = reads + closer[None, :]  # (t + 1, k)
            for place, at, value in _best(gain):
                word = int(words[at])
                changed = with_word(node.words, place, word, replace=False)
                yield Proposal(changed, "inserted", value, word, -1, float(closer[at]))
        change = new.instead_of(here)  # (t, k)
        gain = fluency * fits.replaced / n + change
        for place, at, value in _best(gain):
            word, old = int(words[at]), node.words[place]
            if word != old:
                changed = with_word(node.words, place, word, replace=True)
                yield Proposal(changed, "replaced", value, word, old, float(change[place, at]))

    def _left_out(self, row: Row, node: Node, here: Steps, fluency: float) -> Iterator[Proposal]:
        """Yield the guess without one or two of its words."""
        n = len(here.words)
        now = fluency * node.fluency + row.of_length(n)
        for width in range(1, min(LONGEST_LEFT_OUT, n - 1) + 1):
            texts = here.words[leavings(n, width)]
            closer = here.left_out(width)
            gain = fluency * self._read(texts) + row.of_length(n - width) - now + closer
            for text, value, change, old in zip(texts, gain, closer, node.words, strict=False):
                taken = old if width == 1 else -1
                yield _proposal(text, "left out", value, taken=taken, closer=change)

    def _moved(self, node: Node, fluency: float) -> Iterator[Proposal]:
        """Yield the guess in the best other orders; how close they come is not known."""
        texts = np.array(node.words, dtype=np.int64)[orders(len(node.words))]
        gain = fluency * (self._read(texts) - np.float32(node.fluency))
        for at in _largest(gain):
            yield _proposal(texts[at], "moved", gain[at])

    def _phrased(self, row: Row, node: Node, here: Steps, fluency: float) -> Iterator[Proposal]:
        """Yield the guess with a pair of words put in, or in place of one or two of its own."""
        if not len(row.phrases):
            return
        words = here.words
        n, pairs = len(words), len(row.phrases)
        put = here.of_others(row.phrases.ravel())
        both = np.concatenate([np.tile(words, (pairs, 1)), row.phrases], axis=1)  # (p, n + 2)
        now = fluency * node.fluency + row.of_length(n)
        for width in range(min(2, n) + 1):
            if n + 2 - width > self.most_words:
                continue
            closer = put.pairs_instead_of(here, width)  # (p, places)
            pair, place = np.divmod(_largest(closer.ravel(), PLACED), closer.shape[1])
            texts = np.take_along_axis(both[pair], openings(n, width)[place], axis=1)
            brings = closer[pair, place]
            gain = fluency * self._read(texts) + row.of_length(n + 2 - width) - now + brings
            for at in _largest(gain):
                yield _proposal(texts[at], "phrased", gain[at], closer=brings[at])

    def _read(self, texts: Ids) -> Floats:
        """Return the mean log probability of the words of each text, (n, t) to (n,)."""
        means: Floats = self.order.of_texts(texts).mean(axis=1).round(5)
        return means


def _proposal(words: Ids, kind: Kind, gain: Any, *, taken: int = -1, closer: Any = 0.0) -> Proposal:
    # Rounded: what equal numbers are added up from depends on the rest of an array.
    return Proposal(tuple(words.tolist()), kind, round(float(gain), 5), -1, taken, float(closer))


def _largest(gain: Floats, most: int = MOST) -> Ids:
    """Return the places of the largest numbers."""
    places: Ids = np.argsort(-gain.round(5), kind="stable")[:most]
    return places


def _best(gain: NDArray[np.floating[Any]]) -> Iterator[tuple[int, int, float]]:
    """Yield place, word and gain of the best cells of (places, words)."""
    # The second best place of a word waits until other words had their turn.
    rank = np.empty(gain.shape, dtype=np.float32)
    order = np.argsort(-gain, axis=0, kind="stable")
    np.put_along_axis(rank, order, np.arange(len(gain), dtype=np.float32)[:, None], axis=0)
    value = (gain - AGAIN * rank).round(5)
    flat = np.argsort(-value, axis=None, kind="stable")[:MOST]
    for cell in flat.tolist():
        place, at = divmod(cell, gain.shape[1])
        yield place, at, float(value[place, at])
