"""The generated NOTEEVENTS.csv, read back by readers that are not ours."""

from __future__ import annotations

import csv
import gzip
import os
import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from v2t_bench.cli.data_make_noteevents import command
from v2t_bench.corpora import made_notes
from v2t_bench.corpora.made_notes import OTHERS, PLACEHOLDERS, make_noteevents
from v2t_bench.corpora.noteevents import read_notes
from v2t_bench.corpora.placeholder_kinds import kind_of
from v2t_bench.errors import BadInput, BadParameter

# https://mimic.mit.edu/docs/iii/tables/noteevents/
OFFICIAL = (
    "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,STORETIME,CATEGORY,DESCRIPTION,CGID,ISERROR,TEXT"
)
N_NOTES = 2_000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 2,000 notes."""
    path = tmp_path_factory.mktemp("made") / "NOTEEVENTS.csv"
    make_noteevents(path, n_notes=N_NOTES, seed=0)
    return path


@pytest.fixture(scope="module")
def rows(path: Path) -> list[dict[str, str]]:
    """Its rows, as the csv module reads them."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_it_has_the_official_columns_in_their_order(path: Path) -> None:
    with path.open() as file:
        assert file.readline().strip() == ",".join(f'"{name}"' for name in OFFICIAL.split(","))


def test_pandas_reads_the_same_rows_and_types(path: Path, rows: list[dict[str, str]]) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(path, parse_dates=["CHARTDATE", "CHARTTIME", "STORETIME"])
    assert list(table.columns) == OFFICIAL.split(",")
    assert len(table) == N_NOTES
    assert list(table["TEXT"]) == [row["TEXT"] for row in rows]
    assert table["ROW_ID"].is_unique
    assert str(table["CHARTTIME"].dtype).startswith("datetime64")
    assert int(table["ISERROR"].sum()) == N_NOTES // made_notes.ERROR_EVERY


def test_our_reader_reads_the_same_notes(path: Path, rows: list[dict[str, str]]) -> None:
    kept = [row for row in rows if row["ISERROR"] != "1"]
    assert [(note.row_id, note.subject_id, note.text) for note in read_notes(path)] == [
        (int(row["ROW_ID"]), int(row["SUBJECT_ID"]), row["TEXT"]) for row in kept
    ]


def test_it_holds_every_kind_of_placeholder(rows: list[dict[str, str]]) -> None:
    text = " ".join(row["TEXT"] for row in rows)
    found = {
        kind_of(re.sub(r" \d+$", "", inner)) for inner in re.findall(r"\[\*\*(.*?)\*\*\]", text)
    }
    written = [form.replace("#", "").strip("[]* ") for form in OTHERS]
    written += [
        form.replace("#", "").strip("[]* ") for forms in PLACEHOLDERS.values() for form in forms
    ]
    assert {kind_of(form) for form in written if "%" not in form} <= found
    for literal in (r"\d{4}-\d+-\d+", r"\d+-\d+", r"\d{4}", r"[A-Z][a-z]+ \d{4}"):
        assert re.search(rf"\[\*\*{literal}\*\*\]", text), literal


def test_the_reader_knows_every_kind_that_it_holds(rows: list[dict[str, str]]) -> None:
    for form in OTHERS:
        assert kind_of(form.replace("#", "").strip()).known, form


def test_it_has_what_is_hard_to_read(rows: list[dict[str, str]]) -> None:
    assert any('"' in row["TEXT"] for row in rows)
    assert any("\n" in row["TEXT"] and "," in row["TEXT"] for row in rows)
    assert any(row["CATEGORY"].endswith(" ") for row in rows)
    assert len({row["CATEGORY"] for row in rows}) >= 8


def test_dates_are_those_of_the_owners_and_fit_the_notes(rows: list[dict[str, str]]) -> None:
    for row in rows:
        day = datetime.strptime(row["CHARTDATE"], "%Y-%m-%d")
        assert 2100 <= day.year <= 2200
        if row["CHARTTIME"]:
            assert datetime.strptime(row["CHARTTIME"], "%Y-%m-%d %H:%M:%S").date() == day.date()


def test_a_patient_has_several_notes_and_one_admission(rows: list[dict[str, str]]) -> None:
    admissions: dict[str, set[str]] = {}
    for row in rows:
        admissions.setdefault(row["SUBJECT_ID"], set()).add(row["HADM_ID"])
    assert len(admissions) == pytest.approx(N_NOTES / 45, rel=0.1)
    assert all(len(found) == 1 for found in admissions.values())


def test_no_two_notes_are_the_same(rows: list[dict[str, str]]) -> None:
    assert len({row["TEXT"] for row in rows}) == N_NOTES


def test_most_notes_name_their_patient_in_full_at_the_start(rows: list[dict[str, str]]) -> None:
    full = re.compile(r"\[\*\*Known firstname \d+\*\*\] \[\*\*Known lastname \d+\*\*\]")
    named = [bool(full.search(row["TEXT"][:150])) for row in rows]
    assert 0.3 < sum(named) / N_NOTES < 0.9


def test_the_same_numbers_write_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.csv" for number in range(3)]
    for file, seed in zip(files, (5, 5, 6), strict=True):
        make_noteevents(file, n_notes=30, seed=seed)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other


def test_a_compressed_table_holds_the_same_and_no_clock_time(tmp_path: Path) -> None:
    plain, packed, again = (tmp_path / name for name in ("a.csv", "b.csv.gz", "c.csv.gz"))
    for file in (plain, packed, again):
        make_noteevents(file, n_notes=30, seed=5)
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert packed.read_bytes() == again.read_bytes()
    assert packed.read_bytes()[3:8] == b"\0" * 5  # no file name, no time


def test_rows_are_written_while_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is interrupted leaves nothing behind under either name."""

    def interrupted(n_notes: int, seed: int) -> object:
        yield from [(1, 2)] * 5
        raise KeyboardInterrupt

    monkeypatch.setattr(made_notes, "_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_noteevents(tmp_path / "n.csv", n_notes=10, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    taken = tmp_path / "taken.csv"
    taken.write_text("mine")
    for file, n_notes, kind, expected in (
        (taken, 1, BadInput, "taken.csv: is there already"),
        (tmp_path / "n.txt", 1, BadParameter, "end it in .csv or .csv.gz"),
        (tmp_path / "n.csv", 0, BadParameter, "n_notes=0 makes no note"),
        (tmp_path / "none" / "n.csv", 1, BadInput, "cannot be written"),
        (Path(os.fsdecode(bytes(tmp_path) + b"/n\xff.csv")), 1, BadParameter, "is not in UTF-8"),
    ):
        with pytest.raises(kind, match=expected) as caught:
            make_noteevents(file, n_notes=n_notes, seed=0)
        assert "\n" not in str(caught.value)
    assert taken.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["taken.csv"]


def test_the_command_writes_the_table(tmp_path: Path) -> None:
    file = tmp_path / "NOTEEVENTS.csv.gz"
    done = CliRunner().invoke(command, [str(file), "--n-notes", "12", "--seed", "4"])
    assert (done.exit_code, done.output) == (0, f"12 generated notes in {file}\n")
    expected = tmp_path / "expected.csv.gz"
    make_noteevents(expected, n_notes=12, seed=4)
    assert file.read_bytes() == expected.read_bytes()


def test_every_pair_of_rows_differs_in_its_id(rows: list[dict[str, str]]) -> None:
    ids = [int(row["ROW_ID"]) for row in rows]
    assert all(left < right for left, right in pairwise(ids))
