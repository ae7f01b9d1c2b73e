"""Write a table like NOTEEVENTS.csv of MIMIC-III, with generated notes: nothing in it is true.

It has the official columns, categories, placeholders of every published kind, notes that are
marked as errors and line breaks and quotes inside the text. Whoever has no access to MIMIC-III
can run everything that reads it.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import accumulate, chain
from pathlib import Path
from random import Random
from typing import Any, TextIO

from v2t_bench.corpora.demo_grammar import Facts, Word, read_topics, word_list
from v2t_bench.corpora.demo_grammar import read_tables as demo_tables
from v2t_bench.corpora.noteevents import COLUMNS, GENERATED
from v2t_bench.corpora.surrogates import read_tables
from v2t_bench.errors import BadInput, BadParameter

NOTES_A_PATIENT = 45
"""On average: MIMIC-III has 2,083,180 notes of 46,146 patients."""

ERROR_EVERY = 50
"""One note in so many is marked as an error; in MIMIC-III it is one in 2,300."""

# How the slots of a pattern are written; # becomes a number of the patient or the note.
PLACEHOLDERS: Mapping[str, Sequence[str]] = {
    "known_first": ("[**Known firstname #**]",),
    "known_last": ("[**Known lastname #**]",),
    "first": ("[**First Name (Titles) #**]", "[**First Name8 (NamePattern2) #**]",
              "[**Doctor First Name #**]", "[**First Name3 (LF) #**]", "[**Name6 (MD) #**]"),
    "last": ("[**Last Name (STitle) #**]", "[**Last Name (NamePattern1) #**]",
             "[**Doctor Last Name #**]", "[**Name8 (MD) #**]", "[**Last Name (un) #**]"),
    "name": ("[**Name (NI) #**]", "[**Female First Name (un) #**]",
             "[**Male First Name (un) #**]"),
    "date": ("[**%Y-%-m-%-d**]", "[**%-m-%-d**]", "[**%Y**]", "[**%B %Y**]",
             "[**Month (only) #**]", "[**Month/Day (1) #**]", "[**Month/Year (2) #**]"),
    "hospital": ("[**Hospital1 #**]", "[**Hospital #**]", "[**Hospital3 #**]"),
    "ward": ("[**Hospital Ward Name #**]", "[**Wardname #**]"),
    "unit": ("[**Hospital Unit Name #**]",),
    "town": ("[**Location (un) #**]", "[**Location #**]"),
    "phone": ("[**Telephone/Fax (1) #**]", "[**Telephone/Fax (3) #**]"),
    "pager": ("[**Pager number #**]",),
    "clip": ("[**Clip Number (Radiology) #**]",),
    "unitno": ("[**Numeric Identifier #**]", "[**Unit Number #**]"),
    "md": ("[**MD Number(1) #**]", "[**Initials (NamePattern4) #**]"),
}  # fmt: skip
# Written in turn, so that every kind is in a file of a few hundred notes.
OTHERS = (
    "Name2 (MD) #", "Name (PRE) #", "Name (STitle) #", "Name13 (STitle) #", "Name (NameIs) #",
    "Name Initial (NameIs) #", "Name Prefix (Prefixes) #", "Initial (NamePattern4) #",
    "Last Name (Titles) #", "Last Name (Prefixes) #", "Last Name (LF) #", "Last Name (ambig) #",
    "Doctor Last Name (ambig) #", "First Name11 (Name Pattern1) #", "First Name (STitle) #",
    "Known patient firstname #", "Known patient lastname #", "Hospital Unit Number #",
    "Location (Universities) #", "University/College #", "Street Address(2) #",
    "Apartment Address(1) #", "PO Box #", "State #", "State/Zipcode #", "Country #",
    "Company #", "Ethnicity #", "Medical Record Number #", "Social Security Number #",
    "Job Number #", "Serial Number #", "Provider Number #", "MD Number #", "Date range (1) #",
    "Date Range #", "Month/Day/Year #", "Month Day #", "Month Year #", "Month Day Year (2) #",
    "Day Month #", "Day Month Year #", "Year/Month #", "Year/Month/Day #", "Year (4 digits) #",
    "Year (2 digits) #", "Age over 90 #", "Holiday #", "E-mail address #", "URL #",
    "Attending Info #", "Dictator Info #", "CC Contact Info #", "", " #",
)  # fmt: skip


@dataclass(frozen=True)
class _Patient:
    """What all notes of one patient share."""

    subject_id: int
    admission: int
    gender: str
    known: int
    age: int
    admitted: date


def make_noteevents(path: Path, *, n_notes: int, seed: int) -> None:
    """Write ``n_notes`` generated notes to ``path``, a new file that ends in .csv or .csv.gz.

    The same numbers write the same bytes. The file appears under its name when it is whole.

    Raises:
        BadParameter: ``n_notes`` is below 1, or the name has another ending or is not in
            UTF-8.
        BadInput: the file is there already, or cannot be written.
    """
    if n_notes < 1:
        raise BadParameter(f"n_notes={n_notes} makes no note; give 1 or more")
    if not path.name.endswith((".csv", ".csv.gz")):
        raise BadParameter(f"{path.name!r} does not say what to write; end it in .csv or .csv.gz")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise BadParameter(f"{str(path)!a} is not in UTF-8; choose another name") from error
    if path.exists():
        raise BadInput(f"{path}: is there already; choose another name or remove it")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with _written(partial, compressed=path.suffix == ".gz") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(_rows(n_notes, seed))
        partial.rename(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _written(path: Path, *, compressed: bool) -> Iterator[TextIO]:
    """Open a text file; no clock time or name gets into a compressed one."""
    with path.open("wb") as plain:
        if not compressed:
            with io.TextIOWrapper(plain, encoding="utf-8", newline="") as text:
                yield text
            return
        with (
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=plain, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
        ):
            yield text


def _rows(n_notes: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the table."""
    random = Random(f"v2t-bench noteevents {seed}")
    kinds = read_tables("notes")["kinds"]
    limits = list(accumulate(kind["weight"] for kind in kinds))
    n_patients = n_notes // NOTES_A_PATIENT + 1
    for row_id in range(1, n_notes + 1):
        (kind,) = random.choices(kinds, cum_weights=limits)
        patient = _patient(seed, 1 + int(random.random() * n_patients))
        written = patient.admitted + timedelta(days=int(random.random() * 20))
        text = _text(random, kind, patient, written, row_id)
        time = f"{written} {random.randrange(24):02d}:{random.randrange(60):02d}:00"
        dated_only = kind["category"] in ("Discharge summary", "ECG", "Echo")
        yield (
            row_id,
            patient.subject_id,
            patient.admission,
            str(written),
            "" if dated_only else time,
            "" if dated_only else time,
            kind["category"],
            f"{kind['description']} {GENERATED}",
            "" if dated_only else 14000 + random.randrange(7000),
            1 if row_id % ERROR_EVERY == 0 else "",
            text,
        )


