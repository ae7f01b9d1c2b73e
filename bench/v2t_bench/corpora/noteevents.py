"""Read the notes of MIMIC-III out of NOTEEVENTS.csv, one at a time, without telling any text.

The notes are restricted: what is wrong is told by file, line and column; no value of the file
is ever part of a message, because where quoting is broken any column may hold text.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from v2t_bench.errors import BadInput

if TYPE_CHECKING:
    from typing_extensions import Buffer

COLUMNS = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY",
    "DESCRIPTION", "CGID", "ISERROR", "TEXT",
)  # fmt: skip
"""The columns of the table NOTEEVENTS in MIMIC-III v1.4."""

MAX_BYTES = 2**26
"""A longer field or line is taken for a broken file, before it fills the memory (64 MiB)."""

GENERATED = "(generated)"
"""How the DESCRIPTION of a note ends that `made_notes` wrote."""

MAX_ROW_ID = 2**31 - 1
"""ROW_ID is a PostgreSQL INT in MIMIC's own schema."""

BUFFER = 2**20
# Tables that went through another tool write an integer column with gaps as 1.0 and 0.0.
NOT_AN_ERROR, AN_ERROR = frozenset(("", "0", "0.0")), frozenset(("1", "1.0"))


@dataclass(frozen=True, slots=True)
class Note:
    """One note: who it is about and what kind of note it is.

    Args:
        row_id: Unique in the file.
        subject_id: The patient.
        category: Such as ``Discharge summary``.
        text: With de-identification placeholders.
    """

    row_id: int
    subject_id: int
    category: str
    text: str


@dataclass
class Reading:
    """What became known of a file while it was read.

    Args:
        n_errors: Notes that the hospital marked as errors, left out.
        n_blank: Notes without text, left out.
        n_real: Notes that do not say of themselves that they are generated.
        sha256: Of the uncompressed bytes; complete once every note was taken.
    """

    n_errors: int = 0
    n_blank: int = 0
    n_real: int = 0
    sha256: hashlib._Hash = field(default_factory=hashlib.sha256)


def read_notes(path: Path, reading: Reading | None = None) -> Iterator[Note]:
    """Yield the notes of ``path`` in order, without those marked as errors or blank.

    The file is read as a stream: at no time is more than one note of it in memory. A name
    that ends in ``.gz`` is decompressed. ``reading`` is filled while notes are taken.

    Raises:
        BadInput: naming file and line: the file is missing, empty, truncated or no UTF-8
            text, lacks a column, is not quoted as RFC 4180 says, or repeats a ROW_ID.
    """
    reading = Reading() if reading is None else reading
    # One limit for the whole process: the csv module knows no other.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_BYTES))
    rows = _rows(path, reading)
    _, header = next(rows, (1, []))
    order = _column_order(header, path)
    seen = _Seen()
    n_notes = 0
    for line, row in rows:
        place = f"{path}:{line}"
        if len(row) != len(COLUMNS):
            raise BadInput(
                f"{place}: the row has {len(row)} columns; expected {len(COLUMNS)}, text quoted "
                "and quotes in it doubled; export the table again"
            )
        n_notes += 1
        note, is_error = _note(row, order, place)
        if not seen.add(note.row_id):
            raise BadInput(
                f"{place}: its ROW_ID stands on an earlier line too; expected every ROW_ID once"
            )
        reading.n_real += not row[order[7]].endswith(GENERATED)
        if is_error:
            reading.n_errors += 1
        elif not note.text.strip():
            reading.n_blank += 1
        else:
            yield note
    if not n_notes:
        raise BadInput(f"{path}: holds no notes; expected a row for each after the header")


def _note(row: Sequence[str], order: Sequence[int], place: str) -> tuple[Note, bool]:
    """Return the note in a row, and whether it is marked as an error."""
    values = [row[index] for index in order]
    row_id = _whole_number(values[0], "ROW_ID", place)
    subject_id = _whole_number(values[1], "SUBJECT_ID", place)
    marked = values[9].strip()
    if marked not in NOT_AN_ERROR and marked not in AN_ERROR:
        raise BadInput(f"{place}: ISERROR is neither empty, 0 nor 1; expected one of them")
    return Note(row_id, subject_id, values[6].strip(), values[10]), marked in AN_ERROR


