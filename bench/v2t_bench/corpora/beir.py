"""Read a folder in the layout of BEIR: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

The loader of the beir package is not used: it keeps the last of two documents of one id
and turns a missing text into None without a word, reads no .gz, and stops with a bare
KeyError or IndexError that names no line. A test compares the two on good folders.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench.corpora.judgements import check_fit, read_judgements
from v2t_bench.corpora.records import Corpus, Document, PackedDocuments
from v2t_bench.errors import BadInput
from v2t_bench.lines import check_encodable, json_type, parse_record, read_lines, text_field
from v2t_bench.scoring.names import Name

LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv, each perhaps .gz"

# Their queries are documents of the corpus under the same id, so BEIR leaves a query's own
# id out of its ranking (ignore_identical_ids); in other collections equal ids mean nothing.
QUERIES_ARE_DOCUMENTS = frozenset({"arguana", "quora"})


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
    corpus_path = _present(folder, "corpus.jsonl")
    queries_path = _present(folder, "queries.jsonl")
    qrels_path = _qrels_path(folder, split)
    notices: list[str] = []
    queries = {key: text.text for key, text in _texts_by_id(queries_path, "query")}
    judgements = read_judgements(qrels_path, queries, queries_path, notices)
    about = _About(judged={document for grades in judgements.values() for document in grades})
    documents = PackedDocuments(
        record for _, record in _texts_by_id(corpus_path, "document", about)
    )
    if not documents:
        raise BadInput(f"{corpus_path}: holds no documents; expected one JSON object a line")
    check_fit(judgements, about.found, qrels_path, notices)
    unjudged = len(queries) - len(judgements)
    if unjudged:
        notices.append(f"queries without judgements in split {split}, left out: {unjudged}")
    judged = {query: queries[query] for query in judgements}
    n_blank = sum(not text.strip() for text in judged.values())
    if n_blank:
        notices.append(f"blank judged queries, kept: {n_blank}")
    return Corpus(
        name=f"beir:{folder_name}" if name is None else name,
        split=split,
        documents=documents,
        queries=judged,
        judgements=judgements,
        names=about.names,
        labels=about.labels,
        queries_are_documents=folder_name.lower() in QUERIES_ARE_DOCUMENTS,
        redistributable=False,
        notices=(*about.notices(), *notices),
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


@dataclass(kw_only=True)
class _About:
    """What is learned of the documents while they are read.

    Args:
        judged: Ids of the documents that queries are judged by.
        found: Those of them that are there.
        names, labels: What the metadata says, by id: a person, a label.
        n_blank: Documents without text.
    """

    judged: set[str]
    found: set[str] = field(default_factory=set)
    names: dict[str, Name] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    n_blank: int = 0

    def note(self, document: Document, metadata: object) -> None:
        """Take note of one document."""
        key = document.id
        if key in self.judged:
            self.found.add(key)
        self.n_blank += not document.content.strip()
        name, label = _name(metadata), _label(metadata)
        if name is not None:
            self.names[key] = name
        if label is not None:
            self.labels[key] = label

    def notices(self) -> list[str]:
        """Return what is odd about the documents, one line each."""
        found = []
        if self.n_blank:
            found.append(f"blank documents, ranked but never attacked: {self.n_blank}")
        if len(set(self.labels.values())) == 1:
            found.append(f"all {len(self.labels)} labels are the same, so none is inferred")
        return found


def _texts_by_id(
    path: Path, what: str, about: _About | None = None
) -> Iterator[tuple[str, Document]]:
    """Yield id and texts of every line; a query is read as a document without a title."""
    hashes = array("Q")
    for key, place, record in _records(path):
        hashes.append(_hash(key))
        title = text_field(record, "title", place, optional=True) if what == "document" else ""
        document = Document(key, title, text_field(record, "text", place))
        if about is not None:
            about.note(document, record.get("metadata"))
        yield key, document
    _refuse_twins(path, what, hashes)


def _records(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the id, the place and the fields of every line that is not blank."""
    for number, line in read_lines(path):
        if line.strip():
            place = f"{path}:{number}"
            record = parse_record(line, place)
            yield _id(record, place), place, record


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")


def _refuse_twins(path: Path, what: str, hashes: array[int]) -> None:
    """Refuse a file in which an id stands twice; its ids are given as hashes, which are short."""
    values, counts = np.unique(np.frombuffer(hashes, np.uint64), return_counts=True)
    suspects = set(values[counts > 1].tolist())
    if not suspects:
        return
    places: dict[str, str] = {}
    for key, place, _ in _records(path):
        if _hash(key) not in suspects:
            continue
        if key in places:
            first = places[key].rpartition(":")[2]
            raise BadInput(
                f"{place}: {what} id {key!r} already stands on line {first}; expected every id once"
            )
        places[key] = place


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
