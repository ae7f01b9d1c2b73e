"""Anyone's own texts, as ``texts:<file>`` reads them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.own_texts import read_own_texts
from v2t_bench.corpora.records import Corpus
from v2t_bench.errors import BadInput, BadParameter, BadSpelling, EmptyJudgements, UnknownComponent
from v2t_bench.scoring.names import Name

LINES = "A red door.\n\n  two maps \nA red door.\n"
RECORDS: list[dict[str, Any]] = [
    {"_id": "a", "title": "Oak", "text": "grows", "label": "tree"},
    {"id": 7, "text": "Ann Smith coughs", "first_name": "Ann", "last_name": "Smith", "label": 3},
    {"text": "no id", "title": None},
]
QRELS = "query-id\tcorpus-id\tscore\n"


def jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Corpus]:
    """Return the texts of `RECORDS` with such queries and judgements."""

    def read(
        queries: str = "q1\twhich?\nq2\twhy?\n",
        qrels: str = f"{QRELS}q1\ta\t2\nq1\t7\t0\n",
        name: str = "queries.tsv",
    ) -> Corpus:
        (tmp_path / name).write_text(queries)
        (tmp_path / "qrels.tsv").write_text(qrels)
        texts = jsonl(tmp_path / "mine.jsonl", RECORDS)
        return read_own_texts(texts, tmp_path / name, tmp_path / "qrels.tsv")

    return read


def only(spelling: str) -> Corpus:
    (corpus,) = open_corpora(spelling)
    return corpus


def told(path: Path, content: bytes) -> str:
    """Return what is said of a file of texts that cannot be used, its folder left out."""
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_own_texts(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


class TestLinesOfText:
    def test_are_texts_by_the_numbers_of_their_lines(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text(LINES)
        corpus = only(f"texts:{tmp_path / 'mine.txt'}")
        assert [(d.id, d.title, d.text) for d in corpus.documents] == [
            ("1", "", "A red door."), ("3", "", "two maps"), ("4", "", "A red door."),
        ]  # fmt: skip
        assert corpus.notices == (
            "blank lines, left out: 1",
            "texts equal to an earlier one, kept and attacked once: 1",
        )

    def test_make_a_known_item_corpus_that_is_named_after_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "my notes.v2.txt").write_text(LINES)
        corpus = only(f"texts:{tmp_path / 'my notes.v2.txt'}")
        assert (corpus.name, corpus.split) == ("texts:my notes.v2", "all")
        assert (corpus.known_item, corpus.flags) == (True, ("known-item",))
        assert (corpus.redistributable, corpus.restricted) == (False, False)
        assert (corpus.queries, corpus.judgements) == ({}, {})

    def test_are_read_alike_when_compressed(self, tmp_path: Path) -> None:
        packed = {"txt": LINES.encode(), "txt.gz": gzip.compress(LINES.encode()),
                  "txt.zst": zstandard.compress(LINES.encode())}  # fmt: skip
        for ending, content in packed.items():
            (tmp_path / f"mine.{ending}").write_bytes(content)
        first, *others = [only(f"texts:{tmp_path}/mine.{ending}") for ending in packed]
        for other in others:
            assert (other.name, other.fingerprint) == (first.name, first.fingerprint)
            assert list(other.documents) == list(first.documents)


class TestRecords:
    def test_have_titles_ids_labels_and_names_or_none(self, tmp_path: Path) -> None:
        corpus = read_own_texts(jsonl(tmp_path / "mine.jsonl", RECORDS))
        assert [(d.id, d.content) for d in corpus.documents] == [
            ("a", "Oak grows"), ("7", "Ann Smith coughs"), ("3", "no id"),
        ]  # fmt: skip
        assert corpus.labels == {"a": "tree", "7": "3"}
        assert corpus.names == {"7": Name("Ann", "Smith")}
        assert corpus.notices == ()

    def test_may_say_it_in_their_metadata_as_in_a_beir_folder(self, tmp_path: Path) -> None:
        metadata = {"label": "tree", "first_name": "Ann", "last_name": "Smith"}
        records = [{"_id": "a", "text": "oak", "metadata": metadata},
                   {"_id": "b", "text": "elm", "metadata": metadata, "label": "shrub"}]  # fmt: skip
        corpus = read_own_texts(jsonl(tmp_path / "mine.jsonl", records))
        assert corpus.labels == {"a": "tree", "b": "shrub"}
        assert sorted(corpus.names) == ["a", "b"]

    def test_with_labels_or_names_that_cannot_be_used_are_told(self, tmp_path: Path) -> None:
        records: list[dict[str, Any]] = [
            {"text": "one", "label": ["a"]},
            {"text": "two", "first_name": "Ann"},
            {"text": " ", "label": None},
            {"text": "one"},
        ]
        corpus = read_own_texts(jsonl(tmp_path / "mine.jsonl", records))
        assert corpus.notices == (
            "blank documents, ranked but never attacked: 1",
            "texts equal to an earlier one, kept and attacked once: 1",
            "labels that are neither text nor whole numbers, left out: 1",
            "names without a first_name or a last_name, left out: 1",
        )
        assert (corpus.labels, corpus.names) == ({}, {})


class TestQueries:
    def test_are_those_that_are_judged(self, judged: Callable[..., Corpus]) -> None:
        corpus = judged()
        assert corpus.queries == {"q1": "which?"}
        assert corpus.judgements == {"q1": {"a": 2, "7": 0}}
        assert (corpus.known_item, corpus.flags, corpus.queries_are_documents) == (False, (), False)
        assert corpus.notices == ("queries without judgements in qrels.tsv, left out: 1",)

    def test_may_be_records_too(self, judged: Callable[..., Corpus]) -> None:
        records = '{"_id": "q1", "text": "which?"}\n\n{"_id": "q2", "text": "why?"}\n'
        assert judged(records, name="queries.jsonl").queries == judged().queries

    def test_are_named_in_the_spelling(self, judged: Callable[..., Corpus], tmp_path: Path) -> None:
        there = judged()
        found = only(f"texts:{tmp_path}/mine.jsonl,queries={tmp_path}/queries.tsv,"
                     f"judgements={tmp_path}/qrels.tsv")  # fmt: skip
        assert found.fingerprint == there.fingerprint

    @pytest.mark.parametrize(
        ("queries", "message"),
        [
            ("q1\twhich?\nq2 why?\n", "queries.tsv:2: has 1 columns, the first 'q2 why?'"),
            ("q1\twhich\tone?\n", "queries.tsv:1: has 3 columns, the first 'q1'"),
            ("\twhich?\n", "queries.tsv:1: has 2 columns, the first ''; expected an id, a tab"),
            ("q1\ta\nq2\tb\nq1\tc\n", "queries.tsv:3: query id 'q1' already stands on line 1"),
            ("", "qrels.tsv:2: query 'q1' is not in queries.tsv"),
        ],
    )
    def test_that_are_malformed_are_refused(
        self, judged: Callable[..., Corpus], queries: str, message: str
    ) -> None:
        with pytest.raises(BadInput) as caught:
            judged(queries)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("qrels", "message"),
        [
            ("q1\ta\t2\n", "qrels.tsv:1: the header is 'q1"),
            (f"{QRELS}q1\t0\ta\t2\n", "qrels.tsv:2: has 4 columns"),
            (f"{QRELS}q1\ta\t0.5\n", "qrels.tsv:2: grade '0.5' is not an integer"),
            (f"{QRELS}q1\tz\t1\n", "none of the 1 relevant documents is in the corpus"),
        ],
    )
    def test_with_malformed_judgements_are_refused(
        self, judged: Callable[..., Corpus], qrels: str, message: str
    ) -> None:
        with pytest.raises(BadInput) as caught:
            judged(qrels=qrels)
        assert message in str(caught.value)

    def test_to_which_nothing_is_relevant_are_refused(self, judged: Callable[..., Corpus]) -> None:
        with pytest.raises(EmptyJudgements, match="none of the 1 judged queries has a grade"):
            judged(qrels=f"{QRELS}q1\ta\t0\n")

    def test_in_a_file_of_another_kind_are_refused(self, judged: Callable[..., Corpus]) -> None:
        with pytest.raises(BadInput, match=r"queries\.csv: is of no known kind; expected .*\.tsv"):
            judged(name="queries.csv")


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("m.jsonl", b'{"text": "a"}\n{"text": ', "m.jsonl:2: malformed JSON"),
            ("m.jsonl", b'["a"]\n', "m.jsonl:1: holds a JSON list; expected one JSON object"),
            ("m.jsonl", b'{"title": "a"}\n', "m.jsonl:1: has no field 'text'"),
            ("m.jsonl", b'{"text": null}\n', "m.jsonl:1: field 'text' is a null"),
            ("m.jsonl", b'{"text": "a", "title": 3}\n', "m.jsonl:1: field 'title' is a number"),
            ("m.jsonl", b'{"text": "\\ud800"}\n', "m.jsonl:1: field 'text' holds half of a"),
            ("m.jsonl", b'{"_id": null, "text": "a"}\n', "m.jsonl:1: field '_id' is a null"),
            ("m.jsonl", b'{"id": " ", "text": "a"}\n', "m.jsonl:1: field 'id' is blank"),
            ("m.jsonl", b'{"id": "x", "text": "a"}\n{"text": "b"}\n{"_id": "x", "text": "c"}\n',
             "m.jsonl:3: text id 'x' already stands on line 1; expected every id once"),
            ("m.jsonl", b'{"id": 2, "text": "a"}\n{"text": "b"}\n',
             "m.jsonl:2: text id '2' already stands on line 1"),
            ("m.jsonl", b'{"text": " "}\n\n', "m.jsonl: holds no text (2 blank lines)"),
            ("m.txt", b"", "m.txt: holds no text (0 blank lines); expected one text a line"),
            ("m.txt", b"a\nb\0c\n", "m.txt:2: holds a NUL byte"),
            ("m.txt", b"a\n\xff\n", "m.txt:2: byte 1 of the line is not UTF-8"),
            ("m.txt.gz", gzip.compress(b"a red door\n" * 99)[:-9], "the compressed stream ends"),
            ("m.txt.gz", b"a\n", "m.txt.gz:1: the compressed stream is damaged"),
            ("m.txt.zst", zstandard.compress(b"a red door\n")[:-2], "the compressed stream ends"),
            ("m.csv", b"a\n", "m.csv: is of no known kind; expected a name that ends in .txt or"),
            ("m", b"a\n", "m: is of no known kind"),
        ],
    )  # fmt: skip
    def test_is_refused_in_a_line_that_names_the_place(
        self, tmp_path: Path, name: str, content: bytes, message: str
    ) -> None:
        assert message in told(tmp_path / name, content)

    def test_is_a_file_that_is_not_there_or_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=r"mine\.txt: there is no such file"):
            only(f"texts:{tmp_path}/mine.txt")
        with pytest.raises(BadInput, match=r"is a folder; expected a file \(beir:<folder>"):
            only(f"texts:{tmp_path}")


class TestASpelling:
    @pytest.mark.parametrize("name", ["a,b.txt", "a+b.txt", "a=b.txt", "a@b.txt", "[a].txt"])
    def test_quotes_a_path_with_characters_of_its_own(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text(LINES)
        assert only(f'texts:"{tmp_path / name}"').name == f"texts:{name.removesuffix('.txt')}"

    @pytest.mark.parametrize(
        ("spelling", "error", "message"),
        [
            ("texts", BadParameter, "'texts' names no files of texts; expected texts:<file>[,"),
            ("texts:", BadSpelling, "expected texts:<file>[,queries=<file>,judgements=<file>]"),
            ('texts:""', BadParameter, "texts is '' and no file; expected texts:<file>[,"),
            ("texts:a.txt,b.txt", BadParameter, "names 2 files of texts"),
            ("texts:a+b.txt", BadSpelling, "is put in double quotes"),
            ("texts:a=b.txt", BadParameter, "has the parameter 'a'; expected texts:<file>[,"),
            ("texts:a.txt,split=b", BadParameter, "has the parameter 'split'; expected texts:"),
            ("texts:a.txt@2", BadParameter, "has a revision; expected texts:<file>"),
            ("texts:a.txt,queries=[b],judgements=c", BadParameter, "queries is 'b' and no file"),
            ("texts:[a]", BadParameter, "texts is 'a' and no file"),
            ("texts:a.txt,queries=q.tsv", BadParameter, "has no judgements; give queries and"),
            ("texts:a.txt,judgements=j.tsv", BadParameter, "has no queries; give queries and"),
            ("text:a.txt", UnknownComponent, "did you mean 'texts:a.txt'?"),
        ],
    )
    def test_that_names_no_texts_is_refused_in_one_line(
        self, spelling: str, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error) as caught:
            open_corpora(spelling)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_is_proposed_to_who_gives_only_the_path(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text(LINES)
        with pytest.raises(UnknownComponent, match=r"did you mean 'texts:.*mine\.txt'\?"):
            open_corpora(str(tmp_path / "mine.txt"))
