"""Read a folder in the layout of BEIR: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

The loader of the beir package is not used: it keeps the last of two documents of one id
and turns a missing text into None without a word, reads no .gz, and stops with a bare
KeyError or IndexError that names no line. A test compares the two on good folders.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from v2t_bench.canonical import hash64
from v2t_bench.corpora.fields import About, read_id, refuse_twins
from v2t_bench.corpora.judgements import check_fit, only_judged, read_judgements
from v2t_bench.corpora.records import Corpus, Document, PackedDocuments
from v2t_bench.errors import BadInput
from v2t_bench.lines import parse_record, read_lines, text_field

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
    corpus_path = _present(folder, "corpus.jsonl")
    folder_name = folder.resolve().name
    queries_path = _present(folder, "queries.jsonl")
    qrels_path = _qrels_path(folder, split)
    notices: list[str] = []
    queries = {key: text.text for key, text in _texts_by_id(queries_path, "query")}
    judgements = read_judgements(qrels_path, queries, queries_path, notices)
    about = About(judged={document for grades in judgements.values() for document in grades})
    documents = PackedDocuments(
        record for _, record in _texts_by_id(corpus_path, "document", about)
    )
    if not documents:
        raise BadInput(f"{corpus_path}: holds no documents; expected one JSON object a line")
    if about.n_blank == len(documents):
        raise BadInput(f"{corpus_path}: every document is blank; expected some with text")
    check_fit(judgements, about.found, qrels_path, notices)
    judged = only_judged(queries, judgements, f"split {split}", notices)
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


def _texts_by_id(
    path: Path, what: str, about: About | None = None
) -> Iterator[tuple[str, Document]]:
    """Yield id and texts of every line; a query is read as a document without a title."""
    hashes = array("Q")
    for key, place, record in _records(path):
        hashes.append(hash64(key))
        title = text_field(record, "title", place, optional=True) if what == "document" else ""
        document = Document(key, title, text_field(record, "text", place))
        if about is not None:
            about.note(document, record.get("metadata"), place)
        yield key, document
    refuse_twins(what, hashes, ((key, place) for key, place, _ in _records(path)))


def _records(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the id, the place and the fields of every line that is not blank."""
    for number, line in read_lines(path):
        if line.strip():
            place = f"{path}:{number}"
            record = parse_record(line, place)
            yield read_id(record, place), place, record
