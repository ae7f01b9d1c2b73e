"""Which texts of a corpus are attacked, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Embedder
from v2t_bench.pieces import Prepared, Track, drawing_order, sample_attacked
from v2t_bench.scoring.names import Name
from v2t_bench.texts import BATCH, chunks, cut

if TYPE_CHECKING:
    from v2t_bench.corpora.records import Corpus, Document


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """The attacked texts, as they are embedded, each list (n,).

    Args:
        ids: No two equal.
        documents: The document each is from.
        texts: As they were cut.
        names: The person a text names in full, if its document is known to name one.
        labels: Of the document.
        rows: Where they stand among the pieces that are ranked, (n,); None: nowhere.
    """

    ids: list[str]
    documents: list[str]
    texts: list[str]
    names: list[Name | None]
    labels: list[str | None]
    rows: NDArray[np.int64] | None = None

    def described(self) -> dict[str, Any]:
        """Return what a table of samples lists of them."""
        return {
            "ids": self.ids,
            "documents": self.documents,
            "texts": self.texts,
            "names": self.names,
            "labels": self.labels,
        }


def attacked_pieces(corpus: Corpus, prepared: Prepared, n_texts: int, seed: int) -> Attacked:
    """Return a sample of the pieces that are ranked."""

    def owner(row: int) -> str:
        return corpus.documents[int(prepared.owner[row])].id

    def holds_its_name(row: int) -> bool:
        return name_if_there(corpus.names.get(owner(row)), prepared.pieces[row]) is not None

    may_be = holds_its_name if corpus.only_named else lambda row: True
    rows = sample_attacked(prepared, corpus.fingerprint, n_texts, seed, may_be=may_be)
    documents = [owner(row) for row in rows]
    texts = [prepared.pieces[row] for row in rows]
    return Attacked(
        ids=[prepared.piece_ids[row] for row in rows],
        documents=documents,
        texts=texts,
        names=[
            name_if_there(corpus.names.get(document), text)
            for document, text in zip(documents, texts, strict=True)
        ],
        labels=[corpus.labels.get(document) for document in documents],
        rows=rows,
    )


def attacked_elsewhere(
    corpus: Corpus, embedder: Embedder, *, track: Track, max_tokens: int, n_texts: int, seed: int
) -> Attacked:
    """Return a sample of the texts that are attacked and not ranked, one piece of each.

    On the track ``chunks`` it is any piece, drawn by the text's place in the sample's order.
    """
    drawn: dict[str, Document] = {}
    for document, piece in _candidates(corpus, embedder, track, max_tokens, n_texts, seed):
        if piece.strip():
            drawn.setdefault(piece, document)
        if len(drawn) == n_texts:
            break
    ids = [document.id for document in drawn.values()]
    return Attacked(
        ids=ids,
        documents=ids,
        texts=list(drawn),
        names=[
            name_if_there(corpus.names.get(own), text) for own, text in zip(ids, drawn, strict=True)
        ],
        labels=[corpus.labels.get(own) for own in ids],
    )


def _candidates(
    corpus: Corpus, embedder: Embedder, track: Track, max_tokens: int, n_texts: int, seed: int
) -> Iterator[tuple[Document, str]]:
    """Yield the texts and a piece of each, in the order of the sample."""
    ids = (document.id for document in corpus.attacked)
    order = drawing_order(ids, corpus.fingerprint, n_texts, seed)
    for start in range(0, len(order), BATCH):
        documents = [corpus.attacked[row] for row in order[start : start + BATCH]]
        whole = [document.content for document in documents]
        if track == "cut":
            yield from zip(documents, cut(embedder, whole, max_tokens).texts, strict=True)
            continue
        for place, (document, found) in enumerate(
            zip(documents, chunks(embedder, whole, max_tokens), strict=True)
        ):
            yield document, found[(start + place) % len(found)] if found else ""


def name_if_there(name: Name | None, text: str) -> Name | None:
    """Return the name if the text as it was cut still holds it."""
    return name if name is not None and f"{name.first} {name.last}" in text else None
