"""NDCG@10 of a ranking that has been decided beforehand, ties included."""

from collections.abc import Mapping, Sequence

from v2t_bench.errors import BrokenPromise, EmptyJudgements

Judgements = Mapping[str, Mapping[str, int]]
"""Grade of a document for a query: query id -> document id -> grade."""

Ranking = Mapping[str, Sequence[str]]
"""Documents found for a query, best first: query id -> document ids."""

DEPTH = 10


def ndcg_at_10(ranking: Ranking, judged: Judgements) -> dict[str, float]:
    """Return the NDCG@10 of every judged query, 0-1.

    Gains are the judged grades (below 0 counts as 0); the discount is
    1/log2(rank + 1) (Järvelin and Kekäläinen 2002), as in trec_eval and BEIR,
    whose code computes it. Their code would reorder equal scores by document
    name and drop queries that retrieved nothing; here the order given is the
    order scored, and:

    - a judged query that is missing from the ranking, or found nothing, counts 0;
    - a query whose grades are all 0 counts 0 whatever is found: trec_eval defines
      it so, BEIR averages it in, and leaving it out would break equality with them;
    - a query with no grades at all is not judged, and an unjudged query is left out;
    - a document found but not judged has gain 0.

    Args:
        ranking: Document ids, best first; only the first 10 are looked at.
        judged: Grades of each judged query.

    Returns:
        One value for each judged query, in the order of `judged`.

    Raises:
        EmptyJudgements: no query has a grade above 0.
        BrokenPromise: a document stands twice among the first 10 of a query.
    """
    import pytrec_eval

    # pytrec_eval refuses numpy integers.
    grades = {
        query: {document: int(grade) for document, grade in documents.items()}
        for query, documents in judged.items()
        if documents
    }
    if not any(grade > 0 for documents in grades.values() for grade in documents.values()):
        raise EmptyJudgements(
            f"none of the {len(grades)} judged queries has a grade above 0, so NDCG is not "
            "defined; check that queries and judgements are of the same split"
        )
    run = {query: _artificial_scores(query, ranking.get(query, ())) for query in grades}
    evaluator = pytrec_eval.RelevanceEvaluator(grades, {f"ndcg_cut.{DEPTH}"})
    measured = evaluator.evaluate(run)
    return {query: float(measured[query][f"ndcg_cut_{DEPTH}"]) for query in grades}


def _artificial_scores(query: str, documents: Sequence[str]) -> dict[str, float]:
    """Return strictly falling scores by rank, so that names cannot break ties."""
    first = list(documents[:DEPTH])
    scores = {document: float(DEPTH - rank) for rank, document in enumerate(first)}
    if len(scores) < len(first):
        raise BrokenPromise(
            f"a document is ranked twice for query {query!r}; a ranking holds each document once"
        )
    return scores
