"""Guessing a text, and correcting the guess by looking where it lands.

Two searches over the same networks. `best` is ours: it begins at the best of several first
guesses; every text tried is kept with its worth, and each step corrects the best ones that
were not corrected yet; where that brings no new text, corrections of the best of all are drawn
by chance, until several draws running bring nothing better. `parity` is that of vec2text
0.0.13 step for step: only the candidates of a step compete, nothing better is kept, and with
one beam nothing is compared at all. A correction depends on the target and the guess alone, so
what was corrected once is remembered, and a row that comes back to where it was leaves the
batch: its answer after any number of steps is read off the circle it goes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from v2t_bench.contracts import Round, Trace, Vectors
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE, Draft, Networks
from v2t_plugins.attacks.vec2text.plausibility import plausibility
from v2t_plugins.attacks.vec2text.tried import (
    Node,
    Row,
    State,
    candidates,
    closest,
    closest_unlike,
    worth,
)

Mode: TypeAlias = Literal["best", "parity"]

# Float32 vectors of one text differ by about 1e-7 between two batches: nothing comes closer.
_ARRIVED = 1 - 1e-6


@dataclass(frozen=True, kw_only=True)
class Search:
    """How to look for the text of a vector.

    Args:
        networks: They guess and correct.
        oracle: Embeds guesses.
        steps: Corrections; 0 gives the base model's own text.
        beam: Guesses followed at a time, and texts tried for each.
        guesses: For `best`, where something is corrected and no ``start`` is given: texts the
            base model writes at first, by a token beam; the best ``beam`` are followed.
        samples: For `best`: texts drawn for a row where correcting brings nothing new; 0: the
            row ends.
        patience: For `best`: a row ends after so many draws running that bring nothing better.
        fluency: For `best`: how much plausibility counts, see `worth`.
        mode: See the module.
        start: Makes the first guess of a target, in place of the base model.
        given: For `best`, where something is corrected: a text for each target, which competes
            with the first guesses unless it is blank; or none at all.
        batch_size: Rows worked on at once.
        trace: Whether to keep the rounds; parity embeds guesses for it that it needs for
            nothing else.
        remember: Off, every correction of every step is computed again, as the reference
            does; for measuring what remembering changes.
    """

    networks: Networks
    oracle: Oracle
    steps: int = 20
    beam: int = 1
    guesses: int = 1
    samples: int = 4
    patience: int = 4
    fluency: float = 0.0
    mode: Mode = "best"
    start: Callable[[Vectors], str] | None = None
    given: Sequence[str] = ()
    batch_size: int = BATCH_SIZE
    trace: bool = False
    remember: bool = True

    def run(self, vectors: Vectors) -> list[Trace]:
        """Return the answer for each of ``vectors``, (n, d), and its rounds if they are kept."""
        return [
            Trace(text=row.answer.draft.text, rounds=tuple(row.rounds))
            for row in self._rows(vectors)
        ]

    def drafts(self, vectors: Vectors) -> list[Draft]:
        """Return the answer for each of ``vectors``, (n, d), in subwords too."""
        return [row.answer.draft for row in self._rows(vectors)]

    def _rows(self, vectors: Vectors) -> Iterator[Row]:
        for place in range(0, len(vectors), self.batch_size):
            part = slice(place, place + self.batch_size)
            rows = self._begin(vectors[part])
            if self.steps and self.mode == "best":
                self._choose_first(rows, self.given[part])
            if self.trace:
                self._look([(row, row.answer) for row in rows], 0)
            if self.steps:
                (self._best if self.mode == "best" else self._parity)(rows)
            yield from rows

    def _begin(self, targets: Vectors) -> list[Row]:
        # vec2text 0.0.13 lets a text that is not corrected be as long as a correction.
        alone = self.mode == "parity" and not self.steps
        longest = self.networks.longest_correction if alone else None
        if self.start is None or self.mode == "parity":
            drafts = self.networks.first_drafts(targets, longest=longest)
        else:
            drafts = [self.networks.draft(self.start(target)) for target in targets]
        return [Row(target, Node(draft)) for target, draft in zip(targets, drafts, strict=True)]

    # ------------------------------------------------------------------ shared
    def _embed(self, nodes: Iterable[tuple[Row, Node]]) -> None:
        """Give the nodes their vectors and cosines; a text is asked once."""
        lacking = [(row, node) for row, node in nodes if node.vector is None]
        texts = list(dict.fromkeys(node.draft.text for _, node in lacking))
        if not texts:
            return
        tokens = self.networks.guess_tokens
        landed = self.oracle.embed(texts, "document", max_tokens=tokens)
        places = {text: place for place, text in enumerate(texts)}
        vectors = landed[[places[node.draft.text] for _, node in lacking]]
        close = cosine_per_pair(vectors, np.stack([row.target for row, _ in lacking]))
        for (_, node), vector, cosine in zip(lacking, vectors, close.tolist(), strict=True):
            node.vector, node.cosine = vector, cosine

    def _correct(self, wanted: Sequence[tuple[Row, Node]]) -> None:
        """Give the nodes their corrections."""
        if self.remember:
            wanted = [(row, node) for row, node in wanted if node.after is None]
        # A state may hold one guess several times.
        wanted = list({id(node): (row, node) for row, node in wanted}.values())
        self._embed(wanted)
        for place in range(0, len(wanted), self.batch_size):
            part = wanted[place : place + self.batch_size]
            vectors = [node.vector for _, node in part if node.vector is not None]
            tried = self.networks.corrections(
                np.stack([row.target for row, _ in part]),
                [node.draft for _, node in part],
                np.stack(vectors),
                beams=self.beam,
            )
            for (row, node), drafts in zip(part, tried, strict=True):
                node.after = [row.node(draft) for draft in drafts]

    def _look(self, nodes: Sequence[tuple[Row, Node]], step: int) -> None:
        """Add a round to each row: where its node stands."""
        self._embed(nodes)
        for row, node in nodes:
            cosine = node.cosine if node.cosine is not None else 0.0
            row.rounds.append(Round(step=step, text=node.draft.text, cosine=cosine))

    # ------------------------------------------------------------------ best
    def _choose_first(self, rows: list[Row], given: Sequence[str]) -> None:
        """Let each row begin at the best of its first guesses and of what was given."""
        if self.guesses > 1 and self.start is None:
            size = max(1, self.batch_size // self.guesses)
            for place in range(0, len(rows), size):
                part = rows[place : place + size]
                targets = np.stack([row.target for row in part])
                written = self.networks.first_beams(targets, beams=self.guesses)
                for row, drafts in zip(part, written, strict=True):
                    row.waiting += row.fresh(drafts)
        for row, text in zip(rows, given, strict=bool(given)):
            if text.strip():
                row.waiting += row.fresh([self.networks.draft(text)])
        new = [(row, node) for row in rows for node in row.waiting]
        self._embed(new)
        self._judge(new)
        for row in rows:
            row.waiting = sorted(row.waiting, key=self._worth, reverse=True)[: self.beam]
            row.answer = row.waiting[0]

    def _best(self, rows: list[Row]) -> None:
        for step in range(1, self.steps + 1):
            going = [row for row in rows if row.waiting or self._may_draw(row)]
            going = [row for row in going if not _arrived(row.answer)]
            if not going:
                break
            turns = [row.waiting[: self.beam] for row in going]
            self._correct(
                [(r, node) for r, turn in zip(going, turns, strict=True) for node in turn]
            )
            tried = [row.corrected(turn) for row, turn in zip(going, turns, strict=True)]
            dry = {
                place
                for place, (row, fresh) in enumerate(zip(going, tried, strict=True))
                if not fresh and self._may_draw(row)
            }
            self._draw([(going[place], tried[place]) for place in sorted(dry)], step)
            new = [(r, node) for r, fresh in zip(going, tried, strict=True) for node in fresh]
            self._embed(new)
            self._judge(new)
            for place, (row, fresh) in enumerate(zip(going, tried, strict=True)):
                # A drawn text that is no better is not worth a step of its own.
                follow = [node for node in fresh if self._worth(node) > self._worth(row.answer)]
                if place in dry:
                    row.idle = 0 if follow else row.idle + 1
                left = row.waiting[self.beam :] + (follow if place in dry else fresh)
                left.sort(key=self._worth, reverse=True)
                # What cannot come to its turn any more needs no memory.
                row.waiting = left[: self.beam * (self.steps - step)]
                row.nodes.clear()
                if fresh:
                    best = max(fresh, key=self._worth)
                    row.answer = max(row.answer, best, key=self._worth)
                    if self.trace:
                        self._look([(row, best)], step)

    def _may_draw(self, row: Row) -> bool:
        return self.samples > 0 and row.idle < self.patience

    def _worth(self, node: Node) -> float:
        return worth(node, self.fluency)

    def _judge(self, nodes: Sequence[tuple[Row, Node]]) -> None:
        """Give the nodes their plausibility."""
        if not self.fluency or not nodes:
            return
        targets = np.stack([row.target for row, _ in nodes])
        found = plausibility(self.networks, targets, [node.draft for _, node in nodes])
        for (_, node), plausible in zip(nodes, found.tolist(), strict=True):
            node.plausibility = plausible

    def _draw(self, dry: list[tuple[Row, list[Node]]], step: int) -> None:
        """Fill the empty list beside each row with corrections of its answer, by chance."""
        for place in range(0, len(dry), self.batch_size):
            part = dry[place : place + self.batch_size]
            answers = [row.answer for row, _ in part]
            longest = self.networks.most_subwords
            drawn = self.networks.draws(
                np.stack([row.target for row, _ in part]),
                [node.draft for node in answers],
                np.stack([node.vector for node in answers if node.vector is not None]),
                chances=np.stack([row.chances(step, self.samples, longest) for row, _ in part]),
                # Draws that brought nothing new heat up the next.
                heat=[1.0 + row.dry for row, _ in part],
            )
            for (row, fresh), drafts in zip(part, drawn, strict=True):
                fresh += row.drawn(drafts)

    # ------------------------------------------------------------------ parity
    def _parity(self, rows: list[Row]) -> None:
        going = rows
        for step in range(1, self.steps + 1):
            if step == 1 and self.start is not None:
                states: list[State] = [
                    (row.node(self.networks.draft(self.start(row.target))),) for row in going
                ]
            else:
                states = self._advance(going, last=step == self.steps)
            if self.trace:
                self._look([(row, s[0]) for row, s in zip(going, states, strict=True)], step)
            stay = []
            for row, state in zip(going, states, strict=True):
                if self.remember and step < self.steps and state in row.history:
                    row.answer = self._read_off(row.history, row.history.index(state), step)
                else:
                    row.answer = state[0]
                    row.history.append(state)
                    stay.append(row)
            going = stay

    def _advance(self, going: list[Row], *, last: bool) -> list[State]:
        """Return the next state of each row: of the last step, the one closest candidate."""
        if not self.remember:
            for node in (node for row in going for node in row.nodes.values()):
                node.vector = None
        self._correct([(row, node) for row in going for node in row.history[-1]])
        pools = [candidates(row.history[-1]) for row in going]
        if self.beam == 1:
            return [(pool[0],) for pool in pools]
        self._embed((row, node) for row, pool in zip(going, pools, strict=True) for node in pool)
        states = []
        for pool in pools:
            chosen = (closest(pool),) if last else closest_unlike(pool, self.beam)
            states.append(chosen)
            for node in pool:
                if node not in chosen:
                    node.vector = None  # asked again if it is ever chosen
        return states

    def _read_off(self, history: list[State], at: int, step: int) -> Node:
        """Return the answer of a row whose state of ``step`` is that of step ``at``."""
        around = step - at
        if self.beam == 1:
            return history[at + (self.steps - at) % around][0]
        # The last step chooses one among the candidates of the state before it.
        return closest(candidates(history[at + (self.steps - 1 - at) % around]))


def _arrived(node: Node) -> bool:
    return node.cosine is not None and node.cosine >= _ARRIVED
