"""NOTEEVENTS.csv as a collection: what is kept of a note, who is named, what is told."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.made_notes import make_noteevents
from v2t_bench.corpora.mimic import KEPT_CHARACTERS, read_mimic
from v2t_bench.corpora.noteevents import COLUMNS
from v2t_bench.corpora.surrogates import Surrogates
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.scoring.names import Name, names_found_per_text

PATIENT = "[**Known firstname 1**] [**Known lastname 2**]"


def table(
    path: Path, texts: Sequence[str], *, subjects: Sequence[int] = (), errors: str = ""
) -> Path:
    """A table of these texts, with ROW_IDs from 10 down."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, text in enumerate(texts):
            subject = subjects[number] if subjects else 7
            writer.writerow([10 - number, subject, *[""] * 7, errors[number : number + 1], text])
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated table of 600 notes."""
    path = tmp_path_factory.mktemp("made") / "NOTEEVENTS.csv.gz"
    make_noteevents(path, n_notes=600, seed=3)
    return path


def test_it_says_what_kind_of_collection_it_is(made: Path) -> None:
    corpus = read_mimic(made)
    assert (corpus.name, corpus.split, corpus.flags) == (
        "mimic-generated",
        "all",
        ("known-item",),
    )
    assert corpus.restricted
    assert corpus.known_item
    assert corpus.only_named
    assert not corpus.redistributable
    assert (corpus.queries, corpus.judgements) == ({}, {})


def test_it_is_spelled_with_its_file(made: Path) -> None:
    (corpus,) = open_corpora(f"mimic:{made}")
    assert len(corpus.documents) == 588
    with pytest.raises(BadParameter, match="'mimic:' names no file; expected mimic:<NOTEEVENTS"):
        open_corpora("mimic:")


def test_one_note_that_is_not_generated_makes_it_mimic(made: Path, tmp_path: Path) -> None:
    lines = gzip.decompress(made.read_bytes()).decode()
    mixed = tmp_path / "NOTEEVENTS.csv"
    mixed.write_text(lines.replace(" (generated)", "", 1))
    assert read_mimic(mixed).name == "mimic"


def test_no_placeholder_is_left(made: Path) -> None:
    assert not any("[**" in document.text for document in read_mimic(made).documents)


def test_a_note_is_a_document_with_its_row_id(tmp_path: Path) -> None:
    corpus = read_mimic(table(tmp_path / "n.csv", ["one", " two \n", "three"]))
    assert [(one.id, one.title, one.text) for one in corpus.documents] == [
        ("10", "", "one"),
        ("9", "", "two"),
        ("8", "", "three"),
    ]


def test_a_long_note_is_cut_behind_a_word(tmp_path: Path) -> None:
    long = "word " * 5000
    texts = [long, "x" * 5000, "y" * KEPT_CHARACTERS, "[**Hospital1 1**] " * 1000]
    corpus = read_mimic(table(tmp_path / "n.csv", texts))
    first, second, third, fourth = (document.text for document in corpus.documents)
    assert first == ("word " * 200).rstrip()
    assert (len(second), len(third)) == (KEPT_CHARACTERS, KEPT_CHARACTERS)
    assert KEPT_CHARACTERS - 50 < len(fourth) <= KEPT_CHARACTERS
    assert corpus.notices == ("notes read up to their first 1000 characters: 3",)


@pytest.mark.parametrize("position", range(1970, 2004))
def test_half_a_placeholder_is_never_read(tmp_path: Path, position: int) -> None:
    """Notes are read up to their first 2,000 characters, wherever that is."""
    text = "[**Hospital1 1**]" * 40
    text += "-" * (position - len(text)) + "[**Hospital1 2**]" * 40
    corpus = read_mimic(table(tmp_path / "n.csv", [text]))
    assert not any("do not begin or end" in notice for notice in corpus.notices)
    assert "**" not in corpus.documents[0].text


def test_a_mark_that_opens_and_never_closes_takes_no_text_with_it(tmp_path: Path) -> None:
    text = PATIENT + " intro [**" + "word " * 600
    corpus = read_mimic(table(tmp_path / "n.csv", [text]))
    assert len(corpus.documents[0].text) > KEPT_CHARACTERS - 50
    assert any("do not begin or end" in notice for notice in corpus.notices)


def test_a_note_is_about_its_patient_where_both_names_are_kept(tmp_path: Path) -> None:
    texts = [
        f"{PATIENT} fell.",
        f"Dr. [**First Name3 (LF) 1**] [**Last Name (LF) 2**] saw {PATIENT}",
    ]
    corpus = read_mimic(table(tmp_path / "n.csv", texts))
    people = Surrogates(0)
    patient = people.name(people.patient(7))
    assert dict(corpus.names) == {"10": patient, "9": patient}
    assert corpus.documents[0].text == f"{patient.first} {patient.last} fell."


def test_else_it_is_about_the_first_one_named_in_full(tmp_path: Path) -> None:
    first, last = "[**First Name (Titles) 1**]", "[**Last Name (STitle) 2**]"
    texts = [
        f"Seen by {first} {last}, and by [**Attending Info 3**].",
        f"Seen by {first} {last}; then {'word ' * 300} {PATIENT}",
        f"{'word ' * 300} seen by {first} {last}",
        f"Mr. [**Known lastname 2**] and Dr. {last}",
    ]
    corpus = read_mimic(table(tmp_path / "n.csv", texts))
    assert list(corpus.names) == ["10", "9"]
    assert corpus.names["10"] == corpus.names["9"]
    name = corpus.names["10"]
    assert corpus.documents[0].text.startswith(f"Seen by {name.first} {name.last}, and by ")


def test_every_name_stands_in_its_document_as_the_scores_look_for_it(made: Path) -> None:
    corpus = read_mimic(made)
    texts = {document.id: document.text for document in corpus.documents}
    assert len(corpus.names) > 300
    found = names_found_per_text(list(corpus.names.values()), [texts[key] for key in corpus.names])
    assert found.first.all()
    assert found.last.all()
    assert found.full.mean() > 0.8


def test_names_are_a_mapping_of_ids(tmp_path: Path) -> None:
    corpus = read_mimic(table(tmp_path / "n.csv", [PATIENT, "x", PATIENT], subjects=(1, 2, 3)))
    assert len(corpus.names) == 2
    assert isinstance(corpus.names["10"], Name)
    assert corpus.names["10"] != corpus.names["8"]
    for key in ("9", "11", "010", "", "x", "-10", "\u0661\u0660", "10" * 20):
        assert key not in corpus.names


def test_what_was_odd_is_counted_without_any_text(tmp_path: Path) -> None:
    texts = ["a [**Zanzibarov thing 3**] b", "c [**un", "", "d", "e **] f"]
    path = table(tmp_path / "n.csv", texts, errors="00010")
    assert read_mimic(path).notices == (
        "notes marked as errors (ISERROR), left out: 1",
        "notes without text, left out: 1",
        "placeholders of kinds that are not on the published list, replaced by a neutral value: 1",
        "marks of placeholders that do not begin or end, left out: 2",
    )


def test_another_seed_gives_other_names_and_another_fingerprint(made: Path) -> None:
    first, again, other = read_mimic(made), read_mimic(made), read_mimic(made, seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert list(first.documents) == list(again.documents) != list(other.documents)
    assert dict(first.names) == dict(again.names) != dict(other.names)
    assert [one.id for one in first.documents] == [one.id for one in other.documents]


def test_one_byte_more_is_another_fingerprint_and_compression_is_not(tmp_path: Path) -> None:
    plain, longer, packed = (tmp_path / name for name in ("a.csv", "b.csv", "c.csv.gz"))
    make_noteevents(plain, n_notes=20, seed=1)
    make_noteevents(packed, n_notes=20, seed=1)
    longer.write_bytes(plain.read_bytes() + b"\n")
    prints = [read_mimic(path).fingerprint for path in (plain, packed, longer)]
    assert prints[0] == prints[1] != prints[2]


def test_surnames_may_be_given(made: Path) -> None:
    corpus = read_mimic(made, surnames=["Onlyone"])
    assert {name.last for name in corpus.names.values()} == {"Onlyone"}


def test_a_corpus_can_be_changed_as_any_other(made: Path) -> None:
    corpus = read_mimic(made)
    assert replace(corpus, name="mimic-2").fingerprint == corpus.fingerprint


def test_a_table_without_a_usable_note_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "n.csv", ["a", " "], errors="1")
    with pytest.raises(BadInput, match=r"n\.csv: every note is blank or marked as an error"):
        read_mimic(path)


def test_nothing_is_written(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TMPDIR", "HOME", "V2T_BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    read_mimic(made)
    assert list(tmp_path.iterdir()) == []