def _whole_number(text: str, column: str, place: str) -> int:
    """Return the number in a column of identifiers."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_ROW_ID):
        raise BadInput(
            f"{place}: {column} is not a whole number from 0 to {MAX_ROW_ID}; expected one in "
            "every row (if the columns are shifted, a quote in an earlier row is not closed)"
        )
    return int(text)


def _column_order(header: Sequence[str], path: Path) -> list[int]:
    """Return where each of `COLUMNS` stands in the header."""
    names = [name.strip().upper() for name in header]
    expected = f"expected the columns of MIMIC-III v1.4: {','.join(COLUMNS)}"
    if not any(names):
        raise BadInput(f"{path}: is empty; {expected}")
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        which = ", ".join(missing) if len(missing) < len(COLUMNS) else "no column of NOTEEVENTS"
        lacks = "lacks" if len(missing) < len(COLUMNS) else "holds"
        raise BadInput(f"{path}:1: the header {lacks} {which}; {expected}")
    if len(names) > len(COLUMNS):
        raise BadInput(
            f"{path}:1: the header has {len(names)} columns, "
            f"{len(names) - len(COLUMNS)} of them unknown or repeated; {expected}"
        )
    return [names.index(column) for column in COLUMNS]


def _rows(path: Path, reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of every row that is not empty, with the line it begins on."""
    rows, start, problem = None, 1, ""
    try:
        with closing(_Bytes(path, reading.sha256)) as stream:
            # Only \n ends a line: \r and Unicode's separators may stand inside a note.
            text = io.TextIOWrapper(
                io.BufferedReader(stream, BUFFER), encoding="utf-8-sig", newline="\n"
            )
            rows = csv.reader(text, strict=True)
            for row in rows:
                if row:
                    yield start, row
                start = rows.line_num + 1
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, OSError) as error:
        problem = _problem(error, path, start, rows.line_num if rows else start)
    # Raised here, without a cause: a decoding error holds the bytes that were decoded.
    if problem:
        raise BadInput(problem)


def _problem(error: Exception, path: Path, start: int, end: int) -> str:
    """Return what to tell of a file whose row from ``start`` to ``end`` cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return _undecodable(path)
    if isinstance(error, csv.Error):
        return _malformed(path, start, end, str(error))
    if isinstance(error, EOFError):
        return (
            f"{path}:{start}: the compressed stream ends too early; the file is truncated, "
            "copy it again"
        )
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return f"{path}:{start}: the compressed stream is damaged; expected gzip, as its name says"
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file; expected NOTEEVENTS.csv or NOTEEVENTS.csv.gz"
    if isinstance(error, IsADirectoryError):
        return f"{path}: is a folder; expected the file NOTEEVENTS.csv or NOTEEVENTS.csv.gz in it"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{path}: cannot be read ({reason or type(error).__name__})"


def _undecodable(path: Path) -> str:
    """Return what to tell of a file that is not UTF-8 throughout; it is read once more."""
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (
                    f"{path}:{number}: byte {error.start + 1} of the line is not UTF-8 "
                    f"({error.reason}); convert the file to UTF-8"
                )
    return f"{path}: is not UTF-8; convert the file to UTF-8"


def _malformed(path: Path, start: int, end: int, said: str) -> str:
    """Return what to tell where the csv module gave up on a row; it never quotes the row."""
    place = f"{path}:{start}"
    if "field limit" in said:
        return (
            f"{place}: a field is longer than {MAX_BYTES} characters; a quote is not closed, or "
            "this is not a table of notes; export the table again"
        )
    if "end of data" in said:
        return (
            f"{place}: the row that begins here is not finished where the file ends (line {end}); "
            "a quote is not closed or the file is truncated, copy it again"
        )
    return (
        f"{place}: the quoting of the row that begins here is broken (at line {end}); expected "
        "text in quotes and quotes in it doubled, as RFC 4180 says; export the table again"
    )


def _opened(path: Path) -> IO[bytes]:
    """Return the decompressed bytes of ``path``."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


class _Seen:
    """A set of identifiers in one bit each: two million as numbers would take 150 MB."""

    def __init__(self) -> None:
        """Start empty."""
        self._bits = bytearray(2**16)

    def add(self, number: int) -> bool:
        """Add a number and return whether it is new."""
        byte, bit = number >> 3, 1 << (number & 7)
        if byte >= len(self._bits):
            self._bits.extend(bytes(max(byte + 1 - len(self._bits), len(self._bits))))
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        return True


class _Bytes(io.RawIOBase):
    """The decompressed bytes of a file, hashed and checked on their way."""

    def __init__(self, path: Path, sha256: hashlib._Hash) -> None:
        """Open ``path``."""
        self._path = path
        self._file = _opened(path)
        self._sha256 = sha256
        self._n_lines = 0
        self._line_bytes = 0

    def readable(self) -> bool:
        """Return True: it is read from."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill ``buffer`` and return how many bytes were put there; 0 at the end."""
        with memoryview(buffer) as target:
            chunk = self._file.read(len(target))
            target[: len(chunk)] = chunk
        self._sha256.update(chunk)
        if (where := chunk.find(b"\0")) >= 0:
            line = self._n_lines + chunk.count(b"\n", 0, where) + 1
            raise BadInput(
                f"{self._path}:{line}: holds a NUL byte, so it is not a text file; "
                "expected a table in UTF-8"
            )
        last = chunk.rfind(b"\n")
        self._line_bytes = len(chunk) - last - 1 + (self._line_bytes if last < 0 else 0)
        if self._line_bytes > MAX_BYTES:
            raise BadInput(
                f"{self._path}:{self._n_lines + 1}: the line is longer than {MAX_BYTES} bytes; "
                "expected a table of notes"
            )
        self._n_lines += chunk.count(b"\n")
        return len(chunk)

    def close(self) -> None:
        """Close the file underneath too."""
        self._file.close()
        super().close()
