"""What a corpus is: documents, judged queries, and the people named in the documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import tee
from typing import Any, overload

from v2t_bench.packed import PackedTexts
from v2t_bench.scoring.names import Name


@dataclass(frozen=True, slots=True)
class Document:
    """One retrievable text."""

    id: str
    title: str
    text: str

    @property
    def content(self) -> str:
        """Return title and text joined by one space, as BEIR embeds them."""
        # The published BEIR numbers depend on this join; without a title no space is left.
        return f"{self.title} {self.text}".strip()


class PackedDocuments(Sequence[Document]):
    """Documents compressed in memory, unpacked where they are read.

    Args:
        documents: Read once.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        # The three lists are filled side by side, a block of documents at a time.
        ids, titles, texts = tee(documents, 3)
        columns = (
            (document.id for document in ids),
            (document.title for document in titles),
            (document.text for document in texts),
        )
        self.ids, self._titles, self._texts = PackedTexts.side_by_side(columns)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Document]:
        columns = zip(self.ids, self._titles, self._texts, strict=True)
        return (Document(*record) for record in columns)

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...

    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        """Return one document, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        return Document(self.ids[index], self._titles[index], self._texts[index])


def ids_of(documents: Sequence[Document]) -> Sequence[str]:
    """Return the id of every document."""
    if isinstance(documents, PackedDocuments):
        return documents.ids
    return [document.id for document in documents]


@dataclass(frozen=True)
class Corpus:
    """Texts to attack and the queries that must still find them.

    Args:
        name: As spelled on the command line, such as ``demo-nq``.
        split: Which judgements were read, such as ``test``.
        documents: Everything that is ranked, in a fixed order.
        queries: Judged queries only, by id.
        judgements: Query id to document id to grade, 0 or more.
        names: Document id to the person named in it.
        labels: Document id to what is to be inferred of it, such as a medical specialty.
        queries_are_documents: A query's own id is then left out of its ranking.
        known_item: The queries are pieces of the documents themselves: what follows a document's
            first piece must find it (the inverse cloze task of Lee et al. 2019, section 4).
            ``queries`` and ``judgements`` are then empty.
        only_named: Only pieces that still hold their document's name are attacked.
        attacked: Texts to invert that are not among the documents; empty: the documents are.
        attacked_from: What tells those texts from others: source, revision, split.
        redistributable: Results may quote the texts.
        restricted: Nothing derived from the texts may outlive a run.
        training_texts: Texts in the same shape, disjoint from the documents.
        notices: What was odd when reading, one line each.
        content_hash: Of all that is measured, where the reader knows one; see `fingerprint`.
        flags: What every row of it is marked with, such as ``stand-in``.
    """

    name: str
    split: str
    documents: Sequence[Document]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    names: Mapping[str, Name] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    queries_are_documents: bool = False
    known_item: bool = False
    only_named: bool = False
    attacked: Sequence[Document] = ()
    attacked_from: str = ""
    redistributable: bool = True
    restricted: bool = False
    training_texts: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    content_hash: str = ""
    flags: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Return the sha256 of all that is measured; training texts and notices are left out."""
        if self.content_hash:
            return self.content_hash
        rest: dict[str, Any] = {
            "split": self.split,
            "queries": dict(self.queries),
            "judgements": {query: dict(grades) for query, grades in self.judgements.items()},
            "names": {key: [name.first, name.last] for key, name in self.names.items()},
            # Only where there are any: what has none keeps the fingerprint that it had.
            **({"labels": dict(self.labels)} if self.labels else {}),
            **({"known_item": True} if self.known_item else {}),
            **({"only_named": True} if self.only_named else {}),
            **({"attacked_from": self.attacked_from} if self.attacked_from else {}),
        }
        # The JSON of all of it with sorted keys, document by document: a large collection
        # does not fit in memory twice. What was added later stands behind it.
        digest = hashlib.sha256(b'{"documents":[')
        for number, document in enumerate(self.documents):
            digest.update(b"," * (number > 0) + _json(asdict(document)).encode())
        digest.update(b"]," + _json(rest)[1:].encode())
        return digest.hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
