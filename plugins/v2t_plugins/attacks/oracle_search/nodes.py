"""What is known of the search of one text: guesses, what they are worth, what words did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Round, Vectors
from v2t_plugins.attacks.oracle_search.edits import Text

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

Kind: TypeAlias = Literal["given", "inserted", "replaced", "left out", "moved", "phrased"]
# A habit is believed by half after so many changes.
_DOUBT = 8
# Distances under this are rounding.
_NEAREST = 1e-6
# How much an unlikely number of words counts, beside the log probability of a normal
# distribution about the expected one.
LENGTH = 0.1


@dataclass(eq=False)
class Proposal:
    """A guess that is not embedded yet.

    Args:
        words: Of the guess.
        kind: What was done.
        gain: What it is expected to be worth above the guess it was made of.
        put: The word that is new in it, or -1.
        taken: The word that is no longer in it, or -1.
        closer: The part of ``gain`` that is expected of coming closer.
        parent: The closeness of the guess it was made of, or None.
    """

    words: Text
    kind: Kind = "given"
    gain: float = 0.0
    put: int = -1
    taken: int = -1
    closer: float = 0.0
    parent: float | None = None


@dataclass(eq=False)
class Node:
    """A guess that was embedded.

    Args:
        words: Those of its words that can be said.
        text: As it was asked.
        vector: Of length 1, (d,).
        cosine: With the target.
        fluency: The mean log probability of its words, in nats.
        own: The log probability of each word, (t,).
        pending: Proposals made of it by kind, the best last; None: none were made yet.
    """

    words: Text
    text: str
    vector: Vectors
    cosine: float
    fluency: float
    own: Floats
    pending: dict[Kind, list[Proposal]] | None = None

    @property
    def closeness(self) -> float:
        """The logarithm of the distance that is left, times -1."""
        return -math.log(max(1.0 - self.cosine, _NEAREST))


@dataclass(eq=False)
class Row:
    """The search of one text.

    Args:
        target: Its vector, of length 1, (d,).
        words: Those worth a thought: the vector speaks of them, or they are frequent, (k,).
        evidence: How much likelier the vector makes each word, in nats, (v,).
        phrases: Pairs of words that stand together in public texts nearby, (p, 2).
        length: The expected number of words, and the standard deviation.
        starts: Guesses to begin at; the next ones last.
        budget: Texts that may still be asked.
        surprised: How much more putting each word in brought than expected, summed, (v,).
        tried: How often each was, (v,).
        beam: Guesses that proposals are made of, best first.
        best: The answer so far.
        seen: Texts that were asked.
        habits: By kind of change: the same of all changes of the kind.
        idle: Rounds since the last that brought a better guess.
        begun: How often the search began.
        begun_with: The budget when it last did.
        rounds: If they are kept.
    """

    target: Vectors
    words: Ids
    evidence: Floats
    phrases: Ids
    length: tuple[float, float]
    starts: list[str]
    budget: int
    surprised: Floats
    tried: Ids
    beam: list[Node] = field(default_factory=list)
    best: Node | None = None
    seen: set[str] = field(default_factory=set)
    habits: dict[Kind, tuple[float, int]] = field(default_factory=dict)
    idle: int = 0
    begun: int = 0
    begun_with: int = 0
    done: bool = False
    rounds: list[Round] = field(default_factory=list)

    def worth(self, node: Node, fluency: float) -> float:
        """Return what speaks for a guess: it lands close, reads well, is as long as expected."""
        return node.closeness + fluency * node.fluency + self.of_length(len(node.words))

    def of_length(self, n: int) -> float:
        """Return what a text of ``n`` words is worth for its length, at most 0."""
        mean, deviation = self.length
        return -LENGTH / 2 * ((n - mean) / deviation) ** 2

    def surprise(self, words: Ids) -> Floats:
        """Return how much more each of ``words``, (k,), brings than expected, as far as tried."""
        surprise: Floats = self.surprised[words] / (self.tried[words] + np.float32(1))
        return surprise

    def habit(self, kind: Kind) -> float:
        """Return how much more changes of a kind bring than expected, as far as any was tried."""
        total, times = self.habits.get(kind, (0.0, 0))
        return total / (times + _DOUBT)

    def learn(self, proposal: Proposal, closer: float) -> None:
        """Remember how much closer a proposal came."""
        total, times = self.habits.get(proposal.kind, (0.0, 0))
        self.habits[proposal.kind] = (total + closer - proposal.closer, times + 1)
        for word, sign in ((proposal.put, 1.0), (proposal.taken, -1.0)):
            if word >= 0:
                # A word that replaces another shares what both brought.
                share = 0.5 if min(proposal.put, proposal.taken) >= 0 else 1.0
                self.surprised[word] += sign * share * (closer - proposal.closer)
                self.tried[word] += 1


def best_first(nodes: Sequence[Node], row: Row, fluency: float) -> list[Node]:
    """Return the guesses, the one worth most first; equal ones by their text."""
    return sorted(nodes, key=lambda node: (-row.worth(node, fluency), node.text))
