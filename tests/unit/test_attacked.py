"""Which texts are attacked: pieces of the collection, or texts from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from v2t_bench.attacked import Attacked, attacked_elsewhere, attacked_pieces
from v2t_bench.corpora.records import Corpus, Document
from v2t_bench.pieces import Track, prepare
from v2t_bench.scoring.names import Name
from v2t_plugins.embedders.hashed import Hashed


def corpus_of(texts: Sequence[str], **more: object) -> Corpus:
    documents = tuple(Document(f"d{row}", "", text) for row, text in enumerate(texts))
    queries = {"q": "one"}
    return replace(Corpus("tiny", "test", documents, queries, {"q": {"d0": 1}}), **more)  # type: ignore[arg-type]


def from_elsewhere(corpus: Corpus, n_texts: int, track: Track = "cut") -> Attacked:
    return attacked_elsewhere(corpus, Hashed(), track=track, max_tokens=3, n_texts=n_texts, seed=0)


OTHERS = tuple(Document(f"o{row}", "", f"a{row % 30} b{row % 30} c d e f") for row in range(40))


@pytest.fixture
def separate() -> Corpus:
    """Two ranked documents, and forty others to attack, ten of them twice and one blank."""
    return corpus_of(["one", "two"], attacked=(*OTHERS, Document("blank", "", " ")))


def test_texts_from_elsewhere_are_no_ranked_pieces(separate: Corpus) -> None:
    attacked = from_elsewhere(separate, 10)
    assert attacked.rows is None
    assert all(key.startswith("o") for key in attacked.ids)
    assert attacked.ids == attacked.documents
    by_id = {document.id: document.text for document in OTHERS}
    assert attacked.texts == [" ".join(by_id[key].split()[:3]) for key in attacked.ids]


def test_none_of_them_is_blank_and_none_stands_twice(separate: Corpus) -> None:
    attacked = from_elsewhere(separate, 100)
    assert len(attacked.texts) == 30
    assert len(set(attacked.texts)) == 30


def test_a_smaller_sample_from_elsewhere_is_the_start_of_a_larger_one(separate: Corpus) -> None:
    assert from_elsewhere(separate, 5).ids == from_elsewhere(separate, 20).ids[:5]


def test_on_the_chunks_track_any_piece_may_be_attacked(separate: Corpus) -> None:
    attacked = from_elsewhere(separate, 30, "chunks")
    firsts = [text.startswith("a") for text in attacked.texts]
    assert any(firsts)
    assert not all(firsts)
    assert set(attacked.texts) - {f"a{row} b{row} c" for row in range(30)} == {"d e f"}


NAMED = {"d0": Name("Ann", "Lee"), "d1": Name("Bo", "Day")}
TEXTS = ("seen Ann Lee today", "it was long before Bo Day came", "nobody at all")


def test_a_name_is_known_where_the_cut_still_holds_it() -> None:
    corpus = corpus_of(TEXTS, names=NAMED, labels={"d2": "none"})
    prepared = prepare(corpus, Hashed(), track="cut", max_tokens=3)
    attacked = attacked_pieces(corpus, prepared, 9, 0)
    known = dict(zip(attacked.ids, attacked.names, strict=True))
    assert known == {"d0": Name("Ann", "Lee"), "d1": None, "d2": None}
    assert dict(zip(attacked.ids, attacked.labels, strict=True))["d2"] == "none"
    assert attacked.rows is not None
    assert [prepared.pieces[row] for row in attacked.rows] == attacked.texts


def test_where_names_are_looked_for_only_texts_that_hold_theirs_are_attacked() -> None:
    corpus = corpus_of(TEXTS, names=NAMED, only_named=True)
    prepared = prepare(corpus, Hashed(), track="cut", max_tokens=3)
    assert attacked_pieces(corpus, prepared, 9, 0).ids == ["d0"]


def test_who_is_attacked_elsewhere_is_told_from_nobody() -> None:
    from v2t_bench.exposure import exposure_scores

    vectors = np.eye(3, dtype=np.float32)
    keys = np.arange(3, dtype=np.uint64)
    scores = exposure_scores(
        vectors, vectors, None, keys=keys, labels=[None] * 3, documents=["a"] * 3, device="cpu"
    )
    assert scores == {}
