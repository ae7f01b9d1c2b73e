"""Join the utility and the leakage of each cell into one row of the leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import TRAINED_AGAINST
from v2t_bench.results import Measured, Result

Row: TypeAlias = dict[str, "float | int | str | bool | None"]

COLUMNS = (
    "corpus", "track", "fingerprint", "max_tokens", "embedder", "defense", "noise_on", "attack",
    "threat", "oracle", "pairs", "n_texts", "n_queries",
    "ndcg_at_10", "ndcg_lo", "ndcg_hi", "ndcg_kept",
    "bleu", "bleu_lo", "bleu_hi", "bleu_norm", "bleu_norm_lo", "bleu_norm_hi",
    "bleu_eff", "bleu_corpus", "token_f1", "exact", "exact_norm", "cos",
    "names_first", "names_last", "names_full", "bleu_norm_prior", "headroom",
    "snr_db", "released_dim", "bytes_per_vector", "oracle_texts",
    "has_adaptive", "contaminated", "flags", "seeds", "cell_id", "plugins",
)  # fmt: skip

# Below this the undefended attack is too weak for its fall under a defense to mean much.
MIN_HEADROOM = 10.0


def leaderboard_rows(results: Iterable[Result]) -> list[Row]:
    """Return one row a leakage cell, sorted, joined with the utility of its defense.

    A score that does not exist is None. Nothing is averaged over cells.
    """
    by_id = {result.cell_id: result for result in results}
    leakages = [result for result in by_id.values() if result.kind == "leakage"]
    adaptive = {_setting(result) for result in leakages if _knows_defense(result)}
    rows = [_row(result, by_id, adaptive) for result in leakages]
    return sorted(rows, key=lambda row: [str(row[column]) for column in _ORDER])


_ORDER = ("corpus", "track", "max_tokens", "embedder", "defense", "seeds", "threat", "attack",
          "n_texts", "cell_id")  # fmt: skip


def _setting(result: Result) -> tuple[Any, ...]:
    labels = result.labels
    return tuple(
        labels[key]
        for key in ("corpus", "fingerprint", "track", "max_tokens", "embedder", "defense")
    )


def _knows_defense(result: Result) -> bool:
    """Whether the attacker reckoned with this very defense."""
    labels = result.labels
    trained = f"{TRAINED_AGAINST}{labels['defense']}" in labels["flags"]
    return trained or str(labels["threat"]).startswith("adaptive")


def _row(leakage: Result, by_id: Mapping[str, Result], adaptive: set[tuple[Any, ...]]) -> Row:
    labels, scores, facts = leakage.labels, leakage.scores, leakage.facts
    utility = by_id.get(leakage.references.get("utility", ""))
    undefended = by_id.get(leakage.references.get("undefended", ""))
    prior = by_id.get(leakage.references.get("prior", ""))
    row: Row = dict.fromkeys(COLUMNS)
    row |= {column: labels[column] for column in COLUMNS if column in labels}
    for column in COLUMNS:
        if column in scores:
            row[column] = scores[column].value
    for name in ("bleu", "bleu_norm"):
        row[f"{name}_lo"], row[f"{name}_hi"] = scores[name].low, scores[name].high
    row["n_texts"] = scores["bleu"].n
    row["oracle_texts"] = facts.get("oracle_texts")
    row["cell_id"] = leakage.cell_id
    if utility is not None:
        row |= _utility_columns(
            utility, by_id.get(utility.references.get("undefended_utility", ""))
        )
    floor = None if prior is None else prior.scores["bleu_norm"].value
    ceiling = None if undefended is None else undefended.scores["bleu_norm"].value
    row["bleu_norm_prior"] = floor
    headroom = None if floor is None or ceiling is None else ceiling - floor
    row["headroom"] = headroom
    defended = labels["defense"] != UNDEFENDED
    if defended:
        row["has_adaptive"] = _setting(leakage) in adaptive
    flags = list(labels["flags"])
    if headroom is not None and headroom < MIN_HEADROOM:
        flags.append("weak-attack")
    if defended and not row["has_adaptive"]:
        flags.append("oblivious-only")
    if utility is None:
        flags.append("no-utility")
    row["flags"] = " ".join(sorted(flags))
    row["plugins"] = " ".join(labels["plugins"])
    return row


def _utility_columns(utility: Result, undefended: Result | None) -> Row:
    ndcg: Measured = utility.scores["ndcg_at_10"]
    columns: Row = {
        "n_queries": ndcg.n,
        "ndcg_at_10": ndcg.value,
        "ndcg_lo": ndcg.low,
        "ndcg_hi": ndcg.high,
    }
    for fact in ("snr_db", "released_dim", "bytes_per_vector"):
        columns[fact] = utility.facts.get(fact)
    reference = None if undefended is None else undefended.scores["ndcg_at_10"].value
    if ndcg.value is not None and reference:
        columns["ndcg_kept"] = ndcg.value / reference
    return columns
