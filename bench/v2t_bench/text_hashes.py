r"""Hashes of a training text, so that others can look up whether theirs was in it.

Of every whole text one hash is kept. Of its runs a sample is: a run is 13 words that follow
each other in one text; a word is what ``\w+`` finds in the text in lower case. Brown et al.
2020 (GPT-3, appendix C) searched for runs of 13 words that training text and benchmarks
share; their words lie between white space and are freed of punctuation, ours also end at a
hyphen or an apostrophe.

The hash of a run, and that of a text, is its words, joined by one space, in UTF-8, through
BLAKE2b with a digest of 8 bytes, read as a whole number, lowest byte first. Of runs those
divisible by `ONE_IN` are kept: which ones is decided by the run alone, so the same run is kept
on both sides. A text of fewer than 13 words has no run and is found only if it is the whole of
a training text; a run that differs in one word is not found.

Older checkpoints hold 1 in 64 runs and no whole texts; the file of runs says which it holds.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2t_bench.canonical import hash64
from v2t_bench.errors import BadInput, CorruptArtifact

FILE = "ngrams.safetensors"
TEXTS_FILE = "texts.safetensors"
WORDS = 13
# A copied text of 25 words has 13 runs: it is noticed with a probability of 1 - (7/8)^13 = 82 %;
# with 1 in 64 runs it was 18 %.
ONE_IN = 8
# Of files that do not say it.
_FIRST_ONE_IN = 64

_TENSOR = "hashes"
_TEXTS_RULE = (
    "the 64-bit BLAKE2b hashes, lowest byte first, of every text, its words found by \\w+ in "
    "lower case and joined by one space"
)


def _rule(one_in: int) -> str:
    """Return what the header of a file of runs says of it."""
    return (
        f"the 64-bit BLAKE2b hashes that are divisible by {one_in}, lowest byte first, of every "
        f"{WORDS} words in a row, found by \\w+ in lower case and joined by one space"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Hashes:
    """What a checkpoint keeps of its training text.

    Args:
        runs: Hashes of its runs that are divisible by ``one_in``, (n,), ascending.
        one_in: Of so many runs one is kept.
        texts: Hashes of its whole texts, (m,), ascending; None where none were kept.
    """

    runs: NDArray[np.uint64]
    one_in: int = ONE_IN
    texts: NDArray[np.uint64] | None = None

    def holds_text(self, spelled: list[str]) -> bool:
        """Return whether a text, given as its `words`, is known to be one of the whole texts."""
        return self.texts is not None and bool(spelled) and _among(text_hash(spelled), self.texts)

    def holds_run(self, spelled: list[str]) -> bool:
        """Return whether a run of a text is known to be there."""
        return any(_among(run, self.runs) for run in self.runs_of(spelled))

    def runs_of(self, spelled: list[str]) -> set[int]:
        """Return the hashes of the runs of a text that could be found here."""
        return sampled_runs(spelled, self.one_in)


def words(text: str) -> list[str]:
    """Return the words of ``text`` in lower case, as they are hashed."""
    return re.findall(r"\w+", text.lower())


def text_hash(spelled: list[str]) -> int:
    """Return the hash of a whole text, or of a run, given as its words."""
    return hash64(" ".join(spelled))


def sampled_runs(spelled: list[str], one_in: int = ONE_IN) -> set[int]:
    """Return the kept hashes of the runs of one text, given as its `words`."""
    starts = range(len(spelled) - WORDS + 1)
    hashes = (text_hash(spelled[start : start + WORDS]) for start in starts)
    return {number for number in hashes if number % one_in == 0}


def write_hashes(texts: Iterable[str], folder: Path, *, kept: bool = True) -> dict[str, int | None]:
    """Write the hashes of all ``texts`` to ``folder``; return how many of runs and of texts.

    Nothing is written unless they are ``kept``.
    """
    if not kept:
        return {"ngrams": None, "text_hashes": None}
    # 8 bytes each, where a set of Python's numbers takes ten times as much.
    runs, whole = array("Q"), array("Q")
    for text in texts:
        spelled = words(text)
        if spelled:
            whole.append(text_hash(spelled))
            runs.extend(sampled_runs(spelled))
    return {
        "ngrams": _write(runs, folder / FILE, _rule(ONE_IN)),
        "text_hashes": _write(whole, folder / TEXTS_FILE, _TEXTS_RULE),
    }


def _write(numbers: array[int], path: Path, rule: str) -> int:
    from safetensors.numpy import save_file

    hashes = np.unique(np.array(numbers, dtype=np.uint64))
    # One entry: the order of several is not the same in every process.
    save_file({_TENSOR: hashes}, path, metadata={"holds": rule})
    return len(hashes)


def has_hashes(folder: Path) -> bool:
    """Return whether the checkpoint ``folder`` holds hashes of its training text."""
    return (folder / FILE).is_file()


def read_hashes(folder: Path) -> Hashes:
    """Return the hashes that lie in the checkpoint ``folder``.

    Raises:
        BadInput: there are none.
        CorruptArtifact: a file holds something else.
    """
    if not has_hashes(folder):
        raise BadInput(
            f"{folder} holds no hashes of its training text ({FILE} is missing): it was trained "
            "with --no-ngrams or before they were kept; train again to have them"
        )
    runs, rule = _read(folder / FILE)
    one_in = _one_in(rule, folder / FILE)
    if bool((runs % np.uint64(one_in) != 0).any()):
        raise CorruptArtifact(
            f"{folder / FILE} does not hold ascending hashes that are divisible by {one_in}; "
            "train again"
        )
    texts = folder / TEXTS_FILE
    if not texts.is_file():
        return Hashes(runs=runs, one_in=one_in, texts=None)
    whole, rule = _read(texts)
    if rule != _TEXTS_RULE:
        raise CorruptArtifact(f"{texts} does not say that it holds hashes of texts; train again")
    return Hashes(runs=runs, one_in=one_in, texts=whole)


def _read(path: Path) -> tuple[NDArray[np.uint64], str]:
    """Return the hashes in a file, ascending, and what its header says they are."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            rule = (file.metadata() or {}).get("holds", "")
            hashes = file.get_tensor(_TENSOR) if _TENSOR in file.keys() else None  # noqa: SIM118
    # numpy has no bfloat16, and says so by a TypeError.
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
    if (
        hashes is None
        or hashes.dtype != np.uint64
        or hashes.ndim != 1
        or bool((hashes[1:] <= hashes[:-1]).any())
    ):
        raise CorruptArtifact(f"{path} does not hold ascending hashes; train again")
    known: NDArray[np.uint64] = hashes
    return known, rule


def _one_in(rule: str, path: Path) -> int:
    """Return of how many runs one is kept, as the header of the file says."""
    stated = re.search(r"divisible by (\d{1,6}),", rule)
    one_in = int(stated.group(1)) if stated else _FIRST_ONE_IN
    if one_in < 1 or (rule and rule != _rule(one_in)):
        raise CorruptArtifact(
            f"{path} holds {rule[:80]!r}, which this version cannot look up; expected what "
            f"v2t-bench train writes: {_rule(ONE_IN)[:60]!r} ..."
        )
    return one_in


def _among(number: int, hashes: NDArray[np.uint64]) -> bool:
    """Return whether a hash is among ascending ones."""
    at = int(np.searchsorted(hashes, np.uint64(number)))
    return at < len(hashes) and int(hashes[at]) == number
