"""Tables on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table as wide as it needs to be where stdout is not a terminal."""
    from rich.console import Console

    # A pipe has no width; wrapping at 80 would tear rows apart.
    width = None if sys.stdout.isatty() else 400
    Console(width=width, highlight=False).print(table)
