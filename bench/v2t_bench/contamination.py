r"""Hashes of the 13-word runs of a training text, one in 64, so that others can look theirs up.

A run is 13 words that follow each other in one text; a word is what ``\w+`` finds in the
text in lower case. Brown et al. 2020 (GPT-3, appendix C) searched for runs of 13 words that
training text and benchmarks share; their words lie between white space and are freed of
punctuation, ours also end at a hyphen or an apostrophe.

The hash of a run is its words, joined by one space, in UTF-8, through BLAKE2b with a digest
of 8 bytes, read as a whole number, lowest byte first. Those divisible by 64 are kept: which
ones is decided by the run alone, so the same run is kept on both sides. A text of fewer than
13 words has no run and is never found; neither is a run that differs in one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BadInput, CorruptArtifact

FILE = "ngrams.safetensors"
WORDS = 13
ONE_IN = 64

_RULE = (
    f"the 64-bit BLAKE2b hashes that are divisible by {ONE_IN}, lowest byte first, of every "
    f"{WORDS} words in a row, found by \\w+ in lower case and joined by one space"
)
_TENSOR = "hashes"


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What of some texts is known to be in a training text.

    Args:
        texts: How many there are.
        long_enough: Those of at least `WORDS` words.
        found_texts: Those with a run that was found; at least so many share one.
        looked_up: Different runs whose hash is divisible by `ONE_IN`; of the others nothing is
            known.
        found: Those of them that the training text holds.
    """

    texts: int
    long_enough: int
    found_texts: int
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


def words(text: str) -> list[str]:
    """Return the words of ``text`` in lower case, as they are hashed."""
    return re.findall(r"\w+", text.lower())


def sampled_runs(spelled: list[str]) -> set[int]:
    """Return the kept hashes of the runs of one text, given as its `words`."""
    found = set()
    for start in range(len(spelled) - WORDS + 1):
        run = " ".join(spelled[start : start + WORDS])
        digest = blake2b(run.encode(), digest_size=8).digest()
        # The lowest byte decides whether the number is divisible by 64.
        if digest[0] % ONE_IN == 0:
            found.add(int.from_bytes(digest, "little"))
    return found


def write_runs(texts: Iterable[str], folder: Path) -> int:
    """Write the kept hashes of all ``texts`` to `FILE` in ``folder``; return how many."""
    from safetensors.numpy import save_file

    found: set[int] = set()
    for text in texts:
        found |= sampled_runs(words(text))
    hashes = np.array(sorted(found), dtype=np.uint64)
    # One entry: the order of several is not the same in every process.
    save_file({_TENSOR: hashes}, folder / FILE, metadata={"holds": _RULE})
    return len(hashes)


def read_runs(folder: Path) -> NDArray[np.uint64]:
    """Return the hashes that lie in the checkpoint ``folder``, (n,), ascending.

    Raises:
        BadInput: there are none.
        CorruptArtifact: the file holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / FILE
    if not path.is_file():
        raise BadInput(
            f"{folder} holds no hashes of its training text ({FILE} is missing): it was trained "
            "with --no-ngrams or before they were kept; train again to have them"
        )
    try:
        hashes = load_file(path).get(_TENSOR)
    except (OSError, SafetensorError, ValueError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
    if (
        hashes is None
        or hashes.dtype != np.uint64
        or hashes.ndim != 1
        or bool((hashes % ONE_IN != 0).any())
        or bool((hashes[1:] <= hashes[:-1]).any())
    ):
        raise CorruptArtifact(
            f"{path} does not hold ascending hashes that are divisible by {ONE_IN}; train again"
        )
    known: NDArray[np.uint64] = hashes
    return known


def overlap(texts: Iterable[str], hashes: NDArray[np.uint64]) -> Overlap:
    """Return which runs of ``texts`` are among the ``hashes`` of a training text."""
    known = frozenset(hashes.tolist())
    looked_up: set[int] = set()
    n = long_enough = found_texts = 0
    for text in texts:
        spelled = words(text)
        runs = sampled_runs(spelled)
        n += 1
        long_enough += len(spelled) >= WORDS
        found_texts += not known.isdisjoint(runs)
        looked_up |= runs
    return Overlap(
        texts=n,
        long_enough=long_enough,
        found_texts=found_texts,
        looked_up=len(looked_up),
        found=len(looked_up & known),
    )
