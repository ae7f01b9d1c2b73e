"""Read who judged which document relevant to which query: qrels in the layout of BEIR."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from v2t_bench.errors import BadInput, EmptyJudgements
from v2t_bench.lines import read_lines

MAX_GRADE = 10_000
"""Grades are small numbers; trec_eval holds them in a C integer and adds them up."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
HEADER = ("query-id", "corpus-id", "score")

Judgements = dict[str, dict[str, int]]


def read_judgements(
    path: Path, queries: Mapping[str, object], queries_path: Path, notices: list[str]
) -> Judgements:
    """Return query id to document id to grade, and add what is odd to ``notices``.

    Raises:
        BadInput: naming file and line: a row is malformed, or judges a query that is not there.
    """
    judgements: Judgements = {}
    n_rows = n_negative = n_changed = 0
    for place, (query, document, grade_text) in _rows(path):
        grade = _grade(grade_text, place)
        if query not in queries:
            raise BadInput(
                f"{place}: query {query!r} is not in {queries_path.name}; "
                "expected every judged query there"
            )
        n_negative += grade < 0
        grade = max(grade, 0)
        grades = judgements.setdefault(query, {})
        n_changed += grades.get(document, grade) != grade
        grades[document] = grade
        n_rows += 1
    n_repeated = n_rows - sum(map(len, judgements.values()))
    if n_repeated:
        notices.append(
            "judgements that stand more than once, the last one counted as in BEIR: "
            f"{n_repeated} ({n_changed} with another grade)"
        )
    if n_negative:
        notices.append(f"judgements below 0, read as 0 as trec_eval counts them: {n_negative}")
    return judgements


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the three fields of every line after the header."""
    lines = read_lines(path)
    _, header = next(lines, (1, ""))
    if tuple(header.strip().lower().replace("_", "-").split("\t")) != HEADER:
        raise BadInput(
            f"{path}:1: the header is {header[:60]!r}; expected {'<tab>'.join(HEADER)} "
            "(without a header the first judgement would be lost)"
        )
    for number, line in lines:
        if not line.strip():
            continue
        place = f"{path}:{number}"
        fields = line.split("\t")
        if '"' in line:
            fields = _unquoted(line, place)
        if len(fields) != len(HEADER):
            hint = " (four are TREC's layout: drop the second)" if len(fields) == 4 else ""
            raise BadInput(
                f"{place}: has {len(fields)} columns; expected {len(HEADER)}, separated by tabs: "
                f"{', '.join(HEADER)}{hint}"
            )
        yield place, fields


def _unquoted(line: str, place: str) -> list[str]:
    """Return the fields of a line in which one may be quoted, as csv writes it."""
    try:
        return next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error as error:
        raise BadInput(
            f"{place}: a quoted column is malformed ({error}); quote it as csv does"
        ) from error


def _grade(text: str, place: str) -> int:
    """Return the grade a column holds."""
    if not _WHOLE.fullmatch(text.strip()):
        raise BadInput(f"{place}: grade {text[:40]!r} is not an integer; expected 0, 1 ...")
    grade = int(text)
    if abs(grade) > MAX_GRADE:
        raise BadInput(f"{place}: grade {text[:40]} is beyond {MAX_GRADE}; expected 0, 1 ...")
    return grade


def check_fit(
    judgements: Judgements, documents: Collection[str], path: Path, notices: list[str]
) -> None:
    """Refuse judgements that measure nothing, and tell of those that cannot be met.

    Args:
        judgements: What `read_judgements` returned.
        documents: The documents that are there, those that are judged at least.
        path: Where the judgements are from.
        notices: Takes what is odd.

    Raises:
        EmptyJudgements: no query has a grade above 0.
        BadInput: none of the relevant documents is there.
    """
    relevant = {
        document for grades in judgements.values() for document, grade in grades.items() if grade
    }
    if not relevant:
        raise EmptyJudgements(
            f"{path}: none of the {len(judgements)} judged queries has a grade above 0, so NDCG "
            "is not defined; expected a relevant document for one query at least"
        )
    if relevant.isdisjoint(documents):
        raise BadInput(
            f"{path}: none of the {len(relevant)} relevant documents is in the corpus (such as "
            f"{min(relevant)!r}); expected judgements of this collection"
        )
    absent = [
        query for query, grades in judgements.items() for key in grades if key not in documents
    ]
    if absent:
        notices.append(
            "judgements of documents that are not in the corpus, counted in the ideal ranking as "
            f"in BEIR: {len(absent)} (of {len(set(absent))} queries)"
        )


def only_judged(
    queries: Mapping[str, str], judgements: Judgements, where: str, notices: list[str]
) -> dict[str, str]:
    """Return the judged queries, in the order of the judgements; tell what is odd in ``notices``.

    Args:
        queries: All there are, by id.
        judgements: What `read_judgements` returned.
        where: What the judgements are called in a notice.
        notices: Takes what is odd.
    """
    judged = {query: queries[query] for query in judgements}
    unjudged = len(queries) - len(judged)
    if unjudged:
        notices.append(f"queries without judgements in {where}, left out: {unjudged}")
    n_blank = sum(not text.strip() for text in judged.values())
    if n_blank:
        notices.append(f"blank judged queries, kept: {n_blank}")
    return judged
