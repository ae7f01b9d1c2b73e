"""Write rows as CSV: sorted, byte-stable, empty where a score does not exist."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from v2t_bench.canonical import write_atomically
from v2t_bench.errors import BrokenPromise
from v2t_bench.leaderboard.rows import COLUMNS, Row


def csv_text(rows: Sequence[Row]) -> str:
    """Return the CSV of ``rows``, floats with 6 digits after the point.

    Raises:
        BrokenPromise: a score is NaN or infinite.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(column, row[column]) for column in COLUMNS])
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
    return str(value)


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write the CSV so that ``path`` never holds half of it."""
    write_atomically(path, csv_text(rows))
