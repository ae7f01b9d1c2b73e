"""Where a search begins: public texts nearby, and the likeliest words in a likely order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.search import tie_keys, top_k
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.oracle_search.nodes import Row
from v2t_plugins.attacks.oracle_search.saving import Learned

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Public texts that a search may begin at, and whose phrases it tries.
NEAREST = 48
# What lying where the word alone lies counts as evidence, in nats; of 5, 7 and 10 the one
# that found most words of other texts.
ALONE = 7.0
FLOOR = 1e-5
# Words worth a thought, and phrases.
WORDS, PHRASES = 400, 40


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Makes the rows of a search.

    Args:
        learned: What training left.
        lexicon: Its words.
        device: Where the nearest texts are searched.
    """

    learned: Learned
    lexicon: Lexicon
    device: str = "cpu"

    def rows(self, targets: Vectors, given: list[list[str]], budget: int) -> list[Row]:
        """Return a row for each of ``targets`` (n, d) of length 1; ``given`` begins each one's."""
        hits = top_k(
            targets,
            self.learned.vectors,
            k=min(NEAREST, len(self.learned.texts)),
            similarity="cosine",
            tie_keys=tie_keys(self.learned.texts, seed=0),
            device=self.device,
        )
        return [
            self._row(target, found.tolist(), texts, budget)
            for target, found, texts in zip(targets, hits.indices, given, strict=True)
        ]

    def _row(self, target: Vectors, found: list[int], given: list[str], budget: int) -> Row:
        near = [self.learned.texts[place] for place in found if place >= 0]
        ridge, effects = self.learned.ridge, self.learned.effects
        share = np.maximum(ridge.share, FLOOR)
        # The regression knows little of a rare word; what it denies may still be there.
        read = np.log(0.5 + 0.5 * np.clip(ridge.chances(target), 0, 1) / share)
        alone = effects.directions @ (target - ridge.centre)
        evidence = (read + ALONE * alone).astype(np.float32).round(4)
        likeliest = np.argsort(-(evidence + np.log(share)).round(4), kind="stable")
        length = ridge.expected_length(target)
        bag = self._bag(likeliest[: max(1, round(length[0]))])
        starts = list(dict.fromkeys([*given, *near[:1], bag, *near[1:]]))
        return Row(
            target=target,
            words=np.sort(likeliest[:WORDS]),
            evidence=evidence,
            phrases=self._phrases(near, evidence),
            length=length,
            starts=starts[::-1],
            budget=budget,
            surprised=np.zeros(len(share), dtype=np.float32),
            tried=np.zeros(len(share), dtype=np.int64),
        )

    def _phrases(self, near: list[str], evidence: Floats) -> Ids:
        """Return the pairs of neighbouring words with most evidence in the texts nearby."""
        found = {
            pair
            for text in near
            for pair in pairwise(self.lexicon.read(text).tolist())
            if min(pair) >= 0
        }
        by_evidence = sorted(
            found, key=lambda pair: (-round(float(evidence[list(pair)].sum()), 3), pair)
        )
        return np.array(by_evidence[:PHRASES], dtype=np.int64).reshape(-1, 2)

    def _bag(self, left: Ids) -> str:
        """Return these words, each followed by the one that is likeliest behind it."""
        order = self.learned.order
        said = [order.beginning, order.beginning]
        while len(left):
            before, between = np.array(said[-2]), np.array(said[-1])
            at = int(order.log_probabilities(before, between, left).argmax())
            said.append(int(left[at]))
            left = np.delete(left, at)
        return self.lexicon.write(said[2:])
