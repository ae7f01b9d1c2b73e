"""What another library says went wrong, fit for one line."""

from __future__ import annotations


def one_line(error: Exception | str) -> str:
    """Return the message without line breaks, at most 300 characters."""
    return " ".join(str(error).split())[:300]
