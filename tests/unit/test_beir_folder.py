"""Reading a folder in BEIR's layout."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from v2t_bench.corpora.beir import read_beir
from v2t_bench.errors import BadInput, EmptyJudgements
from v2t_bench.scoring.names import Name

HEADER = b"query-id\tcorpus-id\tscore\n"
GOOD = {
    "corpus.jsonl": b'{"_id": "d1", "title": "A", "text": "one"}\n{"_id": "d2", "text": "two"}\n',
    "queries.jsonl": b'{"_id": "q1", "text": "which?"}\n{"_id": "q2", "text": "why?"}\n',
    "qrels/test.tsv": HEADER + b"q1\td1\t2\nq1\td2\t0\nq2\td2\t1\n",
}


def written(folder: Path, **changes: bytes) -> Path:
    """Write a good folder in which the named files (by stem) hold something else."""
    (folder / "qrels").mkdir(parents=True)
    for name, content in GOOD.items():
        (folder / name).write_bytes(changes.get(Path(name).stem, content))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return written(tmp_path / "tiny")


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Return what is said of a folder with such a file, its path left out."""

    def read(**changes: bytes) -> str:
        folder = written(tmp_path / "tiny", **changes)
        with pytest.raises(BadInput) as caught:
            read_beir(folder)
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(f"{folder}/", "")

    return read


def test_documents_queries_and_judgements_are_read(tiny: Path) -> None:
    corpus = read_beir(tiny)
    assert [(d.id, d.title, d.text) for d in corpus.documents] == [
        ("d1", "A", "one"),
        ("d2", "", "two"),
    ]
    assert corpus.queries == {"q1": "which?", "q2": "why?"}
    assert corpus.judgements == {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 1}}
    assert corpus.notices == ()


def test_a_folder_gives_its_name_to_the_corpus(tiny: Path) -> None:
    assert (read_beir(tiny).name, read_beir(tiny, name="mine").name) == ("beir:tiny", "mine")


def test_a_folder_of_unknown_licence_is_not_redistributable(tiny: Path) -> None:
    corpus = read_beir(tiny)
    assert (corpus.redistributable, corpus.restricted) == (False, False)


@pytest.mark.parametrize(("name", "known"), [("arguana", True), ("Quora", True), ("nq", False)])
def test_queries_are_documents_where_beir_says_so(tmp_path: Path, name: str, known: bool) -> None:
    assert read_beir(written(tmp_path / name)).queries_are_documents is known


