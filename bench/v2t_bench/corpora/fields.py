"""What the records of a collection say beside their texts: an id, a person, a label."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from v2t_bench.canonical import hash64
from v2t_bench.corpora.records import Document
from v2t_bench.errors import BadInput
from v2t_bench.lines import check_encodable, json_type
from v2t_bench.scoring.names import Name


@dataclass(kw_only=True)
class About:
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

    def note(self, document: Document, metadata: object, place: str) -> None:
        """Take note of one document.

        Raises:
            BadInput: naming ``place``: a name or label cannot be written as UTF-8.
        """
        key = document.id
        if key in self.judged:
            self.found.add(key)
        self.n_blank += not document.content.strip()
        name, label = person_in(metadata), label_in(metadata)
        if name is not None:
            check_encodable(f"{name.first} {name.last}", f"{place}: the name of a person")
            self.names[key] = name
        if label is not None:
            check_encodable(label, f"{place}: the label")
            self.labels[key] = label

    def notices(self) -> list[str]:
        """Return what is odd about the documents, one line each."""
        found = []
        if self.n_blank:
            found.append(f"blank documents, ranked but never attacked: {self.n_blank}")
        if len(set(self.labels.values())) == 1:
            found.append(f"all {len(self.labels)} labels are the same, so none is inferred")
        return found


def person_in(metadata: object) -> Name | None:
    """Return the person a document says it is about, if it names one in full."""
    if not isinstance(metadata, dict):
        return None
    first, last = metadata.get("first_name"), metadata.get("last_name")
    if not (isinstance(first, str) and isinstance(last, str) and first.strip() and last.strip()):
        return None
    return Name(first, last)


def label_in(metadata: object) -> str | None:
    """Return the label a document carries, if it is one that can be told."""
    value = metadata.get("label") if isinstance(metadata, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def read_id(record: Mapping[str, Any], place: str, keys: Sequence[str] = ("_id",)) -> str:
    """Return the id of one record as a string: what the first of ``keys`` that it has holds.

    Raises:
        BadInput: naming ``place``: it has none, or one that is no string.
    """
    key = next((key for key in keys if key in record), None)
    if key is None:
        present = ", ".join(repr(name) for name in record) or "none"
        raise BadInput(
            f"{place}: has no field {keys[0]!r}; expected a string there (fields: {present})"
        )
    value = record[key]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"{place}: field {key!r} is a {json_type(value)}; expected a string")
    if not value.strip():
        raise BadInput(f"{place}: field {key!r} is blank; expected a string with something in it")
    check_encodable(value, f"{place}: field {key!r}")
    return value


def refuse_twins(what: str, hashes: array[int], again: Iterable[tuple[str, str]]) -> None:
    """Refuse a file in which an id stands twice.

    Args:
        what: What has the ids.
        hashes: The `hash64` of every id: 8 bytes each.
        again: Every id with its place, read only if two hashes are the same.

    Raises:
        BadInput: naming both places.
    """
    values, counts = np.unique(np.frombuffer(hashes, np.uint64), return_counts=True)
    suspects = set(values[counts > 1].tolist())
    if not suspects:
        return
    places: dict[str, str] = {}
    for key, place in again:
        if hash64(key) not in suspects:
            continue
        if key in places:
            first = places[key].rpartition(":")[2]
            raise BadInput(
                f"{place}: {what} id {key!r} already stands on line {first}; expected every id once"
            )
        places[key] = place
