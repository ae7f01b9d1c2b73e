"""What was tried in the search of one text."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from v2t_bench.contracts import Round, Vectors
from v2t_plugins.attacks.vec2text.networks import Draft, Ids


@dataclass(eq=False)
class Node:
    """A guess in the search of one row; ``after`` are its corrections once they are known."""

    draft: Draft
    vector: Vectors | None = None  # (d,)
    cosine: float | None = None
    plausibility: float = 0.0
    after: list[Node] | None = None


# Distances under this are rounding.
_NEAREST = 1e-7

State: TypeAlias = tuple[Node, ...]


@dataclass(eq=False)
class Row:
    """The search of one text.

    Args:
        target: Its vector, (d,).
        answer: What is said of it so far.
        nodes: Every guess made of it, by its subwords.
        rounds: If they are kept.
        waiting: For `best`: guesses not corrected yet, closest first.
        seen: For `best`: texts tried. By text: two spellings of one text land on one spot.
        dry: For `best`: how many draws running brought no new text.
        idle: For `best`: how many draws running brought no better text.
        history: For `parity`: the guesses followed after each step.
    """

    target: Vectors
    answer: Node
    nodes: dict[Ids, Node] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    waiting: list[Node] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    dry: int = 0
    idle: int = 0
    history: list[State] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin at the first guess."""
        self.nodes[self.answer.draft.ids] = self.answer
        self.waiting.append(self.answer)
        self.seen.add(self.answer.draft.text)
        self.history.append((self.answer,))

    def node(self, draft: Draft) -> Node:
        """Return the node of a guess, the one there is if it was made before."""
        return self.nodes.setdefault(draft.ids, Node(draft))

    def fresh(self, drafts: Iterable[Draft]) -> list[Node]:
        """Return the guesses with a text not seen before, and take note of them."""
        fresh = []
        for draft in drafts:
            if draft.text not in self.seen:
                self.seen.add(draft.text)
                fresh.append(Node(draft))
        return fresh

    def corrected(self, turn: list[Node]) -> list[Node]:
        """Return the corrections with a new text; these guesses had their only turn."""
        drafts = [after.draft for node in turn for after in node.after or ()]
        for node in turn:
            node.after = []
            if node is not self.answer:
                node.vector = None
        return self.fresh(drafts)

    def drawn(self, drafts: Iterable[Draft]) -> list[Node]:
        """Return the drawn corrections with a new text, and remember if there were none."""
        fresh = self.fresh(drafts)
        self.dry = 0 if fresh else self.dry + 1
        return fresh

    def chances(self, step: int, samples: int, longest: int) -> NDArray[np.float32]:
        """Return numbers from 0 to 1, 1 excluded, (samples, longest), of this target and step.

        They do not depend on the other rows.
        """
        names = b"vec2text draws of step %d for " % step
        digest = hashlib.sha256(names + self.target.tobytes()).digest()
        generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
        return generator.random((samples, longest), dtype=np.float32)


def closeness(node: Node) -> float:
    """Return the cosine of a guess, or less than any where it was not embedded."""
    return -2.0 if node.cosine is None else node.cosine


def worth(node: Node, fluency: float) -> float:
    """Return how much speaks for a guess: how close it lands, and how likely it is a text.

    The logarithm of the distance left, so that the closer guesses come, the less it counts
    how likely they are: at a cosine of 1 nothing else does.
    """
    if not fluency or node.cosine is None:
        return closeness(node)
    return fluency * node.plausibility - math.log(max(1.0 - node.cosine, _NEAREST))


def candidates(state: State) -> list[Node]:
    """Return the corrections of all guesses of a state."""
    return [after for node in state for after in node.after or ()]


def _ranked(pool: list[Node]) -> list[int]:
    # As the reference ranks, since equal cosines are ordered by what topk does.
    scores = torch.tensor([closeness(node) for node in pool], dtype=torch.float64)
    ranked: list[int] = scores.topk(len(pool)).indices.tolist()
    return ranked


def closest(pool: list[Node]) -> Node:
    """Return the guess that lands closest."""
    scores = torch.tensor([closeness(node) for node in pool], dtype=torch.float64)
    return pool[int(scores.argmax())]


def closest_unlike(pool: list[Node], wanted: int) -> State:
    """Return the closest different nodes; the last again where there are too few.

    The reference stops with an error there.
    """
    unlike = list(dict.fromkeys(pool[place] for place in _ranked(pool)))[:wanted]
    return tuple(unlike + unlike[-1:] * (wanted - len(unlike)))
