"""What of some texts is known to be in a training text, by the hashes that were kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from v2t_bench.text_hashes import WORDS, Hashes, has_hashes, read_hashes, words

# The score: whether an attacked text was found in the training text.
CONTAMINATED = "contaminated"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Which attacked texts are known to be in what an attack was trained on.

    Args:
        per_text: The score `CONTAMINATED`, 1 for a text that was found and 0 for others; empty
            where nothing is known.
        facts: By what they were looked up.
    """

    per_text: dict[str, list[float]] = field(default_factory=dict)
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What of some texts is known to be in a training text.

    Args:
        texts: How many there are.
        long_enough: Those of at least `WORDS` words.
        found_texts: Those that were found, whole or by a run; at least so many share one.
        whole_texts: Those that are the whole of a training text, but for case and punctuation;
            None where that is not known.
        looked_up: Different runs of which it is known whether the training text holds them.
        found: Those of them that it holds.
    """

    texts: int
    long_enough: int
    found_texts: int
    whole_texts: int | None = None
    looked_up: int
    found: int

    @property
    def share(self) -> float | None:
        """Return the estimated share of different runs that are in the training text, 0 to 1."""
        return self.found / self.looked_up if self.looked_up else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval of `share` (Clopper and Pearson 1934).

        Which runs are looked up is decided by their hash: a sample as good as random.
        """
        if not self.looked_up:
            return None
        from scipy.stats import binomtest

        ends = binomtest(self.found, self.looked_up).proportion_ci(0.95, method="exact")
        return float(ends.low), float(ends.high)


def overlap(texts: Iterable[str], hashes: Hashes) -> Overlap:
    """Return which of ``texts``, and which of their runs, are among the hashes."""
    known = frozenset(hashes.runs.tolist())
    looked_up: set[int] = set()
    n = long_enough = found_texts = whole_texts = 0
    for text in texts:
        spelled = words(text)
        runs = hashes.runs_of(spelled)
        whole = hashes.holds_text(spelled)
        n += 1
        long_enough += len(spelled) >= WORDS
        whole_texts += whole
        found_texts += whole or not known.isdisjoint(runs)
        looked_up |= runs
    return Overlap(
        texts=n,
        long_enough=long_enough,
        found_texts=found_texts,
        whole_texts=None if hashes.texts is None else whole_texts,
        looked_up=len(looked_up),
        found=len(looked_up & known),
    )


def found_in_training(folders: Sequence[Path], texts: Sequence[str]) -> Found:
    """Return which ``texts`` are known to be in the training text of one of the checkpoints.

    Nothing is known without a checkpoint, or where one of them keeps no hashes: what the
    others do not hold might be in its text. What runs alone tell is a lower bound.

    Raises:
        CorruptArtifact: a file of hashes holds something else.
    """
    if not folders or not all(map(has_hashes, folders)):
        return Found()
    found = np.zeros(len(texts), dtype=bool)
    spelled = [words(text) for text in texts]
    kept = [read_hashes(folder) for folder in folders]
    for hashes in kept:
        found |= [hashes.holds_text(text) or hashes.holds_run(text) for text in spelled]
    whole = all(hashes.texts is not None for hashes in kept)
    return Found(
        per_text={CONTAMINATED: found.astype(float).tolist()},
        facts={
            "contamination_by": "texts and runs" if whole else "runs",
            "contamination_one_in": max(hashes.one_in for hashes in kept),
        },
    )
