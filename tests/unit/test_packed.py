"""Texts and documents that are kept compressed in memory."""

from hypothesis import given
from hypothesis import strategies as st

from v2t_bench.corpora.records import Document, PackedDocuments
from v2t_bench.packed import BLOCK, PackedTexts

ANY_TEXT = st.text(st.characters(codec=None))


@given(st.lists(ANY_TEXT, max_size=20))
def test_texts_come_back_as_they_were(texts: list[str]) -> None:
    assert list(PackedTexts(texts)) == texts


def test_any_row_and_any_slice_can_be_read() -> None:
    texts = [f"text {number}" * (number % 5) for number in range(3 * BLOCK + 7)]
    packed = PackedTexts(iter(texts))
    assert [packed[row] for row in (0, BLOCK - 1, BLOCK, -1)] == [
        texts[row] for row in (0, BLOCK - 1, BLOCK, -1)
    ]
    assert packed[BLOCK - 3 : 2 * BLOCK : 5] == texts[BLOCK - 3 : 2 * BLOCK : 5]
    assert len(packed) == len(texts)


def test_alike_texts_take_less_than_their_characters() -> None:
    texts = [f"The patient number {number} was seen in the clinic today." for number in range(5000)]
    packed = PackedTexts(texts)
    stored = sum(len(part) for block in packed._blocks for part in block)
    assert stored < sum(map(len, texts)) / 3


def test_documents_come_back_as_they_were() -> None:
    documents = [Document(f"d{i}", "title" * (i % 2), f"text {i}") for i in range(2 * BLOCK + 1)]
    packed = PackedDocuments(iter(documents))
    assert list(packed) == documents
    assert packed[-1] == documents[-1]
    assert packed[3:5] == documents[3:5]
    assert packed.ids[7] == "d7"
