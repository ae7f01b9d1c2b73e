"""ACI-Bench and MTSamples, which stand in for MIMIC-III."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from v2t_bench.corpora.clinical import (
    ACI_BENCH_FILE,
    MTSAMPLES_FILE,
    read_aci_bench,
    read_mtsamples,
)
from v2t_bench.corpora.records import Corpus
from v2t_bench.errors import BadInput
from v2t_bench.scoring.names import Name

Reader = Callable[[Path], Corpus]


def written(folder: Path, name: str, records: list[Any]) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / name).write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


def test_aci_bench_has_notes_with_the_names_of_patients(tmp_path: Path) -> None:
    records = [
        {"_id": "a", "first": "Ann", "last": " Lee ", "note": "Ann Lee is well.", "cc": "cough"},
        {"_id": "b", "first": "Bob", "last": None, "note": "Well."},
    ]
    corpus = read_aci_bench(written(tmp_path, ACI_BENCH_FILE, records))
    assert [(one.id, one.content) for one in corpus.documents] == [
        ("a", "Ann Lee is well."),
        ("b", "Well."),
    ]
    assert corpus.names == {"a": Name("Ann", "Lee")}
    assert (corpus.name, corpus.redistributable, corpus.restricted) == ("aci-bench", True, False)


def test_mtsamples_has_reports_with_their_first_specialty(tmp_path: Path) -> None:
    records = [
        {"_id": "m1", "specialties": ["Letters", "Urology"], "title": "T", "text": "Dear Sir."},
        {"_id": "m2", "specialties": [], "text": "Report."},
    ]
    corpus = read_mtsamples(written(tmp_path, MTSAMPLES_FILE, records))
    assert [(one.id, one.content) for one in corpus.documents] == [
        ("m1", "Dear Sir."),
        ("m2", "Report."),
    ]
    assert corpus.labels == {"m1": "Letters"}
    assert (corpus.name, corpus.redistributable, corpus.names) == ("mtsamples", False, {})


@pytest.mark.parametrize(
    ("read", "name", "field"),
    [(read_aci_bench, ACI_BENCH_FILE, "note"), (read_mtsamples, MTSAMPLES_FILE, "text")],
)
class TestBoth:
    def test_the_start_of_a_note_must_be_found_and_rows_say_so(
        self, tmp_path: Path, read: Reader, name: str, field: str
    ) -> None:
        corpus = read(written(tmp_path, name, [{"_id": "a", field: "x"}]))
        assert corpus.known_item
        assert corpus.flags == ("known-item", "stand-in")
        assert (corpus.queries, corpus.judgements) == ({}, {})

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ([], ": holds no notes"),
            (["", "{"], ":2: malformed JSON"),
            (["[]"], ":1: holds a JSON list|:1: holds a JSON array"),
            (['{"_id": "a"}'], ":1: has no field '{field}'"),
            (['{"_id": "a", "{field}": 3}'], ":1: field '{field}' is a number"),
            (['{"{field}": "x"}'], ":1: has no field '_id'"),
            (['{"_id": " ", "{field}": "x"}'], ":1: field '_id' is blank"),
            (['{"_id": "a", "{field}": "x"}'] * 2, ":2: id 'a' already stands on line 1"),
        ],
    )
    def test_bad_input_is_told_by_file_and_line(
        self, tmp_path: Path, read: Reader, name: str, field: str, lines: list[str], expected: str
    ) -> None:
        folder = written(tmp_path, name, [line.replace("{field}", field) for line in lines])
        with pytest.raises(BadInput, match=expected.replace("{field}", field)) as caught:
            read(folder)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_named(
        self, tmp_path: Path, read: Reader, name: str, field: str
    ) -> None:
        with pytest.raises(BadInput, match="there is no such file"):
            read(tmp_path)


def test_specialties_that_are_no_list_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, MTSAMPLES_FILE, [{"_id": "a", "text": "x", "specialties": "ENT"}])
    with pytest.raises(BadInput, match=":1: field 'specialties' is no list of strings"):
        read_mtsamples(folder)


@pytest.mark.data
def test_the_public_files_are_read_whole(shared_data: Path) -> None:
    """Counted with gzip and json alone."""
    for read, name, field in (
        (read_aci_bench, ACI_BENCH_FILE, "note"),
        (read_mtsamples, MTSAMPLES_FILE, "text"),
    ):
        with gzip.open(shared_data / "clinical" / name, "rt", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        corpus = read(shared_data / "clinical")
        assert [(one.id, one.text) for one in corpus.documents] == [
            (record["_id"], record[field]) for record in records
        ]
        if name == ACI_BENCH_FILE:
            assert len(corpus.documents) == 207
            whole = {one["_id"]: one for one in records if one["first"] and one["last"]}
            assert corpus.names == {
                key: Name(one["first"].strip(), one["last"].strip()) for key, one in whole.items()
            }
        else:
            assert len(corpus.documents) == 2376
            firsts = {record["_id"]: record["specialties"][0] for record in records}
            assert corpus.labels == firsts
