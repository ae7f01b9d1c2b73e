"""The kinds of placeholders that MIMIC-III documents, and what stands in for each.

The notes were de-identified by the owners' own program, which wrote what it took out as
``[**kind number**]``: "[**Known lastname 1234**]", "[**Hospital1 18**]", "[**2151-7-16**]".
The number tells people and places of one kind apart; a digit behind the kind or a word in
parentheses tells which rule of the program found it. The kinds are those of the MIMIC-III
documentation and of what public readers of the notes list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Literal, TypeAlias

from v2t_bench.corpora.surrogates import Draw, word_lists

Part: TypeAlias = Literal["first", "last", "full"]
Value: TypeAlias = Callable[[Draw], str]

NOTHING = "___"
"""Stands where nothing says what was taken out; MIMIC-IV writes so throughout."""

PATIENT_FIRST, PATIENT_LAST = "patient first", "patient last"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a placeholder stands for.

    Args:
        name: Of the rule that replaces it.
        known: Whether the published list has it.
        digits: Of a year, 2 or 4.
    """

    name: str
    known: bool = True
    digits: int = 4


PEOPLE: Mapping[str, Part] = {
    "first name": "first",
    "female first name": "first",
    "male first name": "first",
    "doctor first name": "first",
    "last name": "last",
    "doctor last name": "last",
    "last name pattern": "last",
    "name": "last",
    "attending info": "full",
    "dictator info": "full",
    "cc contact info": "full",
}
PATIENTS: Mapping[str, str] = {
    "known firstname": PATIENT_FIRST,
    "known first name": PATIENT_FIRST,
    "known patient firstname": PATIENT_FIRST,
    "known lastname": PATIENT_LAST,
    "known last name": PATIENT_LAST,
    "known patient lastname": PATIENT_LAST,
}
SYNONYMS: Mapping[str, str] = {
    "wardname": "hospital ward name",
    "initials": "initial",
    "name initial": "initial",
    "universities": "university/college",
    "university": "university/college",
    "age over": "age over 90",
    "email address": "e-mail address",
    "telephone": "telephone/fax",
    "pager": "pager number",
}


def _joined(heads: str, tails: str) -> Value:
    lists = word_lists()
    return lambda draw: f"{draw.of(lists[heads])} {draw.of(lists[tails])}"


def _one_of(name: str) -> Value:
    options = word_lists()[name]
    return lambda draw: draw.of(options)


def _number(count: int) -> Value:
    return lambda draw: draw.digits(count)


def _initials(draw: Draw) -> str:
    letters = "ABCDEFGHJKLMNPRSTW"
    return f"{draw.of(letters)}.{draw.of(letters)}."


def _telephone(draw: Draw) -> str:
    # 555-0100 to 555-0199 are kept for fiction by the North American numbering plan.
    return f"{200 + draw.below(790)}-555-01{draw.below(100):02d}"


def _dated(pattern: str) -> Value:
    return lambda draw: written_date(draw.day(), pattern)


def _date_range(draw: Draw) -> str:
    start = draw.day()
    end = date.fromordinal(start.toordinal() + 1 + draw.below(20))
    return " - ".join(written_date(day, "{month}/{day}/{year}") for day in (start, end))


def written_date(day: date, pattern: str) -> str:
    """Return a day as ``pattern`` says: {year} {month} {day} {name} {short}."""
    name = word_lists()["months"][day.month - 1]
    return pattern.format(
        year=day.year, month=day.month, day=day.day, name=name, short=f"{day.year % 100:02d}"
    )


DATES: Mapping[str, str] = {
    "month": "{name}",
    "month/day": "{month}/{day}",
    "month/year": "{month}/{year}",
    "month/day/year": "{month}/{day}/{year}",
    "month day": "{name} {day}",
    "month year": "{name} {year}",
    "month day year": "{name} {day}, {year}",
    "day month": "{day} {name}",
    "day month year": "{day} {name} {year}",
    "year/month": "{year}/{month}",
    "year/month/day": "{year}/{month}/{day}",
    "year": "{year}",
    "day": "{day}",
}


