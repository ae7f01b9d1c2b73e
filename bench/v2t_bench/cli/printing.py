"""Tables on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_table(table: Table, *, wrap: bool = False) -> None:
    """Print a table; brackets and colons in it are text.

    Args:
        table: What to print, as wide as it needs to be.
        wrap: On a terminal keep to its width, and break long cells. Only for tables whose
            last columns are prose.
    """
    if sys.stdout is None:  # closed by the caller
        return
    console = _console()
    if not (wrap and console.is_terminal):
        # A row cut off at the terminal's edge would hide the scores.
        endless = console.options.update(width=10_000)
        console.width = max(console.width, console.measure(table, options=endless).maximum)
    console.print(table)


def shows_styles() -> bool:
    """Return whether what is printed may be told apart by colour: not in a file or a pipe."""
    if sys.stdout is None:
        return False
    console = _console()
    return console.color_system is not None and not console.no_color


def printable(text: str) -> str:
    """Return ``text`` in one line, what would move the cursor or not show written as escapes.

    These are control and format characters and separators of lines (a line break, or a mark
    that turns the direction of writing), and whatever the encoding of stdout lacks.
    """
    import unicodedata

    shown = "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character
        for character in text
    )
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)
