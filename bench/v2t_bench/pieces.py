"""Which pieces of a corpus are embedded, asked for and attacked."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from v2t_bench.canonical import order_by_digest
from v2t_bench.contracts import Embedder
from v2t_bench.errors import BadParameter
from v2t_bench.packed import PackedTexts
from v2t_bench.texts import BATCH, batches, chunks, cut

if TYPE_CHECKING:
    from v2t_bench.corpora.records import Corpus, Document

Track: TypeAlias = Literal["cut", "chunks"]

TRACKS: tuple[Track, ...] = get_args(Track)

KNOWN_ITEM_QUERIES = 1000
"""Of a known-item corpus so many documents are asked for: more hardly narrow the interval."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """The pieces of text of one corpus that are embedded.

    Args:
        piece_ids: One for each piece, no two equal.
        pieces: Pieces of documents, in the order of the corpus.
        owner: Position in the corpus of the document each piece is from, (n,).
        query_ids: As in the corpus, or of the documents that are asked for.
        queries: Cut to the same length.
        judgements: Query id to document id to grade.
        n_cut_documents: Documents that were longer than one piece.
        n_cut_queries: Queries that were longer.
    """

    piece_ids: Sequence[str]
    pieces: Sequence[str]
    owner: NDArray[np.int64]
    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    judgements: Mapping[str, Mapping[str, int]]
    n_cut_documents: int
    n_cut_queries: int


def prepare(corpus: Corpus, embedder: Embedder, *, track: Track, max_tokens: int) -> Prepared:
    """Return what is embedded of ``corpus``: one piece a document, or all of its pieces.

    On the track ``cut`` a piece has the id of its document; on ``chunks`` the id of the
    document, ``#`` and a number from 0. If that were the id of a document, ``##`` stands
    there, and so on. A blank document is one blank piece on both: it can still be ranked.

    Of a known-item corpus, `KNOWN_ITEM_QUERIES` documents of more than two pieces are asked for by
    their second, which is then no piece of the document: a search would find just that.

    Raises:
        BadParameter: as for `texts.cut`, or there is no such track.
    """
    if track not in TRACKS:
        raise BadParameter(f"there is no track {track!r}; expected one of {', '.join(TRACKS)}")
    if corpus.known_item:
        asked = _known_items(corpus, embedder, max_tokens)
        queries = {corpus.documents[row].id: text for row, text in asked.items()}
        judgements: Mapping[str, Mapping[str, int]] = {key: {key: 1} for key in queries}
        n_cut_queries = len(queries)
    else:
        asked, judgements = {}, corpus.judgements
        shortened = cut(embedder, list(corpus.queries.values()), max_tokens)
        queries = dict(zip(corpus.queries, shortened.texts, strict=True))
        n_cut_queries = shortened.n_cut
    split = _Split()
    if track == "cut":
        pieces = PackedTexts(split.first_pieces(corpus.documents, embedder, max_tokens))
        piece_ids = PackedTexts(document.id for document in corpus.documents)
    else:
        pieces = PackedTexts(split.all_pieces(corpus.documents, embedder, max_tokens, asked))
        piece_ids = PackedTexts(_numbered(corpus.documents, split))
    return Prepared(
        piece_ids=piece_ids,
        pieces=pieces,
        owner=np.repeat(np.arange(len(split.counts)), split.counts),
        query_ids=tuple(queries),
        queries=tuple(queries.values()),
        judgements=judgements,
        n_cut_documents=split.n_cut,
        n_cut_queries=n_cut_queries,
    )


class _Split:
    """Divides documents into pieces and remembers what it did."""

    def __init__(self) -> None:
        self.counts = array("q")  # pieces of each document
        self.numbers = array("q")  # of each piece in its document
        self.n_cut = 0

    def first_pieces(
        self, documents: Iterable[Document], embedder: Embedder, max_tokens: int
    ) -> Iterator[str]:
        """Yield the first piece of each document."""
        for batch in batches(document.content for document in documents):
            shortened = cut(embedder, batch, max_tokens)
            self.counts.extend([1] * len(batch))
            self.n_cut += shortened.n_cut
            yield from shortened.texts

    def all_pieces(
        self,
        documents: Iterable[Document],
        embedder: Embedder,
        max_tokens: int,
        without_second: Collection[int],
    ) -> Iterator[str]:
        """Yield every piece of each document, but not the second of some, given by place."""
        for batch in batches(document.content for document in documents):
            for content, found in zip(batch, chunks(embedder, batch, max_tokens), strict=True):
                self.n_cut += len(found) > 1
                dropped = 1 if len(self.counts) in without_second else -1
                kept = [number for number in range(max(len(found), 1)) if number != dropped]
                self.counts.append(len(kept))
                self.numbers.extend(kept)
                yield from (found[number] for number in kept) if found else [content]


def _numbered(documents: Iterable[Document], split: _Split) -> Iterator[str]:
    """Return an id for each piece that is neither another's nor a document's."""
    # What follows the last # is the number, so two pieces never share an id.
    suspects = {document.id for document in documents if _ENDS_IN_NUMBER(document.id)}
    separator = "#"
    while suspects and not suspects.isdisjoint(_names(documents, split, separator)):
        separator += "#"
    return _names(documents, split, separator)


def _names(documents: Iterable[Document], split: _Split, separator: str) -> Iterator[str]:
    numbers = iter(split.numbers)
    for document, count in zip(documents, split.counts, strict=True):
        yield from (f"{document.id}{separator}{number}" for number in islice(numbers, count))


def _known_items(corpus: Corpus, embedder: Embedder, max_tokens: int) -> dict[int, str]:
    """Return the second pieces that documents are asked for by, by the document's position.

    Which documents are asked for is decided by the collection and their ids alone.
    """
    ids = (document.id for document in corpus.documents)
    order = order_by_digest(ids, f"known item {corpus.fingerprint} ")
    asked: dict[int, str] = {}
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        whole = [corpus.documents[row].content for row in rows]
        firsts = cut(embedder, whole, max_tokens).texts
        rests = [text[len(first) :].strip() for text, first in zip(whole, firsts, strict=True)]
        seconds = cut(embedder, rests, max_tokens).texts
        for row, rest, second in zip(rows, rests, seconds, strict=True):
            if len(second) < len(rest) and len(asked) < KNOWN_ITEM_QUERIES:
                asked[int(row)] = second
        if len(asked) == KNOWN_ITEM_QUERIES:
            break
    return asked


def sample_attacked(
    prepared: Prepared,
    corpus_fingerprint: str,
    n_texts: int,
    seed: int,
    *,
    may_be: Callable[[int], bool] = lambda position: True,
) -> NDArray[np.int64]:
    """Return the positions of the pieces that are attacked, (n,), in the order drawn.

    The order depends on seed, fingerprint and piece ids alone, so the sample of a smaller
    ``n_texts`` is the start of that of a larger one. Blank pieces are left out, those that
    ``may_be`` refuses, and of equal ones all but the first drawn; n is less than ``n_texts``
    where no more are left.

    Raises:
        BadParameter: ``n_texts`` is below 1.
    """
    drawn: dict[str, int] = {}
    for position in drawing_order(prepared.piece_ids, corpus_fingerprint, n_texts, seed):
        piece = prepared.pieces[position]
        if piece.strip() and piece not in drawn and may_be(int(position)):
            drawn[piece] = int(position)
        if len(drawn) == n_texts:
            break
    return np.fromiter(drawn.values(), dtype=np.int64, count=len(drawn))


def drawing_order(
    ids: Iterable[str], corpus_fingerprint: str, n_texts: int, seed: int
) -> NDArray[np.int64]:
    """Return the positions of ``ids`` in the order in which a sample is drawn, (n,).

    Raises:
        BadParameter: ``n_texts`` is below 1.
    """
    if n_texts < 1:
        raise BadParameter(f"n_texts={n_texts} attacks no text; give 1 or more")
    return order_by_digest(ids, f"v2t-bench sample {seed} {corpus_fingerprint} ")


_ENDS_IN_NUMBER = re.compile(r"#\d+$").search