@cache
def values() -> Mapping[str, Value]:
    """Return what stands in for each kind that is no person and no date of the note."""
    return {
        **{name: _dated(pattern) for name, pattern in DATES.items()},
        "date range": _date_range,
        "initial": _initials,
        "name prefix": _one_of("prefixes"),
        "hospital": _joined("hospital_heads", "hospital_tails"),
        "hospital ward name": _one_of("wards"),
        "hospital unit name": _one_of("units"),
        "hospital unit number": _number(7),
        "location": _one_of("towns"),
        "street address": lambda draw: f"{1 + draw.below(400)} {draw.of(word_lists()['streets'])}",
        "apartment address": lambda draw: f"Apt. {1 + draw.below(90)}",
        "po box": lambda draw: f"PO Box {1 + draw.below(9000)}",
        "state": _one_of("states"),
        # Codes that begin with 000 belong to no state.
        "state/zipcode": lambda draw: f"{draw.of(word_lists()['states'])} 000{draw.below(90):02d}",
        "country": _one_of("countries"),
        "ethnicity": _one_of("ethnicities"),
        "university/college": _joined("college_heads", "college_tails"),
        "company": _joined("company_heads", "company_tails"),
        "telephone/fax": _telephone,
        "pager number": lambda draw: f"#{draw.digits(5)}",
        "medical record number": _number(7),
        "numeric identifier": _number(5),
        # No number from 900 on was ever given out.
        "social security number": lambda draw: (
            f"9{draw.below(100):02d}-{draw.below(100):02d}-{draw.below(10000):04d}"
        ),
        "unit number": _number(7),
        "clip number": _number(8),
        "job number": _number(6),
        "md number": _number(5),
        "provider number": _number(6),
        "serial number": _number(8),
        "age over 90": lambda draw: str(90 + draw.below(13)),
        "holiday": _one_of("holidays"),
        "e-mail address": lambda draw: f"staff{draw.digits(3)}@example.org",
        "url": lambda draw: f"www.example.org/{draw.digits(4)}",
        NOTHING: lambda draw: NOTHING,
    }


# The first word in an unknown kind that is found here says what sort of value it is.
SORTS: Mapping[str, str] = {
    "firstname": "first name",
    "first": "first name",
    "lastname": "last name",
    "last": "last name",
    "name": "last name",
    "hospital": "hospital",
    "ward": "hospital ward name",
    "unit": "hospital unit name",
    "address": "street address",
    "phone": "telephone/fax",
    "fax": "telephone/fax",
    "number": "numeric identifier",
    "identifier": "numeric identifier",
    "year": "year",
    "month": "month",
    "date": "month/day/year",
    "location": "location",
    "age": "age over 90",
}
IN_PARENTHESES = re.compile(r"\(([^()]*)\)?")
LAST_NUMBERS = re.compile(r"(?:\s+\d+)+\s*$")
RULE_NUMBER = re.compile(r"(?<=[a-z])\d+\b")


@lru_cache(maxsize=2**14)
def kind_of(template: str) -> Kind:
    """Return the kind of a placeholder that is no literal date.

    Args:
        template: What stands in it, without the number at its end.
    """
    text = " ".join(template.casefold().split())
    rule = " ".join(IN_PARENTHESES.findall(text)).strip()
    text = " ".join(IN_PARENTHESES.sub(" ", text).split())
    numbered = re.match(r"name(\d+)$", text)
    text = RULE_NUMBER.sub("", LAST_NUMBERS.sub("", text)).strip()
    if not text:
        return Kind(NOTHING)
    text = SYNONYMS.get(text, text)
    if text == "location" and rule == "universities":
        return Kind("university/college")
    if text == "name":
        return Kind(_bare_name(rule, numbered.group(1) if numbered else ""))
    if text in word_months():
        return Kind("month")
    if text in PATIENTS or text in PEOPLE or text in values():
        return Kind(text, digits=2 if text == "year" and rule.startswith("2") else 4)
    return Kind(_sort_of(text), known=False)


def _bare_name(rule: str, number: str) -> str:
    """Return which name "Name" is: it is written for first and for last names.

    NI, a name behind an indicator such as "daughter", is a first name; of a pair before "MD"
    the first has the numbers 6 or 7. Others stand behind titles.
    """
    if rule == "ni" or (rule == "md" and number in ("6", "7")):
        return "first name"
    return "last name"


def _sort_of(text: str) -> str:
    """Return the known kind that an unknown one is nearest to."""
    for word in re.findall(r"[a-z]+", text):
        if word in SORTS:
            return SORTS[word]
    return NOTHING


@cache
def word_months() -> frozenset[str]:
    """Return the names of months in small letters."""
    return frozenset(month.casefold() for month in word_lists()["months"])
