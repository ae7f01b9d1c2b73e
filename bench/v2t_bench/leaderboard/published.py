"""The boards as files: which there are, what they hold, and how those in a folder differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path

from v2t_bench.canonical import write_atomically
from v2t_bench.errors import BadInput
from v2t_bench.leaderboard.board import Board
from v2t_bench.leaderboard.columns import frontier_columns
from v2t_bench.leaderboard.csv_file import csv_text
from v2t_bench.leaderboard.file_stems import distinct_stems, safe_stem
from v2t_bench.leaderboard.rows import COLUMNS, Row

FRONTIER = "frontier.csv"
# Files that stand beside the boards and are made otherwise; no corpus may take their place.
_TAKEN = frozenset({"frontier", "index", "reproduction"})
_LONGEST = 100


def csv_files(board: Board) -> dict[str, str]:
    """Return the content of every board by file name."""
    by_corpus: dict[str, list[Row]] = {}
    for row in board.rows:
        by_corpus.setdefault(str(row["corpus"]), []).append(row)
    names = file_names(by_corpus)
    files = {names[corpus]: csv_text(rows, COLUMNS) for corpus, rows in by_corpus.items()}
    files[FRONTIER] = csv_text(board.frontier, frontier_columns(board.attacks))
    return dict(sorted(files.items()))


def file_names(corpora: Iterable[str]) -> dict[str, str]:
    """Return the file name of each corpus: no two the same on any file system.

    What is unsafe in a file name becomes ``-``. Names that would then be one, or stand for
    another file, are told apart by a hash of the corpus.
    """
    wanted = {corpus: safe_stem(corpus) for corpus in corpora}
    stems = distinct_stems(wanted, str, longest=_LONGEST, taken=_TAKEN)
    return {corpus: f"{stem}.csv" for corpus, stem in stems.items()}


def write_files(files: Mapping[str, str], folder: Path) -> list[str]:
    """Write each file whole, and return a line for each CSV there that no cell makes.

    Raises:
        BadInput: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, text)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written ({error.strerror}); choose another folder with -o"
        ) from error
    return _extra(files, folder)


def differing(files: Mapping[str, str], folder: Path) -> list[str]:
    """Return one line for each CSV of a folder that is not what the cells make."""
    told = []
    for name, text in files.items():
        path = folder / name
        if not path.is_file():
            told.append(f"{path}: missing")
            continue
        stored = path.read_bytes()
        if stored != text.encode():
            told.append(f"{path}: {_first_difference(stored.decode('utf-8', 'replace'), text)}")
    return told + _extra(files, folder)


def _extra(files: Mapping[str, str], folder: Path) -> list[str]:
    """Return one line for each board in a folder that no cell makes; other CSVs are no boards."""
    begins = ",".join(COLUMNS[:3]).encode()
    return [
        f"{path}: no cell makes it; remove it, or name the folder of its cells"
        for path in sorted(folder.glob("*.csv"))
        if path.name not in files and _head(path, len(begins)) == begins
    ]


def _head(path: Path, length: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(length)


def _first_difference(stored: str, made: str) -> str:
    """Return where two CSVs differ first, in words."""
    ours, theirs = (list(csv.reader(io.StringIO(text, newline=""))) for text in (stored, made))
    for at, (there, expected) in enumerate(zip_longest(ours, theirs), start=1):
        if there == expected:
            continue
        if there is None:
            return f"row {at} is missing ({len(ours)} rows, expected {len(theirs)})"
        if expected is None:
            return f"row {at} is made by no cell ({len(ours)} rows, expected {len(theirs)})"
        header = theirs[0]
        for column, (one, two) in enumerate(zip_longest(there, expected)):
            if one != two:
                named = header[column] if column < len(header) else f"column {column + 1}"
                return f"row {at}, {named}: holds {one!r}, expected {two!r}"
    return "the same values in other bytes"
