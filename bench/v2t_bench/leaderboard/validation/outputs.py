"""Whether the scores of a cell are those of its stored outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2t_bench.checkpoints import space_of
from v2t_bench.corpora.rules import is_quotable
from v2t_bench.errors import V2TError
from v2t_bench.leaderboard.units import TOLERANCE
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.leaderboard.validation.sample import check_demo, check_ids, check_sample
from v2t_bench.leaderboard.validation.strict_json import parse_object
from v2t_bench.leaderboard.validation.tables import read_table
from v2t_bench.results import Measured, Result
from v2t_bench.samples import RETRIEVAL, SAMPLES, TRACES, score_retrieval, score_samples
from v2t_bench.samples import stored_scores as stored
from v2t_bench.scorecard import PROPORTIONS

if TYPE_CHECKING:
    import pyarrow as pa

PERCENT = ("bleu", "bleu_norm", "bleu_eff", "bleu_corpus")
# A text that names nobody, or a document without a label, has no such score.
MAY_BE_NAN = ("names_first", "names_last", "names_full", "label_from_vector", "label_from_text",
              "label_by_majority")  # fmt: skip
# They depend on what was released and not on the attack.
OF_THE_RELEASE = ("reid_top1", "label_from_vector")


@dataclass
class Digests:
    """What is kept of a cell's outputs to compare it with other cells, each a hash.

    Args:
        n: Rows.
        sample: Ids, documents and hashes of texts, and which texts name somebody.
        outputs: By column, those that other cells must, or must not, have as well.
    """

    n: int = 0
    sample: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


def check_outputs(result: Result, folder: Path, tell: Tell) -> Digests | None:
    """Return what other cells are compared with; tell what is wrong with the stored outputs.

    None where they cannot be read at all.
    """
    quotable = is_quotable(result.identity["corpus"])
    name = RETRIEVAL if result.kind == "utility" else SAMPLES
    traced = folder / TRACES
    if result.kind == "leakage" and traced.is_file() and not traced.is_symlink():
        _check_traces(result, traced, quotable, tell)
    path = folder / name
    if not path.is_file() or path.is_symlink():
        return None
    table = read_table(path, quotable=quotable, tell=tell)
    if table is None or not check_ids(result, table, name, tell):
        return None
    if result.kind == "utility":
        check_demo(result, None, tell)
        if not table.num_rows:
            tell("queries", f"{RETRIEVAL} holds no queries; run the same grid again")
            return None
        return _retrieval(result, table, tell)
    check_sample(result, table, tell)
    check_demo(result, table, tell)
    return _samples(result, table, tell) if table.num_rows else None


def _check_traces(result: Result, path: Path, quotable: bool, tell: Tell) -> None:
    table = read_table(path, quotable=quotable, tell=tell)
    if table is not None and check_ids(result, table, TRACES, tell):
        cosines = np.asarray(table.column("cosine").to_numpy(), np.float64)
        if not np.isfinite(cosines).all():
            tell("not-a-number", f"{TRACES} holds a cosine that is no finite number; run again")


def _retrieval(result: Result, table: pa.Table, tell: Tell) -> Digests | None:
    columns = table.to_pydict()
    for query, found, judged in zip(
        columns["query"], columns["found"], columns["judgements"], strict=True
    ):
        try:
            grades = parse_object(judged or "")
        except ValueError as error:
            grades = {"": str(error)}
        if not grades or not all(type(grade) is int for grade in grades.values()):
            tell(
                "judgements",
                f"{RETRIEVAL}: the judgements of {shown(query)} are "
                f"{shown(judged)}; expected an object of documents and grades; run again",
            )
            return None
        if found is None or None in found or len(found) > 10 or len(set(found)) < len(found):
            tell("ranking", f"{RETRIEVAL}: the ranking of {shown(query)} is {shown(found)}; "
                 "expected at most ten documents, each once; run again")  # fmt: skip
            return None
    if not _are_numbers(table, RETRIEVAL, tell):
        return None
    try:
        again, scores = score_retrieval(table)
    except (V2TError, ValueError) as error:
        tell("score", f"NDCG@10 cannot be computed of {RETRIEVAL} ({shown(str(error))}); run again")
        return None
    _compare_per_text(table, again, RETRIEVAL, "query", tell)
    _compare(result.scores, scores, tell)
    order = np.argsort(columns["query"])
    asked = [(columns["query"][row], columns["judgements"][row]) for row in order]
    found = [columns["found"][row] for row in order]
    return Digests(n=len(order), sample=_digest(asked), outputs={"found": _digest(found)})


def _samples(result: Result, table: pa.Table, tell: Tell) -> Digests | None:
    if not _are_numbers(table, SAMPLES, tell):
        return None
    columns = table.to_pydict()
    scores = stored(table)
    lacking = {"guess", "first", "last"} - set(columns)
    if ("text" in columns and lacking) or ("text" not in columns and len(lacking) < 3):
        tell("columns", f"{SAMPLES} holds some of text, guess, first and last; expected all of "
             "them or none; run again")  # fmt: skip
        return None
    if "text" in columns and None in (*columns["text"], *columns["guess"]):
        tell("columns", f"{SAMPLES} has a row without text or guess; run again")
        return None
    again, measured = score_samples(table, space_of(result.identity["space"]))
    if "text" in columns:
        _compare_per_text(table, again, SAMPLES, "id", tell)
    else:
        _check_consistent(scores, tell)
        total = result.scores.get("bleu_corpus")
        if total is not None and total.value is not None and 0 <= total.value <= 100:
            # No mean of what is stored: without texts it stays as it was.
            kept = Measured(value=total.value, n=table.num_rows)
            measured = {"bleu_corpus": kept, **measured}
    _compare(result.scores, measured, tell)
    masks = {name: np.isnan(scores[name]).tolist() for name in MAY_BE_NAN if name in scores}
    described = [columns["id"], columns["document"], columns["text_sha256"]]
    return Digests(
        n=table.num_rows,
        sample=_digest([*described, masks.get("names_first")]),
        outputs={name: _digest(scores[name].tolist()) for name in OF_THE_RELEASE if name in scores},
    )


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()


def _are_numbers(table: pa.Table, name: str, tell: Tell) -> bool:
    """Return whether every score of a text is a number in its range; tell which is not."""
    fine = True
    for column in table.column_names:
        if str(table.schema.field(column).type) != "double":
            continue
        chunked = table.column(column)
        values = np.asarray(chunked.to_numpy(), np.float64)
        legal = np.isfinite(values)
        if column in MAY_BE_NAN and not chunked.null_count:
            # All of them NaN: then there is no such column.
            legal |= np.isnan(values) & legal.any()
        if not legal.all() or chunked.null_count:
            fine = False
            row = int(np.argmin(legal))
            tell("not-a-number", f"{name}: {column} is {values[row]} in row {row}; expected a "
                 "finite number for every text; run the same grid again")  # fmt: skip
            continue
        low, high = (-1 if column == "cos" else 0), (100 if column in PERCENT else 1)
        outside = (values < low - TOLERANCE) | (values > high + TOLERANCE)
        if column in PROPORTIONS:
            outside |= ~np.isnan(values) & (values != 0) & (values != 1)
        if outside.any():
            fine = False
            row = int(np.argmax(outside))
            only = "0 or 1" if column in PROPORTIONS else f"{low} to {high}"
            tell("range", f"{name}: {column} is {values[row]} in row {row}; expected {only}; run "
                 "the same grid again")  # fmt: skip
    return fine


def _compare_per_text(table: pa.Table, again: pa.Table, name: str, key: str, tell: Tell) -> None:
    """Tell which score of a text is not what text and guess, or ranking, give."""
    extra = sorted(set(table.column_names) ^ set(again.column_names))
    if extra:
        tell("columns", f"{name}: {', '.join(extra)} cannot be there, or is missing, beside the "
             "other columns; run the same grid again")  # fmt: skip
    told = []
    for column in again.column_names:
        if str(again.schema.field(column).type) != "double" or column in extra:
            continue
        theirs = np.asarray(table.column(column).to_numpy(), np.float64)
        ours = np.asarray(again.column(column).to_numpy(), np.float64)
        order = slice(None) if key == "id" else _rows_of(table, again, key)
        differs = ~np.isclose(theirs[order], ours, rtol=0, atol=TOLERANCE, equal_nan=True)
        if differs.any():
            row = int(np.argmax(differs))
            told.append(
                f"{column} is {theirs[order][row]:.6f} for {shown(again.column(key)[row].as_py())} "
                f"and what is stored beside it gives {ours[row]:.6f}"
            )
    if told:
        tell("per-text", f"{name}: {told[0]}{_and_more(told)}; compute the scores anew with "
             "v2t-bench score")  # fmt: skip


def _and_more(told: Sequence[str]) -> str:
    return f" (and {len(told) - 1} more columns differ)" if len(told) > 1 else ""


def _rows_of(table: pa.Table, again: pa.Table, key: str) -> NDArray[np.int64]:
    places = {one: row for row, one in enumerate(table.column(key).to_pylist())}
    return np.array([places[one] for one in again.column(key).to_pylist()], np.int64)


def _check_consistent(scores: Mapping[str, NDArray[np.float64]], tell: Tell) -> None:
    """Tell where scores of one text contradict one another: without it nothing else can be told."""
    exact, exact_norm = scores["exact"] == 1, scores["exact_norm"] == 1
    precision, recall = scores["token_precision"], scores["token_recall"]
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    wrong = {
        "an exact guess with another token_f1 than 1": exact & (scores["token_f1"] < 1 - TOLERANCE),
        "exact without exact_norm": exact & ~exact_norm,
        "a token_f1 that its precision and recall do not give": np.abs(f1 - scores["token_f1"])
        > TOLERANCE,
    }
    if "names_full" in scores:
        parts = np.fmin(scores["names_first"], scores["names_last"])
        wrong["a full name without its parts"] = scores["names_full"] > parts
    for what, rows in wrong.items():
        if rows.any():
            tell("per-text", f"{SAMPLES}: row {int(np.argmax(rows))} has {what}, so scores were "
                 "changed; run the same grid again")  # fmt: skip


def _compare(theirs: Mapping[str, Measured], ours: Mapping[str, Measured], tell: Tell) -> None:
    """Tell which means, intervals and counts are not those of the stored outputs."""
    told = []
    if set(theirs) != set(ours):
        odd = ", ".join(map(shown, sorted(set(theirs) ^ set(ours))))
        told.append(f"the scores {odd} are missing, or more than its outputs give")
    for name in sorted(set(theirs) & set(ours)):
        for part in ("value", "low", "high", "n", "method"):
            said, made = getattr(theirs[name], part), getattr(ours[name], part)
            if said == made or (
                isinstance(said, int | float) and isinstance(made, int | float)
                and abs(said - made) <= (TOLERANCE if part != "n" else 0)
            ):  # fmt: skip
                continue
            told.append(
                f"{name} has {part} {shown(said)} and its stored outputs give {shown(made)}"
            )
            break
    if told:
        tell("score", f"{told[0]}{_and_more(told).replace('columns', 'scores')}; compute the "
             "scores anew with v2t-bench score")  # fmt: skip