@cache
def _patient(seed: int, subject_id: int) -> _Patient:
    """Return what is known of a patient."""
    random = Random(f"v2t-bench noteevents {seed} patient {subject_id}")
    return _Patient(
        subject_id=subject_id,
        admission=100_000 + subject_id,
        gender=random.choice(("woman", "man")),
        known=random.randrange(1, 10_000),
        age=random.randrange(18, 90),
        # As the owners moved the dates.
        admitted=date(2100, 1, 1) + timedelta(days=random.randrange(36_500)),
    )


def _text(
    random: Random, kind: Mapping[str, Any], patient: _Patient, written: date, row_id: int
) -> str:
    """Return the text of one note."""
    known = {
        "age": Word(patient.age),
        "gender": Word(patient.gender),
        "sex": Word(patient.gender[0].replace("w", "f").upper()),
        "prefix": Word("Ms." if patient.gender == "woman" else "Mr."),
        "known_first": Word(f"[**Known firstname {patient.known}**]"),
        "known_last": Word(f"[**Known lastname {patient.known + 1}**]"),
        "iso": Word(f"{written.year}-{written.month}-{written.day}"),
        "other": Word(f"[**{_numbered(random, OTHERS[row_id % len(OTHERS)])}**]"),
    }
    sentences = read_tables("notes")["body"]["sentences"]
    shortest, longest = kind["length"]
    chosen = random.choices(sentences, k=random.randint(shortest, longest))
    facts = _Slots(random, _words(), known, written)
    parts = [random.choice(kind["starts"]), *chosen, random.choice(kind["endings"])]
    pieces = []
    for pattern in parts:
        pieces.append(facts.write(pattern))
        facts = _Slots(random, _words(), known, written)
    return "".join(pieces)


class _Slots(Facts):
    """Words and placeholders of one sentence."""

    def __init__(
        self,
        random: Random,
        words: Mapping[str, Sequence[str]],
        known: Mapping[str, Word],
        written: date,
    ) -> None:
        super().__init__(random, words, known)
        self._written = written

    def __missing__(self, slot: str) -> Word:
        """Write a placeholder, or draw a word as a demo text does."""
        forms = PLACEHOLDERS.get(slot.rstrip("2"))
        if forms is None:
            return super().__missing__(slot)
        form = forms[int(self.random.random() * len(forms))]
        if "%" in form:
            form = _dated(form, self._written - timedelta(days=self.random.randrange(1, 400)))
        return Word(_numbered(self.random, form))


def _dated(form: str, day: date) -> str:
    """Return a placeholder of a date; strftime writes no month without a zero everywhere."""
    written = form.replace("%Y", str(day.year)).replace("%B", f"{day:%B}")
    return written.replace("%-m", str(day.month)).replace("%-d", str(day.day))


def _numbered(random: Random, form: str) -> str:
    """Return a placeholder with its number, which one in four does not have."""
    if "#" not in form:
        return form
    number = str(random.randrange(1, 10_000)) if random.random() < 0.75 else ""
    return form.replace("#", number)


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    """Return what each slot draws from."""
    systems = read_topics("clinic").values()
    topics = [read_topics(stem) for stem in ("crafts", "living", "science")]
    people = chain.from_iterable(
        words.get("person", ()) for topic in topics for words in topic.values()
    )
    words = {
        slot: tuple(chain.from_iterable(system[slot] for system in systems))
        for slot in ("condition", "drug", "test", "finding")
    }
    signs = chain.from_iterable(system["sign"] for system in systems)
    return words | {
        "sign": tuple(sign.partition("=")[0] for sign in signs),
        "person": tuple(dict.fromkeys(people)),
        "nation": word_list(demo_tables("shared")["nations"]),
        "number": tuple(map(str, range(12, 99))),
        "hour": tuple(map(str, range(1, 13))),
        "minute": tuple(f"{minute:02d}" for minute in range(60)),
        "digit": tuple("123456789"),
        "digit3": tuple("123456789"),
    }
