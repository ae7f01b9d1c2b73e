"""Read anyone's own texts, and the queries that should find them where there are any.

``texts:<file>[,queries=<file>,judgements=<file>]``. The texts are in a ``.txt`` file, one a
line, or in a ``.jsonl`` file, one object a line: ``text``, and where there are any ``title``,
``_id`` (or ``id``), ``label``, ``first_name`` and ``last_name``. Queries are in a ``.jsonl``
file (``_id`` and ``text``) or a ``.tsv`` file (id, tab, text), judgements in one as of BEIR.
Every name may end in ``.gz`` or ``.zst`` besides.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench.canonical import hash64
from v2t_bench.corpora.fields import About, label_in, person_in, read_id, refuse_twins
from v2t_bench.corpora.judgements import Judgements, check_fit, only_judged, read_judgements
from v2t_bench.corpora.records import Corpus, Document, PackedDocuments
from v2t_bench.errors import BadInput, BadParameter, BadSpelling
from v2t_bench.lines import expanded, parse_record, read_lines, text_field
from v2t_bench.spelling import Spelling, parse
from v2t_bench.training_text import COMPRESSED, PLAIN, RECORDS

TEXTS = "texts"
TABLE = ".tsv"
SPELLED = f"{TEXTS}:<file>[,queries=<file>,judgements=<file>]"
# All of their documents; nobody has split them.
SPLIT = "all"
# A flag: the queries are made of the documents.
KNOWN_ITEM = "known-item"

_QUOTE = 'a path that holds any of , [ ] " + @ = is put in double quotes'
_PATHS = ("queries", "judgements")


def open_own_texts(spelling: str) -> Corpus:
    """Return the texts that are spelled as in `SPELLED`.

    Raises:
        BadSpelling, BadParameter: they are spelled otherwise.
        BadInput: as for `read_own_texts`.
    """
    try:
        given = parse(spelling)
    except BadSpelling as error:
        raise BadSpelling(f"{error}; expected {SPELLED}, where {_QUOTE}") from error
    unknown = [name for name in given.named if name not in _PATHS]
    if unknown or given.revision is not None:
        what = f"the parameter {unknown[0]!r}" if unknown else "a revision"
        raise BadParameter(f"{spelling!r} has {what}; expected {SPELLED}, where {_QUOTE}")
    if len(given.positional) != 1:
        n = len(given.positional)
        raise BadParameter(f"{spelling!r} names {n or 'no'} files of texts; expected {SPELLED}")
    paths = {TEXTS: given.positional[0], **given.named}
    for name, value in paths.items():
        if isinstance(value, Spelling) or not value:
            raise BadParameter(
                f"{spelling!r}: {name} is {str(value)!r} and no file; expected {SPELLED}"
            )
    missing = [name for name in _PATHS if name not in given.named]
    if len(missing) == 1:
        raise BadParameter(
            f"{spelling!r} has no {missing[0]}; give queries and judgements, or neither to have "
            "each text found by what follows its first piece"
        )
    files = {name: expanded(str(value)) for name, value in paths.items()}
    return read_own_texts(files[TEXTS], files.get("queries"), files.get("judgements"))


def read_own_texts(
    file: Path, queries: Path | None = None, judgements: Path | None = None
) -> Corpus:
    """Return the texts in ``file``, which is named after it.

    Without ``queries`` and ``judgements`` the corpus is known-item. A text's id is that of its
    record, or else the number of its line. Repeated texts stay. What is odd but can be used is
    told in the notices.

    Raises:
        BadInput: naming file and line: a file is missing, damaged or of no known kind, a field is
            missing or of the wrong type, an id stands twice, or the files do not fit together.
        EmptyJudgements: no query has a grade above 0.
    """
    if file.is_dir():
        raise BadInput(f"{file}: is a folder; expected a file (beir:<folder> reads a folder)")
    notices: list[str] = []
    asked: dict[str, str] = {}
    judged: Judgements = {}
    if queries is not None and judgements is not None:
        asked = _queries(queries)
        judged = read_judgements(judgements, asked, queries, notices)
    about = About(judged={document for grades in judged.values() for document in grades})
    reading = _Reading(file, _kind(file, (PLAIN, RECORDS)), about)
    documents = PackedDocuments(reading.documents())
    if len(documents) == about.n_blank:
        n_blank = reading.n_left_out + about.n_blank
        raise BadInput(f"{file}: holds no text ({n_blank} blank lines); expected one text a line")
    if judgements is not None:
        check_fit(judged, about.found, judgements, notices)
        asked = only_judged(asked, judged, judgements.name, notices)
    return Corpus(
        name=f"{TEXTS}:{_plain(file).stem}",
        split=SPLIT,
        documents=documents,
        queries=asked,
        judgements=judged,
        names=about.names,
        labels=about.labels,
        known_item=judgements is None,
        redistributable=False,
        flags=() if judgements is not None else (KNOWN_ITEM,),
        notices=(*about.notices(), *reading.notices(), *notices),
    )


@dataclass
class _Reading:
    """Reads the texts of a file once, and counts what is odd.

    Args:
        path: The file.
        kind: The ending that says what it holds.
        about: Takes what records say beside their texts.
        n_left_out: Lines that held nothing.
        n_odd_labels, n_odd_names: Records whose label or name cannot be used.
        seen: The hash of every text.
    """

    path: Path
    kind: str
    about: About
    n_left_out: int = 0
    n_odd_labels: int = 0
    n_odd_names: int = 0
    seen: array[int] = field(default_factory=lambda: array("Q"))

    def documents(self) -> Iterator[Document]:
        """Yield every text.

        Raises:
            BadInput: naming file and line: see `read_own_texts`.
        """
        hashes = array("Q")
        for place, key, record in self._records():
            title = text_field(record, "title", place, optional=True)
            document = Document(key, title, text_field(record, "text", place))
            self._note(document, record, place)
            hashes.append(hash64(key))
            yield document
        refuse_twins("text", hashes, ((key, place) for place, key, _ in self._records()))

    def _records(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield place, id and fields of every line that is not blank."""
        self.n_left_out = 0
        for number, line in read_lines(self.path):
            place = f"{self.path}:{number}"
            if not line.strip():
                self.n_left_out += 1
            elif self.kind == PLAIN:
                yield place, str(number), {"text": line.strip()}
            else:
                record = parse_record(line, place)
                named = "_id" in record or "id" in record
                key = read_id(record, place, ("_id", "id")) if named else str(number)
                yield place, key, record

    def _note(self, document: Document, record: Mapping[str, Any], place: str) -> None:
        metadata = record.get("metadata")
        told = {**(metadata if isinstance(metadata, dict) else {}), **record}
        self.about.note(document, told, place)
        self.n_odd_labels += told.get("label") is not None and label_in(told) is None
        parts = (told.get("first_name"), told.get("last_name"))
        self.n_odd_names += parts != (None, None) and person_in(told) is None
        if document.content:
            self.seen.append(hash64(document.content))

    def notices(self) -> list[str]:
        """Return what is odd about the texts, one line each."""
        told = {
            "blank lines, left out": self.n_left_out,
            "texts equal to an earlier one, kept and attacked once": (
                len(self.seen) - len(np.unique(np.frombuffer(self.seen, np.uint64)))
            ),
            "labels that are neither text nor whole numbers, left out": self.n_odd_labels,
            "names without a first_name or a last_name, left out": self.n_odd_names,
        }
        return [f"{what}: {n}" for what, n in told.items() if n]


