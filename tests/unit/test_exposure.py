"""What released vectors tell without an attack, and how it is stored."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from v2t_bench.contracts import Space
from v2t_bench.exposure import exposure_scores
from v2t_bench.samples import samples_table, score_samples
from v2t_bench.scorecard import PerText

SPACE = Space(weights="w", pooling="mean", normalize=False, max_tokens=9)
# Rows 1 and 3 are embedded alike.
CLEAN = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], dtype=np.float32)


def exposed(
    lifted: Sequence[Sequence[float]], rows: list[int], keys: Sequence[int] = (0, 1, 2, 3)
) -> PerText:
    return exposure_scores(
        np.array(lifted, dtype=np.float32),
        CLEAN,
        np.array(rows, dtype=np.int64),
        keys=np.array(keys, dtype=np.uint64),
        labels=[None] * len(rows),
        documents=[str(row) for row in rows],
        device="cpu",
    )


def test_a_text_is_found_again_where_its_own_vector_is_the_nearest() -> None:
    # The second is closer to row 0 than to its own, row 2.
    assert exposed([[2, 1, 0], [2, 0, 1]], [0, 2])["reid_top1"].tolist() == [1, 0]


@pytest.mark.parametrize(("keys", "found"), [((0, 1, 2, 3), [1, 0]), ((0, 3, 2, 1), [0, 1])])
def test_texts_that_are_embedded_alike_are_told_apart_by_the_key(
    keys: Sequence[int], found: list[int]
) -> None:
    assert exposed([[0, 1, 0], [0, 1, 0]], [1, 3], keys)["reid_top1"].tolist() == found


def test_without_labels_none_is_inferred() -> None:
    assert set(exposed([[1, 0, 0]], [0])) == {"reid_top1"}


@pytest.fixture
def table() -> pa.Table:
    """Forty texts of two labels; the guess holds the label of all but the last."""
    labels = ["heart", "skin"] * 20
    return samples_table(
        ids=[f"p{row}" for row in range(40)],
        documents=[f"d{row}" for row in range(40)],
        texts=[f"the {label} hurts" for label in labels],
        guesses=[f"a {label}" for label in labels[:-1]] + ["a heart"],
        cosines=[0.5] * 40,
        names=[None] * 40,
        labels=labels,
        exposed={"reid_top1": [1.0] * 10 + [0.0] * 30, "label_from_vector": [1.0] * 40},
    )


def test_scores_of_vectors_are_stored_and_averaged(table: pa.Table) -> None:
    _, scores = score_samples(table, SPACE)
    assert (scores["reid_top1"].value, scores["reid_top1"].method) == (0.25, "wilson")
    assert scores["label_from_vector"].value == 1


def test_the_label_is_inferred_from_the_guess(table: pa.Table) -> None:
    _, scores = score_samples(table, SPACE)
    assert scores["label_from_text"].value == pytest.approx(39 / 40)
    assert scores["label_by_majority"].value is not None


def test_precision_and_recall_stand_beside_f1(table: pa.Table) -> None:
    # Of "a skin" one word of two is in "the skin hurts", which is one of its three.
    scored, _ = score_samples(table, SPACE)
    row = scored.to_pylist()[1]
    assert row["token_precision"] == pytest.approx(1 / 2)
    assert row["token_recall"] == pytest.approx(1 / 3)
    assert row["token_f1"] == pytest.approx(2 / 5)


def test_scoring_again_changes_nothing(table: pa.Table) -> None:
    scored, scores = score_samples(table, SPACE)
    again, same = score_samples(scored, SPACE)
    assert same == scores
    assert again.equals(scored)


def test_without_its_texts_a_cell_keeps_every_score(table: pa.Table) -> None:
    scored, scores = score_samples(table, SPACE)
    hidden = scored.drop_columns(["text", "guess", "first", "last", "label"])
    _, averaged = score_samples(hidden, SPACE)
    assert averaged == {name: value for name, value in scores.items() if name != "bleu_corpus"}


def test_a_cell_stored_before_gains_what_its_texts_tell(table: pa.Table) -> None:
    described = ["id", "document", "text_sha256", "text", "guess", "first", "last", "cos"]
    _, scores = score_samples(table.select(described), SPACE)
    assert {"token_precision", "token_recall"} <= set(scores)
    assert not {"reid_top1", "label_from_vector", "label_from_text"} & set(scores)
