"""Which pieces of a corpus are embedded, and which of them are attacked."""

from dataclasses import replace

import numpy as np
import pytest

from v2t_bench.corpora.records import Corpus, Document
from v2t_bench.errors import BadParameter
from v2t_bench.pieces import Prepared, Track, prepare, sample_attacked
from v2t_plugins.embedders.hashed import Hashed

QUERY = "who built the old mill"


def corpus_of(*contents: tuple[str, str]) -> Corpus:
    documents = tuple(Document(key, "", text) for key, text in contents)
    return Corpus("tiny", "test", documents, {"q": QUERY}, {"q": {documents[0].id: 1}})


def test_the_cut_track_has_one_piece_a_document_under_its_own_id() -> None:
    prepared = prepare(
        corpus_of(("b", "one two three four"), ("a", "")), Hashed(), track="cut", max_tokens=3
    )
    assert tuple(prepared.piece_ids) == ("b", "a")
    assert tuple(prepared.pieces) == ("one two three", "")
    assert prepared.owner.tolist() == [0, 1]
    assert (prepared.n_cut_documents, prepared.n_cut_queries) == (1, 1)


def test_the_chunks_track_numbers_the_pieces_of_each_document() -> None:
    prepared = prepare(
        corpus_of(("b", "one two three four"), ("a", "five")),
        Hashed(),
        track="chunks",
        max_tokens=3,
    )
    assert tuple(prepared.piece_ids) == ("b#0", "b#1", "a#0")
    assert tuple(prepared.pieces) == ("one two three", "four", "five")
    assert prepared.owner.tolist() == [0, 0, 1]
    assert prepared.n_cut_documents == 1


@pytest.mark.parametrize("track", ["cut", "chunks"])
def test_queries_are_cut_on_both_tracks(track: Track) -> None:
    prepared = prepare(corpus_of(("a", "one")), Hashed(), track=track, max_tokens=3)
    assert (prepared.query_ids, prepared.queries) == (("q",), ("who built the",))


@pytest.mark.parametrize("track", ["cut", "chunks"])
def test_a_blank_document_is_still_one_piece(track: Track) -> None:
    prepared = prepare(corpus_of(("a", "one"), ("b", " ")), Hashed(), track=track, max_tokens=3)
    assert prepared.owner.tolist() == [0, 1]
    assert tuple(prepared.pieces) == ("one", "")


def test_an_unknown_track_is_refused() -> None:
    with pytest.raises(BadParameter, match="no track 'slices'; expected one of cut, chunks"):
        prepare(corpus_of(("a", "one")), Hashed(), track="slices", max_tokens=3)  # type: ignore[arg-type]


def test_no_piece_has_the_id_of_a_document_or_of_another_piece() -> None:
    contents = [(key, "one two three four five") for key in ("a", "a#0", "a#", "a##1", "a#0#1")]
    prepared = prepare(corpus_of(*contents), Hashed(), track="chunks", max_tokens=3)
    assert len(set(prepared.piece_ids)) == 10
    assert not set(prepared.piece_ids) & {key for key, _ in contents}


def a_hundred_pieces(order: int = 1) -> Prepared:
    contents = [(f"d{i}", f"text {i % 90}") for i in range(100)][::order]
    return prepare(corpus_of(*contents, ("blank", " ")), Hashed(), track="cut", max_tokens=8)


def test_a_smaller_sample_is_the_start_of_a_larger_one() -> None:
    prepared = a_hundred_pieces()
    large = sample_attacked(prepared, "f", 50, 0)
    np.testing.assert_array_equal(sample_attacked(prepared, "f", 20, 0), large[:20])


def test_a_sample_has_no_blank_text_and_none_twice() -> None:
    prepared = a_hundred_pieces()
    drawn = [prepared.pieces[i] for i in sample_attacked(prepared, "f", 1000, 0)]
    assert sorted(drawn) == sorted({f"text {i}" for i in range(90)})


def test_a_sample_depends_on_ids_and_not_on_positions() -> None:
    forward, backward = a_hundred_pieces(), a_hundred_pieces(-1)
    drawn = [forward.piece_ids[i] for i in sample_attacked(forward, "f", 30, 0)]
    assert drawn == [backward.piece_ids[i] for i in sample_attacked(backward, "f", 30, 0)]


@pytest.mark.parametrize(("fingerprint", "seed"), [("f", 1), ("g", 0)])
def test_another_seed_or_corpus_draws_another_sample(fingerprint: str, seed: int) -> None:
    prepared = a_hundred_pieces()
    drawn = sample_attacked(prepared, fingerprint, 30, seed).tolist()
    assert drawn != sample_attacked(prepared, "f", 30, 0).tolist()


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(BadParameter, match="n_texts=0"):
        sample_attacked(a_hundred_pieces(), "f", 0, 0)


def known_item_corpus(n: int = 6) -> Corpus:
    documents = tuple(
        Document(f"d{i}", "", " ".join(f"w{i}x{j}" for j in range(2 * i))) for i in range(n)
    )
    return Corpus("items", "all", documents, {}, {}, known_item=True)


@pytest.mark.parametrize("track", ["cut", "chunks"])
def test_what_follows_the_first_piece_asks_for_its_document(track: Track) -> None:
    prepared = prepare(known_item_corpus(), Hashed(), track=track, max_tokens=3)
    # Two pieces of three words, and more: documents of 8 and of 10 words.
    asked = dict(zip(prepared.query_ids, prepared.queries, strict=True))
    assert asked == {"d4": "w4x3 w4x4 w4x5", "d5": "w5x3 w5x4 w5x5"}
    assert prepared.judgements == {"d4": {"d4": 1}, "d5": {"d5": 1}}


def test_the_piece_that_asks_is_not_ranked() -> None:
    prepared = prepare(known_item_corpus(), Hashed(), track="chunks", max_tokens=3)
    assert "w4x3 w4x4 w4x5" not in list(prepared.pieces)
    ids = [name for name in prepared.piece_ids if name.startswith("d4")]
    assert ids == ["d4#0", "d4#2"]
    assert [name for name in prepared.piece_ids if name.startswith("d3")] == ["d3#0", "d3#1"]
    assert np.bincount(prepared.owner).tolist() == [1, 1, 2, 2, 2, 3]


def test_which_known_items_are_asked_for_does_not_depend_on_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("v2t_bench.pieces.KNOWN_ITEM_QUERIES", 5)
    corpus = known_item_corpus(30)
    turned = replace(corpus, documents=corpus.documents[::-1], content_hash=corpus.fingerprint)
    asked = prepare(corpus, Hashed(), track="cut", max_tokens=3).query_ids
    assert len(asked) == 5
    assert prepare(turned, Hashed(), track="cut", max_tokens=3).query_ids == asked


def test_a_piece_that_may_not_be_attacked_is_not_drawn() -> None:
    prepared = a_hundred_pieces()
    drawn = sample_attacked(prepared, "f", 20, 0, may_be=lambda position: position % 2 == 0)
    assert len(drawn) == 20
    assert not (drawn % 2).any()
