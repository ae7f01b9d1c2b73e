"""Read texts from a file: those an attack is trained on, or every line as it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.lines import parse_record, read_lines, text_field

COMPRESSED = (".gz", ".zst")
PLAIN, RECORDS = ".txt", ".jsonl"

Titles: TypeAlias = Literal["with", "without", "half"]


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """The usable texts of a file, and what was left out.

    Args:
        texts: In the order of the file, each once, without surrounding white space.
        n_blank: Lines that held nothing.
        n_duplicate: Lines equal to an earlier one. They are left out so that texts set
            aside to measure a training are not among those it learns from.
        sha256: Of the texts, each ended by a line break: the same for every way of
            storing the same texts.
    """

    texts: list[str]
    n_blank: int
    n_duplicate: int
    sha256: str


def read_texts(path: Path, *, limit: int | None = None, titles: Titles = "with") -> TextFile:
    """Return the texts of a ``.txt`` or ``.jsonl`` file, which may end in ``.gz`` or ``.zst``.

    A ``.txt`` file holds one text a line; a ``.jsonl`` file one object a line with the
    field ``text`` and, if there is one, ``title``, put before it with one space. The file
    is read line by line and no further than needed.

    Args:
        path: The file.
        limit: How many usable texts to read, or None for all.
        titles: Whether titles are put there; ``half`` leaves out those of every other
            record, chosen by its content and not by its place.

    Raises:
        BadInput: naming file and line: it is not such a file, or holds no text.
        BadParameter: ``limit`` is below 1.
    """
    if limit is not None and limit < 1:
        raise BadParameter(f"limit={limit} reads no text; give 1 or more, or leave it out")
    digest = hashlib.sha256()
    seen: dict[str, None] = {}
    n_blank = n_duplicate = 0
    for text in _texts(path, titles):
        if not text:
            n_blank += 1
        elif text in seen:
            n_duplicate += 1
        else:
            seen[text] = None
            digest.update(text.encode() + b"\n")
            if len(seen) == limit:
                break
    if not seen:
        raise _no_text(path, n_blank)
    return TextFile(
        texts=list(seen), n_blank=n_blank, n_duplicate=n_duplicate, sha256=digest.hexdigest()
    )


def read_every_text(path: Path, *, limit: int | None = None) -> list[str]:
    """Return the text of every line of a file as `read_texts` takes it, without surrounding space.

    Repeated texts stay, and so do blank ones, as "": the n-th text is that of line n.

    Args:
        path: The file.
        limit: Read no further than so many lines, or None for all.

    Raises:
        BadInput: naming file and line: it is not such a file, or all of it is blank.
        BadParameter: ``limit`` is below 1.
    """
    if limit is not None and limit < 1:
        raise BadParameter(f"limit={limit} reads no text; give 1 or more, or leave it out")
    texts = list(islice(_texts(path, "with"), limit))
    if not any(texts):
        raise _no_text(path, len(texts))
    return texts


def _no_text(path: Path, n_blank: int) -> BadInput:
    return BadInput(f"{path}: holds no text ({n_blank} blank lines); expected one text a line")


def _texts(path: Path, titles: Titles) -> Iterator[str]:
    """Yield the text of every line, stripped; blank ones too."""
    endings = [ending for ending in path.suffixes if ending not in COMPRESSED]
    ending = endings[-1] if endings else ""
    if ending == PLAIN:
        for _, line in read_lines(path):
            yield line.strip()
    elif ending == RECORDS:
        for number, line in read_lines(path):
            yield _text_of_record(line, f"{path}:{number}", titles) if line.strip() else ""
    else:
        raise BadInput(
            f"{path}: is of no known kind; expected a name that ends in {PLAIN} (one text a "
            f"line) or {RECORDS} (one object a line), and then perhaps in .gz or .zst"
        )


def _text_of_record(line: str, place: str, titles: Titles) -> str:
    """Return title and text of one JSON object, joined as a corpus joins them."""
    record = parse_record(line, place)
    title = text_field(record, "title", place, optional=True)
    text = text_field(record, "text", place)
    joined = f"{title} {text}".strip()
    if titles == "with":
        return joined
    untitled = titles == "without" or hashlib.sha256(joined.encode()).digest()[0] % 2 == 1
    return text.strip() if untitled else joined
