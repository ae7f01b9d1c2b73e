"""Placeholders of MIMIC-III: each gets a made-up value, and a patient has one name."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2t_bench.corpora.placeholder_kinds import kind_of
from v2t_bench.corpora.placeholders import replace_placeholders
from v2t_bench.corpora.surrogates import Surrogates
from v2t_bench.scoring.names import Name

SURROGATES = Surrogates(0)
# As the documentation of MIMIC-III and public readers of its notes list them.
PUBLISHED = """
Known lastname 1234|Known firstname 12|Known patient lastname 3|Known patient firstname 4|
First Name (Titles) 123|First Name8 (NamePattern2) 9|First Name3 (LF) 2|First Name (STitle) 1|
First Name11 (Name Pattern1) 2|Female First Name (un) 3|Male First Name (un) 4|
Doctor First Name 5|Doctor Last Name 6|Doctor Last Name (ambig) 7|Last Name (STitle) 8|
Last Name (NamePattern1) 9|Last Name (Titles) 1|Last Name (Prefixes) 2|Last Name (LF) 3|
Last Name (un) 4|Name (NI) 5|Name2 (MD) 6|Name6 (MD) 7|Name (STitle) 8|Name13 (STitle) 9|
Name (NameIs) 1|Name (PRE) 2|Name Initial (NameIs) 3|Name Prefix (Prefixes) 4|
Initials (NamePattern4) 5|Initial (NamePattern1) 6|Attending Info 7|Dictator Info 8|
CC Contact Info 9|Hospital1 18|Hospital 2|Hospital Ward Name 3|Wardname 4|
Hospital Unit Name 5|Hospital Unit Number 6|Location (un) 7|Location (Universities) 8|
Location 9|Street Address(2) 1|Apartment Address(1) 2|PO Box 3|State 4|State/Zipcode 5|
Country 6|University/College 7|Company 8|Ethnicity 9|Telephone/Fax (1) 1|Pager number 2|
Medical Record Number 3|Numeric Identifier 4|Social Security Number 5|Unit Number 6|
Clip Number (Radiology) 7|Job Number 8|MD Number(1) 9|MD Number 1|Provider Number 2|
Serial Number 3|Date range (1) 4|Date Range 5|2151-7-16|7-16|07/16|7-/2151|2151|7/2151|
2151-7|January 2151|January 12|Month (only) 6|Month/Day (1) 7|Month/Day 8|Month/Year 1 9|
Month/Day/Year 1|Month Day 2|Month Year 3|Month Day Year (2) 4|Day Month 5|Day Month Year 6|
Year (4 digits) 7|Year (2 digits) 8|Year/Month 9|Year/Month/Day 1|Age over 90 2|Holiday 3|
E-mail address 4|URL 5
"""
KINDS = [kind.strip() for kind in PUBLISHED.replace("\n", "").split("|")]


def replaced(text: str, subject: int = 7, seed: int = 0) -> str:
    return replace_placeholders(text, subject, Surrogates(seed)).text


@pytest.mark.parametrize("kind", [*KINDS, *(re.sub(r" \d+$", " ", kind) for kind in KINDS)])
def test_every_published_kind_is_known_and_gets_a_value(kind: str) -> None:
    found = replace_placeholders(f"a [**{kind}**] b", 7, SURROGATES)
    value = found.text.removeprefix("a ").removesuffix(" b")
    assert value.strip()
    assert value != "___"
    assert not set("[]*") & set(value)
    assert (found.n_unknown, found.n_stray) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("Telephone/Fax (1) 2", r"[2-9]\d\d-555-01\d\d"),
        ("Social Security Number 3", r"9\d\d-\d\d-\d{4}"),
        ("E-mail address 3", r"\w+@example\.org"),
        ("URL 3", r"www\.example\.org/\d+"),
        ("Age over 90 ", r"9\d|10[0-2]"),
        ("Medical Record Number 3", r"[1-9]\d{6}"),
        ("Month (only) 3", r"[A-Z][a-z]+"),
        ("Month/Day (1) 3", r"(1[0-2]|[1-9])/([12]?\d|3[01])"),
        ("Month Day Year (2) 3", r"[A-Z][a-z]+ \d{1,2}, \d{4}"),
        ("Day Month 3", r"\d{1,2} [A-Z][a-z]+"),
        ("Year (4 digits) 3", r"(19|20)\d\d"),
        ("Year (2 digits) 3", r"\d\d"),
        ("January 2151", r"[A-Z][a-z]+ \d{4}"),
        ("January 12", r"[A-Z][a-z]+ \d{1,2}"),
        ("Date range (1) 3", r"\d+/\d+/\d{4} - \d+/\d+/\d{4}"),
        ("Initials (NamePattern4) 3", r"[A-Z]\.[A-Z]\."),
        ("State/Zipcode 3", r"[A-Z][A-Za-z ]+ \d{5}"),
        ("2151-7-16", r"(19|20)\d\d-\d{1,2}-\d{1,2}"),
        ("7-16", r"\d{1,2}-\d{1,2}"),
        ("7/2151", r"\d{1,2}/(19|20)\d\d"),
    ],
)
def test_a_value_is_of_the_sort_that_was_taken_out(kind: str, form: str) -> None:
    values = {replaced(f"[**{kind}**]", subject) for subject in range(50)}
    assert all(re.fullmatch(form, value) for value in values), values
    assert len(values) > 5


def test_numbers_given_out_belong_to_nobody() -> None:
    """555-0100 to -0199 are for fiction; no social security number begins with 9."""
    text = replaced("[**Telephone/Fax (1) 1**] [**Social Security Number 1**]")
    assert re.fullmatch(r"\d{3}-555-01\d\d 9\d\d-\d\d-\d{4}", text)


def test_a_patient_has_one_name_in_all_notes() -> None:
    notes = [
        "[**Known firstname 12**] [**Known lastname 34**]",
        "[**Known firstname **] [**Known lastname 99**]",
        "[**Known patient firstname 1**] [**KNOWN LASTNAME 5**]",
    ]
    name = SURROGATES.name(SURROGATES.patient(7))
    assert {replaced(note) for note in notes} == {f"{name.first} {name.last}"}


def test_patients_have_different_names() -> None:
    note = "[**Known firstname 12**] [**Known lastname 34**]"
    assert len({replaced(note, subject) for subject in range(1000)}) > 990


def test_another_seed_gives_other_names() -> None:
    note = "[**Known lastname 34**] [**Last Name (STitle) 2**] [**Hospital1 18**]"
    others = [replaced(note, seed=seed) for seed in range(10)]
    assert len(set(others)) == 10


def test_the_same_placeholder_of_a_patient_has_one_value_and_another_has_another() -> None:
    first, second, third = replaced(
        "[**Last Name (un) 5**]/[**Last Name (un) 5**]/[**Last Name (un) 6**]"
    ).split("/")
    assert first == second != third


def test_a_first_name_is_of_the_sex_that_was_said() -> None:
    women = {replaced("[**Female First Name (un) 3**]", subject) for subject in range(200)}
    men = {replaced("[**Male First Name (un) 3**]", subject) for subject in range(200)}
    assert women <= set(SURROGATES.women)
    assert men <= set(SURROGATES.men)


def test_all_dates_of_a_patient_are_moved_alike() -> None:
    """As the owners moved them, so that the days between two dates stay what they were."""

    def day(text: str) -> date:
        year, month, day_of_month = map(int, text.split("-"))
        return date(year, month, day_of_month)

    admitted, discharged = replaced("[**2151-7-16**] [**2151-8-4**]").split()
    assert (day(discharged) - day(admitted)).days == 19
    assert (date(2151, 7, 16) - day(admitted)).days > 140 * 365
    other, _ = replaced("[**2151-7-16**] [**2151-8-4**]", subject=8).split()
    assert other != admitted


@pytest.mark.parametrize(
    "text", ["[**2151-2-30**]", "[**2151-13-1**]", "[**0-0-0**]", "[**99-99**]"]
)
def test_a_date_that_is_no_day_is_replaced_by_one_that_is(text: str) -> None:
    assert re.fullmatch(r"\d{1,4}-\d{1,2}(-\d{1,4})?", replaced(text))


@pytest.mark.parametrize("text", ["[** **]", "[****]", "[** 123**]", "[**\n**]"])
def test_an_empty_placeholder_becomes_three_lines(text: str) -> None:
    assert replaced(f"a {text} b") == "a ___ b"


def test_a_placeholder_may_run_over_a_line_break() -> None:
    assert replaced("[**Hospital1\n 18**]") == replaced("[**Hospital1 18**]")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Preferred lastname", "last name"),
        ("Insurance number", "numeric identifier"),
        ("Visit date", "month/day/year"),
        ("Home phone", "telephone/fax"),
        ("Something", "___"),
    ],
)
def test_an_unknown_kind_gets_a_value_of_the_nearest_sort_and_is_counted(
    kind: str, name: str
) -> None:
    assert (kind_of(kind).name, kind_of(kind).known) == (name, False)
    found = replace_placeholders(f"[**{kind} 3**]", 1, SURROGATES)
    assert (found.n_unknown, found.text.strip() != "") == (1, True)


def test_marks_that_do_not_begin_or_end_anything_are_removed_and_counted() -> None:
    found = replace_placeholders("a [**First Name b **] c [[**d", 1, SURROGATES)
    assert "**" not in found.text
    assert found.n_stray == 1
    assert found.text.endswith("c [ d")


def test_a_text_without_placeholders_is_left_as_it_is() -> None:
    text = "2 * 3 ** 4 [x] **bold** "
    assert replaced(text) == text


def test_it_is_told_where_the_patient_is_named_in_full() -> None:
    found = replace_placeholders(
        "Name: [**Known lastname 1**],[**Known firstname 2**] x", 7, SURROGATES
    )
    assert found.patient_end is not None
    assert found.text[found.patient_end :] == " x"
    half = replace_placeholders(
        "Mr. [**Known lastname 1**] [**First Name3 (LF) 2**]", 7, SURROGATES
    )
    assert half.patient_end is None


@pytest.mark.parametrize(
    "text",
    [
        "Dr. [**First Name (Titles) 1**] [**Last Name (STitle) 2**] left",
        "Dr. [**Name6 (MD) 1**]  [**Name8 (MD) 2**] left",
        "Dr. [**Last Name (LF) 2**], [**First Name3 (LF) 1**] left",
        "Dr. [**Last Name (LF) 2**],[**First Name3 (LF) 1**] left",
        "by [**Attending Info 2**] left",
    ],
)
def test_it_is_told_who_else_is_named_in_full(text: str) -> None:
    found = replace_placeholders(text, 7, SURROGATES)
    assert found.person is not None
    name = SURROGATES.name(found.person)
    assert found.text[found.person_end :] == " left"
    assert {name.first, name.last} <= set(re.findall(r"[A-Za-z]+", found.text))


@pytest.mark.parametrize(
    "text",
    [
        "[**First Name (Titles) 1**] and [**Last Name (STitle) 2**]",
        "[**First Name (Titles) 1**] [**2151-7-16**] [**Last Name (STitle) 2**]",
        "[**First Name (Titles) 1**][**Last Name (STitle) 2**]",
        "[**Last Name (STitle) 2**] [**First Name (Titles) 1**]",
        "[**Last Name (STitle) 2**]",
    ],
)
def test_names_that_are_not_side_by_side_are_not_one_person(text: str) -> None:
    assert replace_placeholders(text, 7, SURROGATES).person is None


def test_the_text_may_end_once_there_is_enough() -> None:
    text = "[**Hospital1 1**] " * 100
    whole = replaced(text)
    part = replace_placeholders(text, 7, SURROGATES, enough=300).text
    assert whole.startswith(part)
    assert 300 <= len(part) < 350


pieces = st.sampled_from(
    ["[**", "**]", "[", "*", "]", " ", ",", "x", "7", *(f"[**{kind}**]" for kind in KINDS)]
)
texts = st.lists(pieces | st.text(max_size=5), max_size=30).map("".join)


@given(texts, st.integers(0, 10**6), st.integers(0, 3))
def test_no_mark_is_ever_left_and_the_same_seed_gives_the_same_text(
    text: str, subject: int, seed: int
) -> None:
    found = replace_placeholders(text, subject, Surrogates(seed))
    assert "[**" not in found.text
    assert found == replace_placeholders(text, subject, Surrogates(seed))


@given(texts)
def test_what_is_said_of_a_person_stands_in_the_text(text: str) -> None:
    found = replace_placeholders(text, 7, SURROGATES)
    if found.person is not None:
        name = SURROGATES.name(found.person)
        assert name.first in found.text[: found.person_end]
        assert name.last in found.text[: found.person_end]
    if found.patient_end is not None:
        patient: Name = SURROGATES.name(SURROGATES.patient(7))
        assert patient.first in found.text[: found.patient_end]
        assert patient.last in found.text[: found.patient_end]
