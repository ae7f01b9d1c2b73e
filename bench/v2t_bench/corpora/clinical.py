"""Two public collections of clinical notes, which stand in for MIMIC-III where it is not at hand.

ACI-Bench (Yim et al. 2023, CC BY 4.0) has notes of visits that were acted, so every patient in
it is made up; MTSamples has sample reports without a stated licence. Neither has queries:
what follows the start of a note must find it, as in `v2t_bench.corpora.mimic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from v2t_bench.corpora.records import Corpus, Document
from v2t_bench.errors import BadInput
from v2t_bench.lines import parse_record, read_lines, text_field
from v2t_bench.scoring.names import Name

ACI_BENCH_FILE = "aci_bench.jsonl.gz"
MTSAMPLES_FILE = "mtsamples.jsonl.gz"
FLAGS = ("known-item", "stand-in")


def read_aci_bench(folder: Path) -> Corpus:
    """Return the notes of ACI-Bench, each with the name of its patient.

    ``aci_bench.jsonl.gz`` in the folder has one object a line: ``_id``, ``note``, and the
    ``first`` and ``last`` name of the patient.

    Raises:
        BadInput: naming file and line: the file is missing or damaged, or a field is.
    """
    documents, names = [], {}
    for place, record, key in _records(folder / ACI_BENCH_FILE):
        documents.append(Document(key, "", text_field(record, "note", place)))
        first, last = (text_field(record, part, place, optional=True) for part in ("first", "last"))
        if first.strip() and last.strip():
            names[key] = Name(first.strip(), last.strip())
    return _corpus("aci-bench", documents, names=names, redistributable=True)


def read_mtsamples(folder: Path) -> Corpus:
    """Return the sample reports of MTSamples, each labelled with its first specialty.

    ``mtsamples.jsonl.gz`` in the folder has one object a line: ``_id``, ``text``, and a list
    ``specialties``.

    Raises:
        BadInput: naming file and line: the file is missing or damaged, or a field is.
    """
    documents, labels = [], {}
    for place, record, key in _records(folder / MTSAMPLES_FILE):
        documents.append(Document(key, "", text_field(record, "text", place)))
        specialties = record.get("specialties") or []
        if not isinstance(specialties, list) or not all(isinstance(x, str) for x in specialties):
            raise BadInput(f"{place}: field 'specialties' is no list of strings; expected one")
        if specialties:
            labels[key] = specialties[0].strip()
    return _corpus("mtsamples", documents, labels=labels, redistributable=False)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield place, record and id of every line.

    Raises:
        BadInput: an id is missing or stands twice, or there is no record.
    """
    lines: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        record = parse_record(line, place)
        key = text_field(record, "_id", place)
        if not key.strip():
            raise BadInput(f"{place}: field '_id' is blank; expected a string with something in it")
        if key in lines:
            raise BadInput(
                f"{place}: id {key!r} already stands on line {lines[key]}; expected every id once"
            )
        lines[key] = number
        yield place, record, key
    if not lines:
        raise BadInput(f"{path}: holds no notes; expected one JSON object a line")


def _corpus(
    name: str,
    documents: list[Document],
    *,
    names: Mapping[str, Name] | None = None,
    labels: Mapping[str, str] | None = None,
    redistributable: bool,
) -> Corpus:
    """Return notes as a collection in which the start of each must be found."""
    return Corpus(
        name=name,
        split="all",
        documents=tuple(documents),
        queries={},
        judgements={},
        names=names or {},
        labels=labels or {},
        known_item=True,
        redistributable=redistributable,
        flags=FLAGS,
    )
