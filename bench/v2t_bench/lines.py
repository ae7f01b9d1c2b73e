"""Read a text file line by line, plain or compressed, and name the line that is wrong."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from v2t_bench.errors import BadInput

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_LINE_BYTES = 2**26
"""A longer line is taken for a binary file, before it fills the memory (64 MiB)."""

BYTE_ORDER_MARK = "\ufeff"


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield every line of ``path`` with its number, counted from 1, without its line break.

    A name that ends in ``.gz`` or ``.zst`` is decompressed. Only ``\n`` and ``\r\n``
    end a line: other separators of Unicode may stand inside a text.

    Raises:
        BadInput: naming file and line: the file is missing, is no text in UTF-8, or its
            compressed stream is damaged or ends too early.
    """
    number = 0
    try:
        with closing(_opened(path)) as stream:
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                yield number, _decoded(line, f"{path}:{number}", first=number == 1)
    except EOFError as error:
        raise BadInput(
            f"{path}:{number + 1}: the compressed stream ends too early; "
            "the file is truncated, fetch or compress it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error, _BadZstd) as error:
        raise BadInput(
            f"{path}:{number + 1}: the compressed stream is damaged ({error}); "
            f"expected what the name's ending {path.suffix!r} says"
        ) from error
    except FileNotFoundError as error:
        raise BadInput(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise BadInput(f"{path}: is a folder; expected a file") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror or error})") from error


def parse_record(line: str, place: str) -> dict[str, Any]:
    """Return the JSON object that ``line`` holds.

    Raises:
        BadInput: naming ``place``: it is not one JSON object.
    """
    try:
        record = json.loads(line)
    except RecursionError as error:
        raise BadInput(
            f"{place}: malformed JSON (nested too deeply); expected one JSON object a line"
        ) from error
    except ValueError as error:  # also an integer of more digits than Python converts
        raise BadInput(
            f"{place}: malformed JSON ({error}); expected one JSON object a line"
        ) from error
    if not isinstance(record, dict):
        raise BadInput(
            f"{place}: holds a JSON {json_type(record)}; expected one JSON object a line"
        )
    return record


def text_field(record: dict[str, Any], key: str, place: str, *, optional: bool = False) -> str:
    """Return the text under ``key``; a missing or null one is "" where it is optional.

    Raises:
        BadInput: it is missing, not a string, or cannot be written as UTF-8.
    """
    value = record.get(key)
    if value is None and optional:
        return ""
    if key not in record:
        present = ", ".join(repr(name) for name in record) or "none"
        raise BadInput(
            f"{place}: has no field {key!r}; expected a string there (fields: {present})"
        )
    if not isinstance(value, str):
        raise BadInput(f"{place}: field {key!r} is a {json_type(value)}; expected a string")
    check_encodable(value, f"{place}: field {key!r}")
    return value


def check_encodable(text: str, what: str) -> None:
    """Refuse half a surrogate pair, which JSON can spell but no tokenizer accepts.

    Raises:
        BadInput: naming ``what`` holds it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{what} holds half of a surrogate pair (character {error.start + 1}); "
            "write the file again as UTF-8"
        ) from error


def expanded(path: str) -> Path:
    """Return ``path`` with a leading ``~`` or ``~user`` replaced by that home folder.

    Raises:
        BadInput: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BadInput(f"{path}: there is no such user's folder; give the whole path") from error


def json_type(value: object) -> str:
    """Return what JSON calls the type of ``value``."""
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _opened(path: Path) -> io.BufferedIOBase:
    """Return the decompressed bytes of ``path``, buffered."""
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zst":
        return io.BufferedReader(_ZstdStream(path.open("rb")), buffer_size=2**20)
    return path.open("rb")


def _decoded(line: bytes, place: str, *, first: bool) -> str:
    """Return the text of one line, its end of line and a byte order mark removed."""
    if len(line) > MAX_LINE_BYTES:
        raise BadInput(
            f"{place}: the line is longer than {MAX_LINE_BYTES} bytes; expected one text a line"
        )
    if b"\0" in line:
        raise BadInput(f"{place}: holds a NUL byte, so it is not a text file; expected UTF-8 text")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{place}: byte {error.start + 1} of the line is not UTF-8 ({error.reason}); "
            "convert the file to UTF-8"
        ) from error
    if first:
        text = text.removeprefix(BYTE_ORDER_MARK)
    return text.removesuffix("\n").removesuffix("\r")


class _BadZstd(Exception):
    """Zstandard could not make sense of the bytes."""


class _ZstdStream(io.RawIOBase):
    """The decompressed bytes of a zstd file of one or more frames.

    The reader of the zstandard package ends silently where a file is truncated; this one
    raises EOFError, as gzip does.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Read from ``file``, which is closed with this stream."""
        import zstandard

        self._file = file
        self._failure: type[Exception] = zstandard.ZstdError
        self._frame = zstandard.ZstdDecompressor().decompressobj
        self._current = self._frame()
        self._inside = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Return True: it is read from."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill ``buffer`` and return how many bytes were put there; 0 at the end."""
        target = memoryview(buffer)
        while not self._ready:
            compressed = self._current.unused_data or self._file.read(2**17)
            if not compressed:
                if self._inside:
                    raise EOFError
                return 0
            if self._current.eof:
                self._current = self._frame()
            try:
                self._ready = memoryview(self._current.decompress(compressed))
            except self._failure as error:
                raise _BadZstd(str(error)) from error
            self._inside = not self._current.eof
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Close the file underneath too."""
        self._file.close()
        super().close()
