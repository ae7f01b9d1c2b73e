"""What is wrong with a submission, one line a thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

LONGEST_SHOWN = 120
"""Characters of a submitter's own words that a line repeats."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        check: Which check found it, in a word.
        place: The cell, or the file or folder that is none.
        text: What was wrong, what was expected, what to do.
    """

    check: str
    place: str
    text: str

    def __str__(self) -> str:
        """Return the line that tells it; what it repeats may still hold control characters."""
        return f"{self.place}: {self.text} [{self.check}]"


Tell: TypeAlias = Callable[[str, str], None]
"""Takes the name of a check and what is wrong with the cell that is being looked at."""


def shown(value: object) -> str:
    """Return a submitter's words, quoted, in one line of bounded length."""
    # Cut before quoting as well: a megabyte is not to be escaped first.
    text = repr(value[: LONGEST_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
