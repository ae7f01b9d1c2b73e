"""Reading NOTEEVENTS.csv: every note once, little memory, and no text in any message."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2t_bench.corpora.noteevents import COLUMNS, MAX_BYTES, Note, Reading, read_notes
from v2t_bench.errors import BadInput

SECRET = "Zanzibarov"
HEADER = ",".join(f'"{column}"' for column in COLUMNS) + "\n"


def row(row_id: object = 1, subject: object = 7, error: str = "", text: str = SECRET) -> str:
    quoted = text.replace('"', '""')
    return (
        f'{row_id},{subject},100001,"2151-07-16",,,"Nursing/other","Report",14010,{error},'
        f'"{quoted}"\n'
    )


def written(folder: Path, content: str | bytes, name: str = "NOTEEVENTS.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_reads_every_note_with_its_patient_category_and_text(tmp_path: Path) -> None:
    text = 'Pt said "no",\nthen\r\nleft.\x0b\u2028End'
    path = written(tmp_path, HEADER + row(1, 7, text=text) + row(2, 8, text="b"))
    assert list(read_notes(path)) == [
        Note(1, 7, "Nursing/other", text),
        Note(2, 8, "Nursing/other", "b"),
    ]


@pytest.mark.parametrize(
    "header",
    [
        ",".join(COLUMNS) + "\n",
        ",".join(COLUMNS).lower() + "\r\n",
        "\ufeff" + HEADER,
        HEADER.title(),
    ],
)
def test_the_header_may_be_quoted_or_not_in_any_case(tmp_path: Path, header: str) -> None:
    assert [note.row_id for note in read_notes(written(tmp_path, header + row()))] == [1]


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "NOTEEVENTS.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, sorted(COLUMNS))
        table.writeheader()
        table.writerow(dict.fromkeys(COLUMNS, "") | {"ROW_ID": 5, "SUBJECT_ID": 6, "TEXT": "a,b"})
    assert list(read_notes(path)) == [Note(5, 6, "", "a,b")]


def test_a_compressed_file_holds_the_same_notes_and_hash(tmp_path: Path) -> None:
    content = HEADER + row(1) + row(2, text="x\ny")
    plain = written(tmp_path, content)
    packed = written(tmp_path, gzip.compress(content.encode()), "NOTEEVENTS.csv.gz")
    readings = Reading(), Reading()
    assert list(read_notes(plain, readings[0])) == list(read_notes(packed, readings[1]))
    assert readings[0].sha256.digest() == readings[1].sha256.digest()


def test_notes_marked_as_errors_and_blank_notes_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [row(1), row(2, error="1"), row(3, error='"1"'), row(4, error="1.0"), row(5, error="0")]
    reading = Reading()
    path = written(tmp_path, HEADER + "".join(rows) + row(6, text=" \n "))
    assert [note.row_id for note in read_notes(path, reading)] == [1, 5]
    assert (reading.n_errors, reading.n_blank) == (3, 1)


def test_a_note_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    text = "word\n" * 2_000_000
    assert [len(note.text) for note in read_notes(written(tmp_path, HEADER + row(text=text)))] == [
        len(text)
    ]


def test_no_more_than_a_few_notes_are_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "NOTEEVENTS.csv"
    with path.open("w") as file:
        file.write(HEADER)
        file.writelines(row(number, text="word " * 2_000 + "\n") for number in range(3_000))
    assert path.stat().st_size > 30e6
    tracemalloc.start()
    n_notes = sum(1 for _ in read_notes(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_notes == 3_000
    assert peak < 5e6


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", r": is empty; expected the columns of MIMIC-III"),
    "blank": (lambda: b"\n\n", r": is empty"),
    "no notes": (lambda: HEADER.encode(), r": holds no notes"),
    "another table": (lambda: b"subject,name\n1,x\n", r":1: the header holds no column of NOTE"),
    "no header": (lambda: row().encode(), r":1: the header holds no column of NOTEEVENTS"),
    "a column is missing": (
        lambda: (HEADER.replace('"ISERROR",', "") + row()).encode(),
        r":1: the header lacks ISERROR; expected",
    ),
    "a column is renamed": (
        lambda: (HEADER.replace("TEXT", "NOTE") + row()).encode(),
        r":1: the header lacks TEXT; expected",
    ),
    "a column more": (
        lambda: (HEADER[:-1] + f",{SECRET}\n" + row()).encode(),
        r":1: the header has 12 columns, 1 of them unknown or repeated",
    ),
    "a row is short": (
        lambda: (HEADER + row() + f"2,{SECRET}\n").encode(),
        r":3: the row has 2 columns; expected 11",
    ),
    "text is not quoted": (
        lambda: (HEADER + row()[:-1].replace('"', "") + f", and {SECRET}\n").encode(),
        r":2: the row has 12 columns; expected 11",
    ),
    "a row id is repeated": (
        lambda: (HEADER + row(4) + row(5, text="a\nb") + row(4)).encode(),
        r":5: its ROW_ID stands on an earlier line too",
    ),
    "a row id is a word": (
        lambda: (HEADER + row(SECRET)).encode(),
        r":2: ROW_ID is not a whole number",
    ),
    "a row id is negative": (lambda: (HEADER + row(-1)).encode(), r":2: ROW_ID is not a whole"),
    "a row id is huge": (lambda: (HEADER + row(2**31)).encode(), r":2: ROW_ID is not a whole"),
    "a row id is in other digits": (lambda: (HEADER + row("\u0663")).encode(), r":2: ROW_ID is"),
    "a patient is missing": (lambda: (HEADER + row(1, "")).encode(), r":2: SUBJECT_ID is not a"),
    "the error mark is a word": (
        lambda: (HEADER + row(error=SECRET)).encode(),
        r":2: ISERROR is neither empty, 0 nor 1",
    ),
    "a quote is not closed": (
        lambda: (HEADER + row(1) + row(2)[:-2] + "\nmore\n").encode(),
        r":3: the row that begins here is not finished where the file ends \(line 4\)",
    ),
    "a quote is not doubled": (
        lambda: (HEADER + row(1) + row(2)[:-2] + ' "oh" said\n').encode(),
        r":3: the quoting of the row that begins here is broken \(at line 3\)",
    ),
    "NUL": (
        lambda: (HEADER + row(1, text="a\nb\nc\0")).encode(),
        r":4: holds a NUL byte, so it is not a text file",
    ),
    "Latin-1": (
        lambda: (HEADER + row(1) + row(2, text="a\ncaf\u00e9")).encode("latin-1"),
        r":4: byte 4 of the line is not UTF-8",
    ),
    "UTF-16": (lambda: (HEADER + row()).encode("utf-16"), r":1: "),
}


def message_of(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        list(read_notes(path))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("compressed", [False, True])
def test_bad_input_is_told_in_one_line_by_file_and_line(
    tmp_path: Path, case: str, compressed: bool
) -> None:
    make, expected = BAD[case]
    name = "NOTEEVENTS.csv.gz" if compressed else "NOTEEVENTS.csv"
    path = written(tmp_path, gzip.compress(make()) if compressed else make(), name)
    message = message_of(path)
    assert message.startswith(str(path))
    assert message.count("\n") == 0
    with pytest.raises(BadInput, match=expected):
        list(read_notes(path))


@pytest.mark.parametrize("case", BAD)
def test_no_message_holds_anything_of_the_text(tmp_path: Path, case: str) -> None:
    assert SECRET not in message_of(written(tmp_path, BAD[case][0]()))


@pytest.mark.parametrize("cut", [12, 100, -12, -1])
def test_a_truncated_gz_file_is_told_so(tmp_path: Path, cut: int) -> None:
    rows = "".join(row(number, text=f"{SECRET} {number * 7919}") for number in range(400))
    packed = gzip.compress((HEADER + rows).encode())
    message = message_of(written(tmp_path, packed[:cut], "NOTEEVENTS.csv.gz"))
    assert "the compressed stream ends too early; the file is truncated" in message
    assert SECRET not in message


def test_a_damaged_gz_file_is_told_so(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + row(), "NOTEEVENTS.csv.gz")
    assert "the compressed stream is damaged; expected gzip" in message_of(path)


def test_a_missing_file_and_a_folder_are_told_so(tmp_path: Path) -> None:
    assert "there is no such file" in message_of(tmp_path / "none.csv")
    assert "is a folder; expected the file NOTEEVENTS.csv" in message_of(tmp_path)


def test_a_field_or_a_line_of_more_than_64_mib_is_refused(tmp_path: Path) -> None:
    line = "x" * 1023 + "\n"
    path = tmp_path / "NOTEEVENTS.csv"
    with path.open("w") as file:
        file.write(HEADER + row()[:-3])
        file.writelines(line for _ in range(MAX_BYTES // len(line) + 1))
    assert ":2: a field is longer than 67108864 characters" in message_of(path)
    with path.open("w") as file:
        file.write(HEADER)
        file.writelines(line[:-1] for _ in range(MAX_BYTES // len(line) + 100))
    assert ":2: the line is longer than 67108864 bytes" in message_of(path)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_text_comes_back_as_the_csv_module_wrote_it(texts: list[str]) -> None:
    import tempfile

    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for number, text in enumerate(texts):
        writer.writerow([number, 1, *[""] * 8, text])
    writer.writerow([len(texts), 1, *[""] * 8, "last"])
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), table.getvalue())
        found = [note.text for note in read_notes(path)]
    assert found == [text for text in [*texts, "last"] if text.strip()]
