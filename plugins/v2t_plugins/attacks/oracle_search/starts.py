"""Where a search begins: public texts nearby, and the likeliest words in a likely order."""

from __future__ import annotations

from collections import Counter
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

# Public texts that are looked at; their words count as evidence.
NEAREST = 48
# How fast a text counts less with its distance: a tenth in cosine is a factor of e.
SHARPNESS = 10.0
# What the words of nearby texts count against what the regression says.
NEARBY = 0.5
# Evidence is cut there: a regression says less than nothing of many words, and of a rare one
# more than it knows.
LEAST, MOST = -2.0, 5.0
FLOOR = 1e-5
# Words that are tried everywhere: the likeliest, those with most evidence, the most frequent.
LIKELIEST, EVIDENT, FREQUENT = 112, 48, 48
HOPEFUL, PHRASES = 600, 40


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
            self._row(target, found.tolist(), cosines, texts, budget)
            for target, found, cosines, texts in zip(
                targets, hits.indices, hits.scores, given, strict=True
            )
        ]

    def _row(
        self, target: Vectors, found: list[int], cosines: Floats, given: list[str], budget: int
    ) -> Row:
        near = [self.learned.texts[place] for place in found if place >= 0]
        chances = self._chances(target, near, cosines)
        share = np.maximum(self.learned.ridge.share, FLOOR)
        evidence = np.clip(np.log(np.maximum(chances, FLOOR) / share), LEAST, MOST)
        evidence = evidence.astype(np.float32).round(4)
        length = self.learned.ridge.expected_length(target)
        words = np.concatenate(
            [
                np.argsort(-chances, kind="stable")[:LIKELIEST],
                np.argsort(-(evidence * np.sqrt(chances)), kind="stable")[:EVIDENT],
                np.arange(min(FREQUENT, len(share))),
            ]
        )
        bag = self._bag(chances, round(length[0]))
        starts = list(dict.fromkeys([*given, *near[:1], bag, *near[1:]]))
        return Row(
            target=target,
            words=np.unique(words),
            evidence=evidence,
            hopeful=np.argsort(-evidence, kind="stable")[:HOPEFUL],
            phrases=self._phrases(near, evidence),
            length=length,
            starts=starts[::-1],
            budget=budget,
        )

    def _chances(self, target: Vectors, near: list[str], cosines: Floats) -> Floats:
        """Return how likely each word is in the target's text, 0 to 1, (v,)."""
        weights = np.exp(SHARPNESS * (cosines[: len(near)] - cosines[0]))
        heard: Counter[int] = Counter()
        for text, weight in zip(near, (weights / weights.sum()).tolist(), strict=True):
            for word in set(self.lexicon.read(text).tolist()) - {-1}:
                heard[word] += weight
        nearby = np.zeros(len(self.lexicon), dtype=np.float32)
        nearby[list(heard)] = list(heard.values())
        read = np.clip(self.learned.ridge.chances(target), 0, 1)
        chances: Floats = ((1 - NEARBY) * read + NEARBY * nearby).round(5)
        return chances

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

    def _bag(self, chances: Floats, n: int) -> str:
        """Return the ``n`` likeliest words, each followed by the one likeliest behind it."""
        left = np.argsort(-chances, kind="stable")[: max(1, n)]
        order = self.learned.order
        said = [order.beginning, order.beginning]
        while len(left):
            before, between = np.array(said[-2]), np.array(said[-1])
            at = int(order.log_probabilities(before, between, left).argmax())
            said.append(int(left[at]))
            left = np.delete(left, at)
        return self.lexicon.write(said[2:])
