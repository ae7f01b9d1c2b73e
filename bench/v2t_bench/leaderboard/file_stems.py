"""Names of files, no two the same on any file system."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import TypeVar

Thing = TypeVar("Thing", bound=Hashable)


def safe_stem(text: str) -> str:
    """Return ``text`` with ``-`` for what is unsafe in a file name; it may be empty."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text).lstrip(".-")


def distinct_stems(
    wanted: Mapping[Thing, str],
    spelled: Callable[[Thing], str],
    *,
    longest: int,
    taken: Collection[str] = (),
) -> dict[Thing, str]:
    """Return a name for each thing, without an ending.

    Those that would have one name, a long or empty one, or one that is taken, are told apart by
    8 digits of a hash.

    Args:
        wanted: A safe stem for each thing.
        spelled: What is hashed of a thing.
        longest: In characters, the hash aside.
        taken: Stems that stand for something else, in lower case.
    """
    counts = Counter(stem.casefold() for stem in wanted.values())
    stems = dict(wanted)
    for thing, stem in wanted.items():
        alone = counts[stem.casefold()] == 1 and stem.casefold() not in taken
        if not (alone and 0 < len(stem) <= longest):
            digest = hashlib.sha256(spelled(thing).encode("utf-8", "surrogatepass")).hexdigest()
            stems[thing] = f"{stem[:longest]}-{digest[:8]}".lstrip("-")
    return stems
