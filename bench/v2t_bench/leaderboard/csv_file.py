"""Write rows as CSV: sorted, byte-stable, empty where a score does not exist."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from v2t_bench.canonical import write_atomically
from v2t_bench.errors import BrokenPromise
from v2t_bench.leaderboard.rows import COLUMNS, Row

# A spreadsheet computes a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = COLUMNS) -> str:
    """Return the CSV of ``rows``, floats with 6 digits after the point.

    A text that a spreadsheet would compute gets a single quote before it, and a control
    character is written as its escape, so that a row is a line. Numbers are left alone.

    Raises:
        BrokenPromise: a score is NaN or infinite.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([safe_text(column) for column in columns])
    for row in rows:
        writer.writerow([_cell(column, row[column]) for column in columns])
    return buffer.getvalue()


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BrokenPromise(f"column {column} holds {value}; expected a number or nothing")
        # Adding zero turns -0.0 into 0.0.
        return f"{round(value, 6) + 0.0:.6f}"
    return safe_text(value) if isinstance(value, str) else str(value)


def safe_text(text: str) -> str:
    """Return a text that is data to a spreadsheet and stands in one line."""
    if text.startswith(_FORMULA) and not re.fullmatch(r"[+-][0-9]+", text):
        text = f"'{text}"
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write the CSV so that ``path`` never holds half of it."""
    write_atomically(path, csv_text(rows))
