"""The script that makes a BEIR folder of texts without queries."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from end_to_end.commands import ROOT
from v2t_bench.corpora.beir import read_beir
from v2t_bench.scoring.names import Name

ARTICLES: list[dict[str, Any]] = [
    {"id": "a1", "title": "Oak", "text": "Oaks are trees.", "label": "tree"},
    {"id": 2, "title": "Oak", "text": "Acorns é grow on oaks."},
    {"id": "a3", "text": "No title here."},
]
NOTES: list[dict[str, Any]] = [
    {"_id": "n1", "note": "Ms. Smith coughs.", "cc": "cough", "first": "Ann", "last": "Smith"},
    {
        "_id": "n2",
        "note": "He limps.",
        "cc": "limp",
        "first": "",
        "last": "Brown",
        "specialties": ["Orthopedic", "Neurology"],
    },
]


SCRIPT = ROOT / "benchmarks" / "texts_as_corpus.py"


def called(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def made(path: Path) -> Path:
    plain, packed = path / "articles.jsonl", path / "notes.jsonl.gz"
    plain.write_text("".join(json.dumps(record) + "\n" for record in ARTICLES), encoding="utf-8")
    packed.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in NOTES).encode()))
    done = called(plain, packed, "-o", path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"5 texts in {path / 'out'}\n"
    return path / "out"


def test_titles_ask_for_their_texts_and_names_are_kept(tmp_path: Path) -> None:
    corpus = read_beir(made(tmp_path))
    assert [(d.id, d.title, d.text) for d in corpus.documents] == [
        ("a1", "", "Oaks are trees."),
        ("2", "", "Acorns é grow on oaks."),
        ("a3", "", "No title here."),
        ("n1", "", "Ms. Smith coughs."),
        ("n2", "", "He limps."),
    ]
    asked = {corpus.queries[query]: grades for query, grades in corpus.judgements.items()}
    assert asked == {
        "Oak": {"a1": 1, "2": 1},
        "a3": {"a3": 1},
        "cough": {"n1": 1},
        "limp": {"n2": 1},
    }
    assert corpus.names == {"n1": Name("Ann", "Smith")}
    assert corpus.labels == {"a1": "tree", "n2": "Orthopedic"}
    assert corpus.notices == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "No such file"), ('{"id": 1}\n', "has no 'note'"), ("[1]\n", "not an object"),
     ('{"id": 1, "text": "a"}\n{', ":2: cannot be read")],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line_and_leaves_nothing(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    file = tmp_path / "notes.jsonl"
    if content is not None:
        file.write_text(content)
    done = called(file, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert [path for path in tmp_path.iterdir() if path != file] == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = called(tmp_path / "notes.jsonl", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.endswith("is there already; choose another folder\n")
