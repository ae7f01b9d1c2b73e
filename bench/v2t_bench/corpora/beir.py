"""Read a folder in the layout of BEIR: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

The loader of the beir package is not used: it keeps the last of two documents of one id
and turns a missing text into None without a word, reads no .gz, and stops with a bare
KeyError or IndexError that names no line. A test compares the two on good folders.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from v2t_bench.corpora.records import Corpus, Document
from v2t_bench.errors import BadInput, EmptyJudgements
from v2t_bench.lines import check_encodable, json_type, parse_record, read_lines, text_field
from v2t_bench.scoring.names import Name

LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv, each perhaps .gz"
HEADER = ("query-id", "corpus-id", "score")

# Their queries are documents of the corpus under the same id, so BEIR leaves a query's own
# id out of its ranking (ignore_identical_ids); in other collections equal ids mean nothing.
QUERIES_ARE_DOCUMENTS = frozenset({"arguana", "quora"})

Judgements = dict[str, dict[str, int]]


def read_beir(folder: Path, *, split: str = "test", name: str | None = None) -> Corpus:
    """Return the collection in ``folder``, with the queries that ``split`` judges.

    A document whose ``metadata`` holds ``first_name`` and ``last_name`` is about that person;
    a ``label`` there, a string or a whole number, is what attribute inference predicts.
    Nobody knows the licence of a folder, so it is not redistributable. What is odd but
    can be used is told in the notices.

    Args:
        folder: Where the files are.
        split: Which file of ``qrels`` to read.
        name: What the corpus is called; default: ``beir:`` and the folder's name.

    Raises:
        BadInput: naming file and line: a file is missing or damaged, a field is missing
            or of the wrong type, an id stands twice, or the files do not fit together.
        EmptyJudgements: no query has a grade above 0.
    """
    folder_name = folder.resolve().name
    notices: list[str] = []
    about = _About()
    documents = _documents(_present(folder, "corpus.jsonl"), notices, about)
    queries_path = _present(folder, "queries.jsonl")
    queries = dict(_texts_by_id(queries_path, "query"))
    qrels_path = _qrels_path(folder, split)
    judgements = _judgements(qrels_path, queries, queries_path, notices)
    _check_fit(judgements, documents, qrels_path, notices)
    unjudged = len(queries) - len(judgements)
    if unjudged:
        notices.append(f"queries without judgements in split {split}, left out: {unjudged}")
    judged = {query: queries[query].text for query in judgements}
    n_blank = sum(not text.strip() for text in judged.values())
    if n_blank:
        notices.append(f"blank judged queries, kept: {n_blank}")
    return Corpus(
        name=f"beir:{folder_name}" if name is None else name,
        split=split,
        documents=tuple(documents.values()),
        queries=judged,
        judgements=judgements,
        names=about.names,
        labels=about.labels,
        queries_are_documents=folder_name.lower() in QUERIES_ARE_DOCUMENTS,
        redistributable=False,
        notices=tuple(notices),
    )


def _present(folder: Path, name: str) -> Path:
    """Return the path of the file, or of its .gz where only that exists."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "there is no such folder"
        raise BadInput(f"{folder}: {what}; {LAYOUT}")
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise BadInput(f"{folder / name}: there is no such file, nor {name}.gz; {LAYOUT}")


def _qrels_path(folder: Path, split: str) -> Path:
    """Return the file with the judgements of ``split``."""
    qrels = folder / "qrels"
    splits = {path.name.removesuffix(".gz").removesuffix(".tsv") for path in qrels.glob("*.tsv*")}
    if splits and split not in splits:
        raise BadInput(
            f"{qrels / split}.tsv: there is no such file, nor {split}.tsv.gz; "
            f"the splits in this folder: {', '.join(sorted(splits))}"
        )
    return _present(qrels, f"{split}.tsv")


@dataclass(frozen=True)
class _About:
    """What the metadata of documents says, by id: a person, a label."""

    names: dict[str, Name] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def note(self, key: str, metadata: object) -> None:
        name, label = _name(metadata), _label(metadata)
        if name is not None:
            self.names[key] = name
        if label is not None:
            self.labels[key] = label


def _documents(path: Path, notices: list[str], about: _About) -> dict[str, Document]:
    """Return every document by its id, and note what its metadata says in ``about``."""
    documents = dict(_texts_by_id(path, "document", about))
    if not documents:
        raise BadInput(f"{path}: holds no documents; expected one JSON object a line")
    n_blank = sum(not document.content.strip() for document in documents.values())
    if n_blank:
        notices.append(f"blank documents, ranked but never attacked: {n_blank}")
    if len(set(about.labels.values())) == 1:
        notices.append(f"all {len(about.labels)} labels are the same, so none is inferred")
    return documents


