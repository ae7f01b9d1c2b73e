"""NDCG@10: hand-calculated values, and equality with BEIR (see also test_search)."""

from math import log2

import numpy as np
import pytest

from v2t_bench.errors import BrokenPromise, EmptyJudgements
from v2t_bench.scoring.ndcg import ndcg_at_10


def test_gains_are_grades_discounted_by_the_log_of_the_rank() -> None:
    by_hand = (1 / log2(2) + 3 / log2(4)) / (3 / log2(2) + 1 / log2(3))

    scores = ndcg_at_10({"q": ["a", "x", "b"]}, {"q": {"a": 1, "b": 3}})

    assert scores["q"] == pytest.approx(by_hand)


def test_a_relevant_document_at_rank_10_counts() -> None:
    ranking = [f"x{i}" for i in range(9)] + ["a"]

    assert ndcg_at_10({"q": ranking}, {"q": {"a": 1}})["q"] == pytest.approx(1 / log2(11))


def test_a_relevant_document_at_rank_11_does_not_count() -> None:
    ranking = [f"x{i}" for i in range(10)] + ["a"]

    assert ndcg_at_10({"q": ranking}, {"q": {"a": 1}})["q"] == 0


def test_a_judged_query_that_is_missing_counts_0() -> None:
    scores = ndcg_at_10({"q1": ["a"]}, {"q1": {"a": 1}, "q2": {"a": 1}})

    assert scores == {"q1": 1.0, "q2": 0.0}


def test_a_judged_query_that_found_nothing_counts_0() -> None:
    assert ndcg_at_10({"q1": ["a"], "q2": []}, {"q1": {"a": 1}, "q2": {"a": 1}})["q2"] == 0


def test_every_query_missing_counts_0() -> None:
    assert ndcg_at_10({}, {"q": {"a": 1}}) == {"q": 0.0}


def test_an_unjudged_query_is_left_out() -> None:
    assert set(ndcg_at_10({"q": ["a"], "r": ["a"]}, {"q": {"a": 1}, "r": {}})) == {"q"}


def test_a_query_with_grades_of_0_only_counts_0() -> None:
    assert ndcg_at_10({"r": ["a"]}, {"q": {"a": 1}, "r": {"a": 0}})["r"] == 0


def test_a_grade_below_0_is_no_gain() -> None:
    scores = ndcg_at_10({"q": ["bad", "a"]}, {"q": {"a": 1, "bad": -1}})

    assert scores["q"] == pytest.approx(1 / log2(3))


@pytest.mark.parametrize("judged", [{}, {"q": {}}, {"q": {"a": 0}}])
def test_judgements_without_a_grade_above_0_are_refused(judged: dict[str, dict[str, int]]) -> None:
    with pytest.raises(EmptyJudgements):
        ndcg_at_10({"q": ["a"]}, judged)


def test_names_of_documents_do_not_change_the_score() -> None:
    low = ndcg_at_10({"q": ["m", "a"]}, {"q": {"a": 1}})
    high = ndcg_at_10({"q": ["m", "z"]}, {"q": {"z": 1}})

    assert low == high


def test_a_document_ranked_twice_is_refused() -> None:
    with pytest.raises(BrokenPromise, match="ranked twice for query 'q'"):
        ndcg_at_10({"q": ["a", "b", "a"]}, {"q": {"a": 1}})


def test_numpy_grades_are_accepted() -> None:
    assert ndcg_at_10({"q": ["a"]}, {"q": {"a": np.int64(2)}}) == {"q": 1.0}  # type: ignore[dict-item]


def test_equals_beir_where_all_queries_are_answered_and_no_scores_tie() -> None:
    """BEIR 2.2.0 evaluates random runs with graded judgements, some of them 0 only."""
    from beir.retrieval.evaluation import EvaluateRetrieval

    rng = np.random.default_rng(7)
    judged = {
        f"q{i}": {f"d{d}": int(rng.integers(0, 4)) for d in rng.choice(60, 8, replace=False)}
        for i in range(20)
    } | {"q20": {"d1": 0}}
    runs = {query: {f"d{d}": float(rng.random()) for d in range(60)} for query in judged}
    ranking = {query: sorted(run, key=run.__getitem__, reverse=True) for query, run in runs.items()}

    ndcg, *_ = EvaluateRetrieval.evaluate(judged, runs, [10])

    ours = np.mean(list(ndcg_at_10(ranking, judged).values()))
    assert ours == pytest.approx(ndcg["NDCG@10"], abs=1e-5)
