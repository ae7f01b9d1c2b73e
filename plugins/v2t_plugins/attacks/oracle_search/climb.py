"""The search: proposals of the best guesses are embedded, and the best of all are kept.

All texts of a batch take each round together, so that the embedder is asked many at a time;
no text depends on another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from v2t_bench.contracts import Round, Trace, Vectors
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.oracle_search.edits import padded
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.oracle_search.nodes import Kind, Node, Proposal, Row, best_first
from v2t_plugins.attacks.oracle_search.proposals import Proposer
from v2t_plugins.attacks.trained import unit_length

# The fluency of a text without a word that can be said: below that of any other.
WORDLESS = -30.0
# Nothing lands closer than what lands there, up to rounding.
_ARRIVED = 1 - 1e-6
# Guesses a search begins at, of which the beam is chosen.
STARTS = 8
# Texts of one row that are asked in a round.
A_ROUND = 24
# Of them for each kind of change, before the most promising take the rest.
OF_EACH = 2
# A search ends, or begins anew, after so many rounds running that bring nothing better.
PATIENCE = 8
# The share of its weight that fluency has at first: words come before their order.
FIRST_WEIGHT = 0.5
# It has all of it after so many texts, or at the end of a shorter search.
RIPENING = 1000


@dataclass(frozen=True, kw_only=True)
class Climb:
    """How to look for texts.

    Args:
        proposer: Makes proposals.
        lexicon: The words.
        oracle: Embeds guesses.
        queries: Texts asked of a row, at most.
        beam: Guesses followed at a time.
        fluency: What a nat of the mean log probability of a word counts against the
            logarithm of the distance left.
        restarts: How often a search that brings nothing better begins anew.
        trace: Whether to keep the rounds.
    """

    proposer: Proposer
    lexicon: Lexicon
    oracle: Oracle
    queries: int
    beam: int
    fluency: float
    restarts: int
    trace: bool = False

    def run(self, rows: Sequence[Row]) -> list[Trace]:
        """Return the answer of each row, and its rounds if they are kept."""
        step = 0
        while going := [row for row in rows if not row.done]:
            turns = [self._turn(row) for row in going]
            asked = [text for turn in turns for _, text in turn]
            if asked:
                landed = iter(unit_length(self.oracle.embed(asked, "document")))
                for row, turn in zip(going, turns, strict=True):
                    vectors = [next(landed) for _ in turn]
                    self._settle(row, turn, vectors, step)
            step += 1
        return [
            Trace(text="" if row.best is None else row.best.text, rounds=tuple(row.rounds))
            for row in rows
        ]

    def _weight(self, row: Row) -> float:
        """Return what fluency counts, so far into the search."""
        spent = min(1.0, (row.begun_with - row.budget) / min(self.queries, RIPENING))
        return self.fluency * (FIRST_WEIGHT + (1 - FIRST_WEIGHT) * spent)

    # ------------------------------------------------------------------ asking
    def _turn(self, row: Row) -> list[tuple[Proposal, str]]:
        """Return what a row asks next; nothing, and the row is done."""
        most = min(A_ROUND, row.budget)
        found: list[tuple[Proposal, str]] = []
        if row.beam:
            found = list(self._proposals(row, most))
        if not found and most and row.begun <= self.restarts:
            row.beam, row.idle = [], 0
            row.begun += 1
            row.begun_with = row.budget
            found = list(self._beginnings(row, min(STARTS, most)))
        row.done = not found
        row.budget -= len(found)
        return found

    def _beginnings(self, row: Row, most: int) -> Iterator[tuple[Proposal, str]]:
        while row.starts and most:
            text = row.starts.pop()
            if text not in row.seen:
                row.seen.add(text)
                most -= 1
                words = self.lexicon.read(text)
                yield Proposal(tuple(words[words >= 0].tolist())), text

    def _proposals(self, row: Row, most: int) -> Iterator[tuple[Proposal, str]]:
        """Yield the most promising proposals of all guesses that are followed."""
        weight = self._weight(row)
        waiting: list[tuple[Kind, float, Node, list[Proposal]]] = []
        for node in row.beam:
            if node.pending is None:
                node.pending = self.proposer.propose(row, node, weight) if node.words else {}
            worth = row.worth(node, weight)
            for kind, pending in node.pending.items():
                waiting.append((kind, worth + row.habit(kind), node, pending))
        taken: Counter[Kind] = Counter()
        while most:
            waiting = [place for place in waiting if place[3]]
            if not waiting:
                break
            # Each kind has its turns first, or what was unlucky once were never tried again.
            short = [place for place in waiting if taken[place[0]] < OF_EACH]
            kind, _, node, pending = max(
                short or waiting, key=lambda place: place[1] + place[3][-1].gain
            )
            taken[kind] += 1
            proposal = pending.pop()
            proposal.parent = node.closeness
            text = self.lexicon.write(proposal.words)
            if text not in row.seen:
                row.seen.add(text)
                most -= 1
                yield proposal, text

    # ------------------------------------------------------------------ learning
    def _settle(
        self, row: Row, turn: list[tuple[Proposal, str]], vectors: list[Vectors], step: int
    ) -> None:
        """Take in where the texts of a turn landed."""
        fresh = self._nodes(row, turn, vectors)
        weight = self._weight(row)
        for (proposal, _), node in zip(turn, fresh, strict=True):
            if proposal.parent is not None:
                row.learn(proposal, node.closeness - proposal.parent)
        row.beam = best_first([*row.beam, *fresh], row, weight)[: self.beam]
        best = best_first([*([row.best] if row.best else []), *fresh], row, self.fluency)[0]
        row.idle = 0 if best is not row.best else row.idle + 1
        row.best = best
        if row.idle >= PATIENCE:
            row.beam = []
        # An embedder may not see order at all: what reads better there is still to be found.
        row.done = best.cosine >= _ARRIVED and row.idle > 0
        if self.trace:
            top = best_first(fresh, row, self.fluency)[0]
            row.rounds.append(Round(step=step, text=top.text, cosine=top.cosine))

    def _nodes(
        self, row: Row, turn: list[tuple[Proposal, str]], vectors: list[Vectors]
    ) -> list[Node]:
        ids = padded([proposal.words for proposal, _ in turn])
        own = self.proposer.order.of_texts(ids)
        nodes = []
        for (proposal, text), vector, logs in zip(turn, vectors, own, strict=True):
            n = len(proposal.words)
            nodes.append(
                Node(
                    words=proposal.words,
                    text=text,
                    vector=vector,
                    # A text lands a little elsewhere in another batch.
                    cosine=round(float(vector @ row.target), 6),
                    fluency=round(float(logs[:n].mean()), 6) if n else WORDLESS,
                    own=logs[:n],
                )
            )
        return nodes
