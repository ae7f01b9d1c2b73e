"""Whether the leaderboard.csv of a submission is what its cells give."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from v2t_bench.leaderboard.csv_file import csv_text
from v2t_bench.leaderboard.stored import board_rows
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.store import Store

FILE = "leaderboard.csv"
REWRITE = "write it anew with v2t-bench score"


def check_board(folder: Path, tell: Tell) -> None:
    """Tell where the CSV of a results folder, if it has one, is not what its cells give."""
    path = folder / FILE
    if not path.exists() and not path.is_symlink():
        return
    try:
        theirs = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        tell("board", f"{FILE} cannot be read ({type(error).__name__}); {REWRITE}")
        return
    store = Store(folder)
    ours = csv_text(board_rows(store, store.results()))
    if theirs != ours:
        tell("board", f"{FILE} {_difference(theirs, ours)}; {REWRITE}")


def _difference(theirs: str, ours: str) -> str:
    """Return in words where two boards differ first."""
    try:
        said = list(csv.reader(io.StringIO(theirs, newline=""), strict=True))
    except csv.Error as error:
        return f"is no CSV ({error})"
    made = list(csv.reader(io.StringIO(ours, newline="")))
    header = made[0]
    if not said or said[0] != header:
        return "has other columns than this version of v2t-bench writes"
    for one, other in zip(said[1:], made[1:], strict=False):
        if len(one) != len(header):
            return f"has a row of {len(one)} cells; expected {len(header)}"
        for column, a, b in zip(header, one, other, strict=True):
            if a != b:
                cell = other[header.index("cell_id")]
                return f"says {column} {shown(a)} of {cell}, and its cells give {shown(b)}"
    return f"has {len(said) - 1} rows, and its cells give {len(made) - 1}"
