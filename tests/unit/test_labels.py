"""Attribute inference on vectors and texts made by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from v2t_bench.scoring.labels import (
    can_be_told,
    label_by_majority,
    label_from_texts,
    label_from_vectors,
)

N = 60
LABELS = ["heart" if row % 3 else "skin" for row in range(N)]
DOCUMENTS = [f"d{row}" for row in range(N)]


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    """Two clouds, (60, 8), a distance apart that no noise of theirs bridges."""
    drawn = np.random.default_rng(0).standard_normal((N, 8)).astype(np.float32)
    drawn[[label == "skin" for label in LABELS], 0] += 10
    return drawn


def test_a_label_is_told_by_a_vector_that_shows_it(vectors: NDArray[np.float32]) -> None:
    assert label_from_vectors(vectors, LABELS, DOCUMENTS).tolist() == [1.0] * N


def test_what_is_told_does_not_depend_on_length_or_place(vectors: NDArray[np.float32]) -> None:
    vectors[:, 0] *= 0.1  # the clouds overlap: some labels are told, some are not
    plain = label_from_vectors(vectors, LABELS, DOCUMENTS)
    assert 0.6 < plain.mean() < 1
    np.testing.assert_array_equal(plain, label_from_vectors(vectors / 1000 + 3, LABELS, DOCUMENTS))


def test_a_label_is_not_told_by_the_vectors_of_other_texts(vectors: NDArray[np.float32]) -> None:
    shuffled = np.random.default_rng(1).permutation(vectors)
    told = label_from_vectors(shuffled, LABELS, DOCUMENTS).mean()
    assert told < label_by_majority(LABELS, DOCUMENTS).mean() + 0.1


def test_a_label_is_told_by_the_words_of_a_guess() -> None:
    guesses = [f"a {label} note, number {row}" for row, label in enumerate(LABELS)]
    assert label_from_texts(guesses, LABELS, DOCUMENTS).tolist() == [1.0] * N


def test_a_guess_without_words_tells_what_the_majority_tells() -> None:
    np.testing.assert_array_equal(
        label_from_texts([""] * N, LABELS, DOCUMENTS), label_by_majority(LABELS, DOCUMENTS)
    )


def test_the_majority_is_right_as_often_as_it_is_met() -> None:
    # 40 of 60 are "heart", in every training fold too.
    assert label_by_majority(LABELS, DOCUMENTS).mean() == pytest.approx(40 / 60)


def test_a_document_never_stands_on_both_sides() -> None:
    # Each document has six equal vectors and a label of its own: only a leak could tell it.
    documents = [f"d{row // 6}" for row in range(N)]
    vectors = np.repeat(np.eye(10), 6, axis=0)
    assert label_from_vectors(vectors, documents, documents).tolist() == [0.0] * N
    apart = [f"d{row}" for row in range(N)]
    assert label_from_vectors(vectors, documents, apart).mean() == 1


def test_the_order_of_texts_changes_nothing(vectors: NDArray[np.float32]) -> None:
    vectors[:, 0] *= 0.1
    order = np.random.default_rng(2).permutation(N)
    moved = label_from_vectors(
        vectors[order], [LABELS[i] for i in order], [DOCUMENTS[i] for i in order]
    )
    np.testing.assert_array_equal(moved, label_from_vectors(vectors, LABELS, DOCUMENTS)[order])


def test_texts_without_a_label_are_left_out(vectors: NDArray[np.float32]) -> None:
    labels: list[str | None] = [*LABELS[:-10], *[None] * 10]
    told = label_from_vectors(vectors, labels, DOCUMENTS)
    assert np.isnan(told[-10:]).all()
    assert told[:-10].tolist() == [1.0] * (N - 10)


@pytest.mark.parametrize(
    ("labels", "documents", "told"),
    [
        (["a", "b"] * 3, list("uvwxyz"), True),
        (["a"] * 6, list("uvwxyz"), False),
        (["a", None] * 3, list("uvwxyz"), False),
        (["a", "b"] * 3, list("uuvvww"), False),
        ([None] * 6, list("uvwxyz"), False),
        ([], [], False),
    ],
)
def test_two_labels_and_five_documents_are_needed(
    labels: list[str | None], documents: list[str], told: bool
) -> None:
    assert can_be_told(labels, documents) is told
