"""Put made-up values where the owners of MIMIC-III took real ones out.

As in Lehman et al. 2021, "Does BERT Pretrained on Clinical Notes Reveal Sensitive Data?": a
patient has one made-up name, which stands wherever the notes said the known name. Where that
paper left the other placeholders empty, here each has a made-up value too, so that a text
reads as it did; the same placeholder of a patient always has the same one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from v2t_bench.corpora.placeholder_kinds import (
    DATES,
    LAST_NUMBERS,
    PATIENT_FIRST,
    PATIENT_LAST,
    PATIENTS,
    PEOPLE,
    Kind,
    kind_of,
    values,
    word_months,
    written_date,
)
from v2t_bench.corpora.surrogates import Draw, Person, Surrogates

PLACEHOLDER = re.compile(r"\[\*\*([^\[\]]{0,200}?)\*\*\]")
STRAY = re.compile(r"\[\*\*|\*\*\]")
LITERAL = re.compile(r"[-/]?\d{1,4}(?:[-/]+\d{1,4}){0,2}[-/]?$")
# Patients' dates lie between 2100 and 2200, each patient's moved by some years of their own.
YEARS_BACK, MORE_YEARS, MORE_DAYS = 145, 20, 180


@dataclass(frozen=True, slots=True)
class Replaced:
    """A text without placeholders.

    Args:
        text: With made-up values.
        patient_end: Where in the text both names of the patient have stood; None if never.
        person: Another person named in full, the first one in the text.
        person_end: Where that name ends.
        n_unknown: Placeholders of a kind that the published list does not have.
        n_stray: Marks of placeholders that do not begin or end, replaced by a space.
    """

    text: str
    patient_end: int | None = None
    person: Person | None = None
    person_end: int = 0
    n_unknown: int = 0
    n_stray: int = 0


def replace_placeholders(
    text: str, subject: int, surrogates: Surrogates, *, enough: float = math.inf
) -> Replaced:
    """Return ``text``, a note of the patient ``subject``, with a value for every placeholder.

    Args:
        text: With placeholders.
        subject: Whose note it is.
        surrogates: Where values are from.
        enough: The text may end at a placeholder once so many characters are written.
    """
    if "**" not in text:
        return Replaced(text)
    writer = _Writer(subject, surrogates)
    position = 0
    for match in PLACEHOLDER.finditer(text):
        writer.copy(text[position : match.start()])
        inner = match.group(1)
        # A number alone behind a space is that of a placeholder without a kind.
        nameless = inner[:1].isspace() and inner.strip().isdigit()
        writer.replace("" if nameless else " ".join(inner.split()))
        position = match.end()
        if writer.length >= enough:
            return writer.replaced()
    writer.copy(text[position:])
    return writer.replaced()


class _Writer:
    """A text while it is written, and who was named in it so far."""

    def __init__(self, subject: int, surrogates: Surrogates) -> None:
        self._subject = subject
        self._surrogates = surrogates
        self._patient = surrogates.patient(subject)
        self._pieces: list[str] = []
        self.length = 0
        self._last_copied = ""
        # The name that was written last: which part it is, and its place in the list.
        self._named: tuple[str, int] | None = None
        self._ends: dict[str, int] = {}
        self._person: Person | None = None
        self._person_end = 0
        self._n_unknown = self._n_stray = 0

    def replaced(self) -> Replaced:
        """Return what was written."""
        ends = self._ends
        return Replaced(
            text="".join(self._pieces),
            patient_end=max(ends.values()) if len(ends) == 2 else None,
            person=self._person,
            person_end=self._person_end,
            n_unknown=self._n_unknown,
            n_stray=self._n_stray,
        )

    @cached_property
    def _days(self) -> int:
        """Return by how many days every date of this patient is moved back."""
        draw = Draw(self._surrogates.seed, "dates", self._subject)
        return 365 * (YEARS_BACK + draw.below(MORE_YEARS)) + draw.below(MORE_DAYS)

    def copy(self, text: str) -> None:
        """Write what is no placeholder."""
        if "**" in text:
            text, n_stray = STRAY.subn(" ", text)
            self._n_stray += n_stray
        self._last_copied = text
        self._write(text)

    def replace(self, inner: str) -> None:
        """Write what stands in for the placeholder that holds ``inner``."""
        if LITERAL.match(inner):
            value, self._named = self._literal(inner, self._draw(inner)), None
        else:
            kind = kind_of(LAST_NUMBERS.sub("", inner))
            self._n_unknown += not kind.known
            if kind.name in PATIENTS:
                value = self._name(PATIENTS[kind.name], self._patient)
            else:
                value = self._value(kind, inner, self._draw(inner))
        self._write(value)

    def _draw(self, inner: str) -> Draw:
        """Return what the value of one placeholder is drawn from."""
        return Draw(self._surrogates.seed, self._subject, inner)

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self.length += len(text)

    def _value(self, kind: Kind, inner: str, draw: Draw) -> str:
        """Return the value, and note whose name it is."""
        if kind.name in PEOPLE:
            part = PEOPLE[kind.name]
            if kind.name in ("female first name", "male first name"):
                return self._name(part, self._person_of(draw, female=kind.name[0] == "f"))
            return self._name(part, self._surrogates.person(draw))
        self._named = None
        if kind.name == "month" and LAST_NUMBERS.search(inner):
            return self._named_month(inner, draw)
        if kind.name == "year" and kind.digits == 2:
            return written_date(draw.day(), "{short}")
        return values()[kind.name](draw)

    def _person_of(self, draw: Draw, *, female: bool) -> Person:
        """Return a person of one sex: women stand first in the list."""
        n_women, n_men = len(self._surrogates.women), len(self._surrogates.men)
        first = draw.below(n_women) if female else n_women + draw.below(n_men)
        return Person(first, draw.below(len(self._surrogates.surnames)))

    def _name(self, part: str, person: Person) -> str:
        """Return one name of a person, or both, and note where somebody is named in full."""
        name = self._surrogates.name(person)
        if part == "full":
            value = f"{name.first} {name.last}"
            self._meet(person, self.length + len(value))
            self._named = None
            return value
        is_first = part in ("first", PATIENT_FIRST)
        value, index = (name.first, person.first) if is_first else (name.last, person.last)
        end = self.length + len(value)
        if part in (PATIENT_FIRST, PATIENT_LAST):
            self._ends.setdefault(part, end)
            self._named = None
            return value
        self._meet_pair("first" if is_first else "last", index, end)
        return value

    def _meet_pair(self, part: str, index: int, end: int) -> None:
        """Note a person whose two names stand side by side, as "First Last" or "Last, First"."""
        before, between = self._named, self._last_copied
        self._named = (part, index)
        if before is None:
            return
        if before[0] == "first" and part == "last" and not between.strip() and between:
            self._meet(Person(before[1], index), end)
        elif before[0] == "last" and part == "first" and between.strip() == ",":
            self._meet(Person(index, before[1]), end)

    def _meet(self, person: Person, end: int) -> None:
        if self._person is None:
            self._person, self._person_end = person, end

    def _named_month(self, inner: str, draw: Draw) -> str:
        """Return a month and what stands behind it: "January 2151" or "January 12"."""
        name, *numbers = inner.split()
        if name.casefold() not in word_months():
            return values()["month"](draw)
        return written_date(
            draw.day(), DATES["month year" if len(numbers[-1]) == 4 else "month day"]
        )

    def _literal(self, inner: str, draw: Draw) -> str:
        """Return a date moved by as much as every date of this patient, in the same form."""
        numbers = [int(number) for number in re.findall(r"\d+", inner)]
        marks = re.findall(r"[-/]+", inner.strip("-/"))
        mark = marks[0][0] if marks else ""
        days = self._days
        if len(numbers) == 1:
            number = numbers[0]
            # A number that is no year was no date either.
            return str(max(number - days // 365, 1)) if number > 999 else draw.digits(len(inner))
        if len(numbers) == 2:
            return _two_numbers(numbers, mark, days, draw)
        year_first = numbers[0] > 31
        year, month, day = numbers if year_first else (numbers[2], numbers[0], numbers[1])
        moved = _moved(year, month, day, days) or draw.day()
        pattern = "{year}-{month}-{day}" if year_first else "{month}-{day}-{year}"
        return written_date(moved, pattern.replace("-", mark))


def _two_numbers(numbers: list[int], mark: str, days: int, draw: Draw) -> str:
    """Return month and day, or month and year, or year and month."""
    # A leap year has every day.
    left, right = numbers
    if left > 31:
        day, pattern = _moved(left, right, 1, days), "{year}-{month}"
    elif right > 31:
        day, pattern = _moved(right, left, 1, days), "{month}-{year}"
    else:
        day, pattern = _moved(2000, left, right, days), "{month}-{day}"
    return written_date(day or draw.day(), pattern.replace("-", mark))


def _moved(year: int, month: int, day: int, days: int) -> date | None:
    """Return the day so many days earlier; None if there is no such day."""
    try:
        return date.fromordinal(date(year, month, day).toordinal() - days)
    except ValueError:
        return None
