"""What a corpus is: documents, judged queries, and the people named in the documents."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

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
        redistributable: Results may quote the texts.
        restricted: Nothing derived from the texts may outlive a run.
        training_texts: Texts in the same shape, disjoint from the documents.
        notices: What was odd when reading, one line each.
    """

    name: str
    split: str
    documents: tuple[Document, ...]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    names: Mapping[str, Name] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    queries_are_documents: bool = False
    redistributable: bool = True
    restricted: bool = False
    training_texts: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Return the sha256 of all that is measured; training texts and notices are left out."""
        measured = {
            "split": self.split,
            "documents": [asdict(document) for document in self.documents],
            "queries": dict(self.queries),
            "judgements": {query: dict(grades) for query, grades in self.judgements.items()},
            "names": {key: [name.first, name.last] for key, name in self.names.items()},
            # Only where there are any: what has none keeps the fingerprint that it had.
            **({"labels": dict(self.labels)} if self.labels else {}),
        }
        canonical = json.dumps(measured, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