def test_compressed_files_are_read_alike(tiny: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other")
    for name in GOOD:
        (other / f"{name}.gz").write_bytes(gzip.compress((other / name).read_bytes()))
        (other / name).unlink()
    assert read_beir(other).fingerprint == read_beir(tiny).fingerprint


def test_the_fingerprint_does_not_know_where_a_folder_is(tiny: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny, tmp_path / "elsewhere" / "renamed")
    assert read_beir(other).fingerprint == read_beir(tiny).fingerprint


def test_the_fingerprint_changes_with_a_grade(tiny: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other", test=HEADER + b"q1\td1\t1\nq1\td2\t0\nq2\td2\t1\n")
    assert read_beir(other).fingerprint != read_beir(tiny).fingerprint


def test_another_split_is_read_when_asked_for(tiny: Path) -> None:
    (tiny / "qrels" / "dev.tsv").write_bytes(HEADER + b"q2\td1\t1\n")
    corpus = read_beir(tiny, split="dev")
    assert (corpus.split, dict(corpus.judgements)) == ("dev", {"q2": {"d1": 1}})


def test_numbers_are_taken_as_ids(tmp_path: Path) -> None:
    corpus = read_beir(
        written(
            tmp_path / "tiny",
            corpus=b'{"_id": 7, "text": "one"}\n',
            queries=b'{"_id": 1, "text": "which?"}\n',
            test=HEADER + b"1\t7\t1\n",
        )
    )
    assert corpus.documents[0].id == "7"
    assert corpus.judgements == {"1": {"7": 1}}


def test_blank_lines_and_other_line_breaks_are_passed_over(tiny: Path, tmp_path: Path) -> None:
    odd = {Path(name).stem: text.replace(b"\n", b"\r\n") + b"\r\n" for name, text in GOOD.items()}
    assert read_beir(written(tmp_path / "odd", **odd)).fingerprint == read_beir(tiny).fingerprint


@pytest.mark.parametrize(
    ("changes", "notice"),
    [
        (
            {"test": HEADER + b"q1\td1\t1\nq1\tgone\t1\nq2\tgone\t1\n"},
            "judgements of documents that are not in the corpus, counted in the ideal ranking as "
            "in BEIR: 2 (of 2 queries)",
        ),
        (
            {"test": HEADER + b"q1\td1\t1\n"},
            "queries without judgements in split test, left out: 1",
        ),
        (
            {"corpus": GOOD["corpus.jsonl"] + b'{"_id": "d3", "title": null, "text": " "}\n'},
            "blank documents, ranked but never attacked: 1",
        ),
        (
            {"queries": b'{"_id": "q1", "text": ""}\n{"_id": "q2", "text": "why?"}\n'},
            "blank judged queries, kept: 1",
        ),
        (
            {"test": HEADER + b"q1\td1\t1\nq2\td2\t1\nq1\td1\t2\nq2\td2\t1\n"},
            "judgements that stand more than once, the last one counted as in BEIR: "
            "2 (1 with another grade)",
        ),
        (
            {"test": HEADER + b"q1\td1\t1\nq2\td2\t-1\n"},
            "judgements below 0, read as 0 as trec_eval counts them: 1",
        ),
    ],
    ids=["absent", "unjudged", "blank", "blank-query", "repeated", "negative"],
)
def test_what_is_odd_but_can_be_used_is_counted_in_a_notice(
    tmp_path: Path, changes: dict[str, bytes], notice: str
) -> None:
    assert read_beir(written(tmp_path / "tiny", **changes)).notices == (notice,)


def test_a_judgement_of_an_absent_document_is_kept(tmp_path: Path) -> None:
    folder = written(tmp_path / "tiny", test=HEADER + b"q1\td1\t1\nq1\tgone\t1\n")
    assert read_beir(folder).judgements == {"q1": {"d1": 1, "gone": 1}}


def test_an_unjudged_query_is_left_out(tmp_path: Path) -> None:
    assert list(read_beir(written(tmp_path / "tiny", test=HEADER + b"q2\td1\t1\n")).queries) == [
        "q2"
    ]


@pytest.mark.parametrize(
    ("stem", "content", "message"),
    [
        ("corpus", b"", "corpus.jsonl: holds no documents"),
        ("corpus", b'{"_id": "a", "text": "b"}\n{"_id"', "corpus.jsonl:2: malformed JSON"),
        ("corpus", b'"a"\n', "corpus.jsonl:1: holds a JSON string; expected one JSON object"),
        ("corpus", b'{"id": "a", "text": "b"}\n', "corpus.jsonl:1: has no field '_id'"),
        ("corpus", b'\n{"_id": "a", "title": "b"}\n', "corpus.jsonl:2: has no field 'text'"),
        ("corpus", b'{"_id": "a", "text": null}\n', "corpus.jsonl:1: field 'text' is a null"),
        ("corpus", b'{"_id": "a", "text": ["b"]}\n', "corpus.jsonl:1: field 'text' is a list"),
        ("corpus", b'{"_id": "a", "text": "b", "title": 1}', "corpus.jsonl:1: field 'title' is a"),
        ("corpus", b'{"_id": 1.5, "text": "b"}\n', "corpus.jsonl:1: field '_id' is a number"),
        ("corpus", b'{"_id": true, "text": "b"}\n', "corpus.jsonl:1: field '_id' is a boolean"),
        ("corpus", b'{"_id": " ", "text": "b"}\n', "corpus.jsonl:1: field '_id' is blank"),
        ("corpus", b'{"_id": "\\ud800", "text": "b"}\n', "corpus.jsonl:1: field '_id' holds half"),
        ("corpus", b'{"_id": "a", "text": "\\ud800"}\n', "corpus.jsonl:1: field 'text' holds half"),
        (
            "corpus",
            b'{"_id": "1", "text": "b"}\n\n{"_id": 1, "text": "c"}\n',
            "corpus.jsonl:3: document id '1' already stands on line 1",
        ),
        ("corpus", b'{"_id": "a", "text": "\xe9"}\n', "corpus.jsonl:1: byte 23 of the line is not"),
        ("corpus", b'{"_id": "a", "text": "b\0"}\n', "corpus.jsonl:1: holds a NUL byte"),
        (
            "corpus",
            b'{"_id": "a", "text": "b", "metadata": {"label": "\\ud800"}}\n',
            "corpus.jsonl:1: the label holds half of a surrogate pair",
        ),
        (
            "corpus",
            b'{"_id": "a", "text": "b", "metadata": {"first_name": "\\ud800", "last_name": "L"}}\n',
            "corpus.jsonl:1: the name of a person holds half of a surrogate pair",
        ),
        (
            "corpus",
            b'{"_id": "d1", "text": " "}\n{"_id": "d2", "text": ""}\n',
            "corpus.jsonl: every document is blank",
        ),
        ("queries", b'{"_id": "q1", "text": \n', "queries.jsonl:1: malformed JSON"),
        ("queries", b'{"_id": "q1"}\n', "queries.jsonl:1: has no field 'text'"),
        (
            "queries",
            GOOD["queries.jsonl"] + b'{"_id": "q2", "text": "again?"}\n',
            "queries.jsonl:3: query id 'q2' already stands on line 2",
        ),
        ("queries", b'{"_id": "q1", "text": "a"}\n', "qrels/test.tsv:4: query 'q2' is not in"),
        ("test", b"", "qrels/test.tsv:1: the header is ''; expected query-id<tab>corpus-id"),
        ("test", b"q1\td1\t1\n", "qrels/test.tsv:1: the header is 'q1\\td1\\t1'"),
        ("test", HEADER + b"q1\td1\t1.0\n", "qrels/test.tsv:2: grade '1.0' is not an integer"),
        ("test", HEADER + b"q1\td1\t1\nq1\td2\t\n", "qrels/test.tsv:3: grade '' is not an integer"),
        ("test", HEADER + b"q1\td1\t1_0\n", "qrels/test.tsv:2: grade '1_0' is not an integer"),
        ("test", HEADER + b"q1\td1\t99999\n", "qrels/test.tsv:2: grade 99999 is beyond 10000"),
        ("test", HEADER + b"q1\td1\t" + b"9" * 31, "qrels/test.tsv:2: grade '999"),
        ("test", HEADER + b"q1 d1 1\n", "qrels/test.tsv:2: has 1 columns; expected 3, separated"),
        ("test", HEADER + b"q1\t0\td1\t1\n", "qrels/test.tsv:2: has 4 columns; expected 3"),
        ("test", HEADER + b'"q1\td1\t1\n', "qrels/test.tsv:2: a quoted column is malformed"),
        ("test", HEADER + b"q1\td1\t1\nq\xe9\td1\t1\n", "qrels/test.tsv:3: byte 2 of the line"),
        ("test", HEADER + b"q1\tx\t1\n", "qrels/test.tsv: none of the 1 relevant documents is in"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    refused: Callable[..., str], stem: str, content: bytes, message: str
) -> None:
    assert refused(**{stem: content}).startswith(message)


@pytest.mark.parametrize("rows", [b"", b"q1\td1\t0\nq2\td2\t0\n", b"q1\td1\t-1\n"])
def test_judgements_without_a_relevant_document_are_refused(tmp_path: Path, rows: bytes) -> None:
    folder = written(tmp_path / "tiny", test=HEADER + rows)
    with pytest.raises(EmptyJudgements, match=r"qrels/test\.tsv: none of the \d judged queries"):
        read_beir(folder)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_file_is_named(tiny: Path, name: str) -> None:
    (tiny / name).unlink()
    with pytest.raises(BadInput, match=f"{name}: there is no such (file|folder)"):
        read_beir(tiny)


def test_a_missing_split_is_answered_with_those_there_are(tiny: Path) -> None:
    (tiny / "qrels" / "dev.tsv.gz").write_bytes(gzip.compress(HEADER))
    with pytest.raises(BadInput, match=r"train\.tsv: .*the splits in this folder: dev, test"):
        read_beir(tiny, split="train")


def test_a_folder_without_qrels_is_refused(tiny: Path) -> None:
    shutil.rmtree(tiny / "qrels")
    with pytest.raises(BadInput, match="qrels: there is no such folder; a BEIR folder holds"):
        read_beir(tiny)


def test_a_missing_folder_and_a_file_in_its_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere: there is no such folder; a BEIR folder holds"):
        read_beir(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file: is not a folder"):
        read_beir(tmp_path / "file")


def test_a_truncated_compressed_file_is_named_with_its_line(tiny: Path) -> None:
    whole = gzip.compress((tiny / "corpus.jsonl").read_bytes())
    (tiny / "corpus.jsonl").unlink()
    (tiny / "corpus.jsonl.gz").write_bytes(whole[:-9])
    with pytest.raises(BadInput, match=r"corpus\.jsonl\.gz:\d: the compressed stream ends too"):
        read_beir(tiny)


def test_a_document_is_about_the_person_its_metadata_names_in_full(tmp_path: Path) -> None:
    metadata: list[object] = [
        {"first_name": "Ann", "last_name": "van Smith", "age": 3},
        {"first_name": "Ann"},
        {"first_name": " ", "last_name": "Smith"},
        {"first_name": 5, "last_name": "Smith"},
        {"first_name": None, "last_name": None},
        ["Ann", "Smith"],
        "Ann Smith",
        None,
        {},
    ]
    lines = [
        json.dumps({"_id": f"d{number}", "text": "one", "metadata": value})
        for number, value in enumerate(metadata, 1)
    ]
    queries = b'{"_id": "q1", "text": "?", "metadata": {"first_name": "Q", "last_name": "Q"}}\n'
    folder = written(
        tmp_path / "people",
        corpus="\n".join([*lines, '{"_id": "d0", "text": "none"}']).encode(),
        queries=queries,
        test=HEADER + b"q1\td2\t1\n",
    )
    corpus = read_beir(folder)
    assert corpus.names == {"d1": Name("Ann", "van Smith")}
    assert len(corpus.documents) == 10


def test_a_folder_without_metadata_is_about_nobody(tiny: Path) -> None:
    assert read_beir(tiny).names == {}


def labelled(folder: Path, labels: list[object]) -> Path:
    """Write a folder whose documents d1, d2 ... carry ``labels``."""
    lines = [
        json.dumps({"_id": f"d{number}", "text": f"text {number}", "metadata": {"label": label}})
        for number, label in enumerate(labels, 1)
    ]
    return written(
        folder,
        corpus="\n".join(lines).encode(),
        queries=b'{"_id": "q1", "text": "?"}\n',
        test=HEADER + b"q1\td1\t1\n",
    )


def test_a_document_carries_the_label_of_its_metadata(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "it", ["heart", " skin ", 3, True, 1.5, None, "", ["heart"]])
    assert read_beir(folder).labels == {"d1": "heart", "d2": "skin", "d3": "3"}


def test_a_label_is_part_of_what_is_measured(tmp_path: Path) -> None:
    one = read_beir(labelled(tmp_path / "a", ["heart", "skin"]))
    other = read_beir(labelled(tmp_path / "b", ["heart", "eye"]))
    assert one.fingerprint != other.fingerprint


def test_labels_of_one_kind_are_told(tmp_path: Path) -> None:
    notices = read_beir(labelled(tmp_path / "it", ["heart", "heart"])).notices
    assert "all 2 labels are the same, so none is inferred" in notices


def test_a_folder_without_labels_keeps_the_fingerprint_it_had(tiny: Path) -> None:
    from dataclasses import replace

    corpus = read_beir(tiny)
    assert corpus.labels == {}
    # The fingerprint is that of the version that knew no labels: leaderboards name corpora by it.
    assert replace(corpus, labels={"d": "heart"}).fingerprint != corpus.fingerprint
    assert corpus.fingerprint.startswith("643f69c02caf")


def test_a_folder_that_links_to_itself_is_told_as_missing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BadInput, match="loop: there is no such folder"):
        read_beir(tmp_path / "loop")