def _texts_by_id(
    path: Path, what: str, about: _About | None = None
) -> Iterator[tuple[str, Document]]:
    """Yield id and texts of every line; a query is read as a document without a title."""
    lines: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        record = parse_record(line, place)
        key = _id(record, place)
        if key in lines:
            raise BadInput(
                f"{place}: {what} id {key!r} already stands on line {lines[key]}; "
                "expected every id once"
            )
        lines[key] = number
        if about is not None:
            about.note(key, record.get("metadata"))
        title = text_field(record, "title", place, optional=True) if what == "document" else ""
        yield key, Document(key, title, text_field(record, "text", place))


def _name(metadata: object) -> Name | None:
    """Return the person a document says it is about, if it names one in full."""
    if not isinstance(metadata, dict):
        return None
    first, last = metadata.get("first_name"), metadata.get("last_name")
    if not (isinstance(first, str) and isinstance(last, str) and first.strip() and last.strip()):
        return None
    return Name(first, last)


def _label(metadata: object) -> str | None:
    """Return the label a document carries, if it is one that can be told."""
    value = metadata.get("label") if isinstance(metadata, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def _id(record: Mapping[str, Any], place: str) -> str:
    """Return the id of one record as a string."""
    if "_id" not in record:
        present = ", ".join(repr(name) for name in record) or "none"
        raise BadInput(f"{place}: has no field '_id'; expected a string there (fields: {present})")
    value = record["_id"]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"{place}: field '_id' is a {json_type(value)}; expected a string")
    if not value.strip():
        raise BadInput(f"{place}: field '_id' is blank; expected a string with something in it")
    check_encodable(value, f"{place}: field '_id'")
    return value


def _judgements(
    path: Path, queries: Mapping[str, object], queries_path: Path, notices: list[str]
) -> Judgements:
    """Return query id to document id to grade."""
    judgements: Judgements = {}
    n_rows = n_negative = n_changed = 0
    for place, (query, document, grade_text) in _rows(path):
        grade = _grade(grade_text, place)
        if query not in queries:
            raise BadInput(
                f"{place}: query {query!r} is not in {queries_path.name}; "
                "expected every judged query there"
            )
        n_negative += grade < 0
        grade = max(grade, 0)
        grades = judgements.setdefault(query, {})
        n_changed += grades.get(document, grade) != grade
        grades[document] = grade
        n_rows += 1
    n_repeated = n_rows - sum(map(len, judgements.values()))
    if n_repeated:
        notices.append(
            "judgements that stand more than once, the last one counted as in BEIR: "
            f"{n_repeated} ({n_changed} with another grade)"
        )
    if n_negative:
        notices.append(f"judgements below 0, read as 0 as trec_eval counts them: {n_negative}")
    return judgements


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the three fields of every line after the header."""
    lines = read_lines(path)
    _, header = next(lines, (1, ""))
    if tuple(header.strip().lower().replace("_", "-").split("\t")) != HEADER:
        raise BadInput(
            f"{path}:1: the header is {header[:60]!r}; expected {'<tab>'.join(HEADER)} "
            "(without a header the first judgement would be lost)"
        )
    for number, line in lines:
        if not line.strip():
            continue
        place = f"{path}:{number}"
        fields = line.split("\t")
        if '"' in line:
            fields = _unquoted(line, place)
        if len(fields) != len(HEADER):
            hint = " (four are TREC's layout: drop the second)" if len(fields) == 4 else ""
            raise BadInput(
                f"{place}: has {len(fields)} columns; expected {len(HEADER)}, separated by tabs: "
                f"{', '.join(HEADER)}{hint}"
            )
        yield place, fields


def _unquoted(line: str, place: str) -> list[str]:
    """Return the fields of a line in which one may be quoted, as csv writes it."""
    try:
        return next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error as error:
        raise BadInput(
            f"{place}: a quoted column is malformed ({error}); quote it as csv does"
        ) from error


def _grade(text: str, place: str) -> int:
    """Return the grade a column holds."""
    try:
        return int(text)
    except ValueError as error:
        raise BadInput(
            f"{place}: grade {text[:40]!r} is not an integer; expected 0, 1 ..."
        ) from error


def _check_fit(
    judgements: Judgements, documents: Mapping[str, object], path: Path, notices: list[str]
) -> None:
    """Refuse judgements that measure nothing, and tell of those that cannot be met."""
    relevant = {
        document for grades in judgements.values() for document, grade in grades.items() if grade
    }
    if not relevant:
        raise EmptyJudgements(
            f"{path}: none of the {len(judgements)} judged queries has a grade above 0, so NDCG "
            "is not defined; expected a relevant document for one query at least"
        )
    if relevant.isdisjoint(documents):
        raise BadInput(
            f"{path}: none of the {len(relevant)} relevant documents is in the corpus (such as "
            f"{min(relevant)!r}); expected judgements of this collection"
        )
    absent = [
        query for query, grades in judgements.items() for key in grades if key not in documents
    ]
    if absent:
        notices.append(
            "judgements of documents that are not in the corpus, counted in the ideal ranking as "
            f"in BEIR: {len(absent)} (of {len(set(absent))} queries)"
        )