def _queries(path: Path) -> dict[str, str]:
    """Return the text of every query by its id."""
    found: dict[str, str] = {}
    lines: dict[str, str] = {}
    rows = _table if _kind(path, (RECORDS, TABLE)) == TABLE else _query_records
    for place, key, text in rows(path):
        if key in found:
            raise BadInput(
                f"{place}: query id {key!r} already stands on line {lines[key]}; "
                "expected every id once"
            )
        found[key], lines[key] = text, place.rpartition(":")[2]
    return found


def _query_records(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, id and text of every line, an object each."""
    for number, line in read_lines(path):
        if line.strip():
            place = f"{path}:{number}"
            record = parse_record(line, place)
            yield place, read_id(record, place), text_field(record, "text", place)


def _table(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, id and text of every line, separated by a tab."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place, columns = f"{path}:{number}", line.split("\t")
        if len(columns) != 2 or not columns[0].strip():
            raise BadInput(
                f"{place}: has {len(columns)} columns, the first {columns[0][:40]!r}; expected an "
                "id, a tab and a text without tabs"
            )
        yield place, columns[0], columns[1]


def _plain(path: Path) -> Path:
    """Return the path without the ending of a compressed file."""
    return path.with_suffix("") if path.suffix in COMPRESSED else path


def _kind(path: Path, kinds: tuple[str, ...]) -> str:
    """Return which of the ``kinds`` a file is by its name.

    Raises:
        BadInput: none of them.
    """
    ending = _plain(path).suffix
    if ending not in kinds:
        raise BadInput(
            f"{path}: is of no known kind; expected a name that ends in {' or '.join(kinds)}, and "
            f"then perhaps in {' or '.join(COMPRESSED)}"
        )
    return ending
