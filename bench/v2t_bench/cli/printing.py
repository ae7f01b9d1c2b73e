"""Tables on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table as wide as it needs to be; brackets in it are text."""
    from rich.console import Console

    if sys.stdout is None:  # closed by the caller
        return
    console = Console(highlight=False, markup=False)
    # A row cut off at the terminal's edge would hide the scores.
    endless = console.options.update(width=10_000)
    console.width = max(console.width, console.measure(table, options=endless).maximum)
    console.print(table)
