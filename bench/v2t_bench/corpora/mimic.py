"""The notes of MIMIC-III, from a credentialed user's own copy, with made-up names in them."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from v2t_bench.corpora.noteevents import Note, Reading, read_notes
from v2t_bench.corpora.placeholders import Replaced, replace_placeholders
from v2t_bench.corpora.records import Corpus, Document, PackedDocuments
from v2t_bench.corpora.surrogates import Person, Surrogates
from v2t_bench.errors import BadInput
from v2t_bench.scoring.names import Name

KEPT_CHARACTERS = 1000
"""What is kept of a note: its first two pieces of up to 128 tokens.

A token of a note has three to four characters. Two million whole notes are 4 GB.
"""

# Of a placeholder more is written than stands for it.
READ_CHARACTERS = 2 * KEPT_CHARACTERS
# A cut note ends with a whole word, unless its last one is longer than this.
LONGEST_WORD = 100
# Three marks on either side of 200 characters at most.
LONGEST_PLACEHOLDER = 206
VERSION = 1
"""Of what is made of a file; part of the hash of the corpus."""


def read_mimic(path: Path, *, seed: int = 0, surnames: Sequence[str] | None = None) -> Corpus:
    """Return the notes in ``path``, which is NOTEEVENTS.csv or NOTEEVENTS.csv.gz of MIMIC-III.

    Each note is a document; its id is its ROW_ID. It is kept up to `KEPT_CHARACTERS`, with
    made-up values for its placeholders (`replace_placeholders`). Who is named in it is the
    patient where both names are kept, else the first person who is named in full.

    Notes of which each says that it was generated are called ``mimic-generated``.

    Args:
        path: The file; it is read once, as a stream.
        seed: Of the made-up values.
        surnames: What surnames are drawn from; none of them should stand in the training text
            of an attack. Default: `default_surnames`.

    Raises:
        BadInput: the file cannot be used; the message names file and line and tells no text.
        BadParameter: there is no surname.
    """
    surrogates = Surrogates(seed, surnames=surnames)
    reading = Reading()
    counts = _Counts()
    named = _Named()
    documents = PackedDocuments(_documents(path, reading, surrogates, counts, named))
    if not len(documents):
        raise BadInput(
            f"{path}: every note is blank or marked as an error; expected notes with text"
        )
    made = f"noteevents {VERSION} {reading.sha256.hexdigest()} {surrogates.fingerprint()}"
    return Corpus(
        name="mimic" if reading.n_real else "mimic-generated",
        split="all",
        documents=documents,
        queries={},
        judgements={},
        names=named.mapping(surrogates),
        known_item=True,
        only_named=True,
        redistributable=False,
        restricted=True,
        notices=counts.notices(reading),
        content_hash=hashlib.sha256(made.encode()).hexdigest(),
        flags=("known-item",),
    )


def _documents(
    path: Path, reading: Reading, surrogates: Surrogates, counts: _Counts, named: _Named
) -> Iterator[Document]:
    """Yield the notes as documents, and note who is named in them."""
    for note in read_notes(path, reading):
        replaced = replace_placeholders(
            _start_of(note.text), note.subject_id, surrogates, enough=KEPT_CHARACTERS + 1
        )
        text = _cut(replaced.text)
        counts.add(note, replaced)
        person = _person(replaced, len(text), note.subject_id, surrogates)
        if person is not None:
            named.add(note.row_id, person)
        yield Document(str(note.row_id), "", text)


def _start_of(text: str) -> str:
    """Return enough of a note to keep `KEPT_CHARACTERS` of it, without half a placeholder."""
    text = text.lstrip()
    if len(text) <= READ_CHARACTERS:
        return text.rstrip()
    start = text[:READ_CHARACTERS]
    opened = start.rfind("[**")
    # What is longer is no placeholder, and its mark is left out by itself.
    half = start.rfind("**]") < opened and len(start) - opened < LONGEST_PLACEHOLDER
    return start[:opened] if half else start


def _cut(text: str) -> str:
    """Return at most `KEPT_CHARACTERS` of a text, up to the end of a word."""
    if len(text) <= KEPT_CHARACTERS:
        return text
    words = text[: KEPT_CHARACTERS + 1].rsplit(None, 1)[0]
    if KEPT_CHARACTERS - LONGEST_WORD < len(words) <= KEPT_CHARACTERS:
        return words
    return text[:KEPT_CHARACTERS]


def _person(replaced: Replaced, kept: int, subject: int, surrogates: Surrogates) -> Person | None:
    """Return whose names both stand in the part that is kept."""
    if replaced.patient_end is not None and replaced.patient_end <= kept:
        return surrogates.patient(subject)
    return replaced.person if replaced.person_end <= kept else None


@dataclass
class _Counts:
    """What was odd in the notes."""

    n_cut: int = 0
    n_unknown: int = 0
    n_stray: int = 0

    def add(self, note: Note, replaced: Replaced) -> None:
        self.n_cut += len(note.text) > READ_CHARACTERS or len(replaced.text) > KEPT_CHARACTERS
        self.n_unknown += replaced.n_unknown
        self.n_stray += replaced.n_stray

    def notices(self, reading: Reading) -> tuple[str, ...]:
        """Return a line for each thing that happened at all."""
        told = {
            "notes marked as errors (ISERROR), left out": reading.n_errors,
            "notes without text, left out": reading.n_blank,
            f"notes read up to their first {KEPT_CHARACTERS} characters": self.n_cut,
            "placeholders of kinds that are not on the published list, replaced by a neutral "
            "value": self.n_unknown,
            "marks of placeholders that do not begin or end, left out": self.n_stray,
        }
        return tuple(f"{what}: {count}" for what, count in told.items() if count)


@dataclass
class _Named:
    """Which notes name whom, in twelve bytes a note."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    first: array[int] = field(default_factory=lambda: array("H"))
    last: array[int] = field(default_factory=lambda: array("I"))

    def add(self, row_id: int, person: Person) -> None:
        self.rows.append(row_id)
        self.first.append(person.first)
        self.last.append(person.last)

    def mapping(self, surrogates: Surrogates) -> Mapping[str, Name]:
        """Return document id to name."""
        return _Names(self, surrogates)


class _Names(Mapping[str, Name]):
    """Document id to name, in the order of the file; two million of them take 60 MB."""

    def __init__(self, named: _Named, surrogates: Surrogates) -> None:
        self._surrogates = surrogates
        self._rows = np.array(named.rows, dtype=np.int64)  # (n,)
        self._first = np.array(named.first, dtype=np.uint16)
        self._last = np.array(named.last, dtype=np.uint32)
        self._order = np.argsort(self._rows)
        self._sorted = self._rows[self._order]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return (str(row) for row in self._rows)

    def __getitem__(self, key: str) -> Name:
        """Return who is named in one document."""
        # Only what stands for a ROW_ID as it is written here: "07" is no document.
        row = int(key) if key.isascii() and key.isdigit() and len(key) <= 10 else -1
        place = int(np.searchsorted(self._sorted, row))
        if place == len(self._sorted) or self._sorted[place] != row or str(row) != key:
            raise KeyError(key)
        index = int(self._order[place])
        return self._surrogates.name(Person(int(self._first[index]), int(self._last[index])))
