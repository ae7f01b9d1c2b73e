"""Join the utility and the leakage of each cell into one row of the leaderboard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from v2t_bench.contamination import CONTAMINATED
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import NEAREST, TRAINED_AGAINST
from v2t_bench.results import ORACLE_ARITHMETIC, CellKind, Measured, Result
from v2t_bench.threat import ALIGN

Row: TypeAlias = dict[str, "float | int | str | bool | None"]

COLUMNS = (
    "corpus", "track", "fingerprint", "max_tokens", "embedder", "defense", "noise_on", "attack",
    "threat", "oracle", "pairs", "n_texts", "n_queries",
    "ndcg_at_10", "ndcg_lo", "ndcg_hi", "ndcg_kept",
    "bleu", "bleu_lo", "bleu_hi", "bleu_norm", "bleu_norm_lo", "bleu_norm_hi",
    "bleu_eff", "bleu_corpus", "token_f1", "token_precision", "token_recall",
    "exact", "exact_norm", "cos", "names_first", "names_last", "names_full",
    "reid_top1", "label_from_vector", "label_from_text", "label_by_majority",
    "bleu_norm_prior", "headroom",
    "snr_db", "released_dim", "bytes_per_vector", "similarity", "ranking_kept", "oracle_texts",
    "adapted_by", "adapted_cosine",
    "has_adaptive", "contaminated", "flags", "seeds", "cell_id", "plugins",
)  # fmt: skip

# Below this the undefended attack is too weak for its fall under a defense to mean much.
MIN_HEADROOM = 10.0
# Above this share of attacked texts that were trained on, recovery may be recital.
MAX_CONTAMINATED = 0.01
# A flag: instead of leakage, of defenses that release nothing to compute with.
OPAQUE = "not-applicable-unless-key-leaks"


def leaderboard_rows(results: Iterable[Result]) -> list[Row]:
    """Return one row a leakage cell, sorted, joined with the utility of its defense.

    An opaque defense has a row of its own, without an attack: nothing leaks unless its key does.

    A score that does not exist is None. Nothing is averaged over cells.
    """
    by_id = {result.cell_id: result for result in results}
    leakages = [result for result in by_id.values() if result.kind == "leakage"]
    adaptive = {setting_of(result) for result in leakages if knows_defense(result)}
    nearest = _nearest(leakages)
    rows = [_row(result, by_id, adaptive, nearest) for result in leakages]
    rows += [_opaque(result, by_id) for result in by_id.values() if result.facts.get("opaque")]
    return sorted_rows(rows)


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the order of the leaderboard."""
    return sorted(rows, key=lambda row: [str(row[column]) for column in _ORDER])


_ORDER = ("corpus", "track", "max_tokens", "embedder", "defense", "seeds", "threat", "attack",
          "oracle", "pairs", "n_texts", "cell_id")  # fmt: skip


def setting_of(result: Result) -> tuple[Any, ...]:
    """Return what decides what is released; the defense stands last."""
    labels = result.labels
    return tuple(
        labels[key]
        for key in ("corpus", "fingerprint", "track", "max_tokens", "embedder", "defense")
    )


def sample_of(result: Result) -> tuple[Any, ...]:
    """Return what decides which texts are attacked, beside the setting."""
    return tuple(result.identity.get(key) for key in ("n_texts", "sample_seed", "limit"))


def attack_name(label: str) -> str:
    """Return the name of a spelled attack; of a text that is no spelling what stands for it."""
    return re.split("[:@]", label, maxsplit=1)[0].strip()


def _released(result: Result) -> tuple[Any, ...]:
    """What two rows have in common whose attacks were given the same vectors."""
    labels = result.labels
    pairs = labels.get("pairs") if labels["threat"] == ALIGN else None
    threat = (labels["threat"], labels["oracle"], pairs)
    return (*setting_of(result), labels["seeds"], *threat, *sample_of(result))


def _nearest(leakages: Iterable[Result]) -> dict[tuple[Any, ...], float]:
    """Return the bleu_norm of `nearest` on each set of vectors; of several the best."""
    best: dict[tuple[Any, ...], float] = {}
    for result in leakages:
        bleu_norm = result.scores["bleu_norm"].value
        if attack_name(str(result.labels["attack"])) == NEAREST and bleu_norm is not None:
            key = _released(result)
            best[key] = max(bleu_norm, best.get(key, bleu_norm))
    return best


def _below_floor(leakage: Result, prior: Result | None, nearest: float | None) -> bool:
    """Whether a learned attack is not clearly better than without the vector, and than `nearest`.

    Without an interval nothing is clear, and nothing said.
    """
    low = leakage.scores["bleu_norm"].low
    if prior is None or low is None:
        return False
    floors = (prior.scores["bleu_norm"].value, nearest)
    return any(floor is not None and low <= floor for floor in floors)


def knows_defense(result: Result) -> bool:
    """Whether the attacker reckoned with this very defense."""
    labels = result.labels
    trained = f"{TRAINED_AGAINST}{labels['defense']}" in labels["flags"]
    return trained or str(labels["threat"]).startswith("adaptive")


def _own_flags(leakage: Result) -> list[str]:
    """Return what is known of a row without any other."""
    flags = list(leakage.labels["flags"])
    # An attack that asked nothing is the same either way.
    if ORACLE_ARITHMETIC in leakage.identity and leakage.facts.get("oracle_texts"):
        flags.append("fast-oracle")
    shared = leakage.scores.get(CONTAMINATED)
    if shared is not None and shared.value is not None and shared.value > MAX_CONTAMINATED:
        flags.append(CONTAMINATED)
    return flags


def _row(
    leakage: Result,
    by_id: Mapping[str, Result],
    adaptive: set[tuple[Any, ...]],
    nearest: Mapping[tuple[Any, ...], float],
) -> Row:
    labels, scores, facts = leakage.labels, leakage.scores, leakage.facts
    utility = _referred(leakage, "utility", by_id, "utility")
    undefended = _referred(leakage, "undefended", by_id, "leakage")
    prior = _referred(leakage, "prior", by_id, "leakage")
    row: Row = dict.fromkeys(COLUMNS)
    row |= {column: labels[column] for column in COLUMNS if column in labels}
    for column in COLUMNS:
        if column in scores:
            row[column] = scores[column].value
    for name in ("bleu", "bleu_norm"):
        row[f"{name}_lo"], row[f"{name}_hi"] = scores[name].low, scores[name].high
    row["n_texts"] = scores["bleu"].n
    row |= {fact: facts.get(fact) for fact in ("oracle_texts", "adapted_by", "adapted_cosine")}
    row["cell_id"] = leakage.cell_id
    if utility is not None:
        row |= _utility_columns(utility, _referred(utility, "undefended_utility", by_id, "utility"))
    floor = None if prior is None else prior.scores["bleu_norm"].value
    ceiling = None if undefended is None else undefended.scores["bleu_norm"].value
    row["bleu_norm_prior"] = floor
    headroom = None if floor is None or ceiling is None else ceiling - floor
    row["headroom"] = headroom
    defended = labels["defense"] != UNDEFENDED
    if defended:
        row["has_adaptive"] = setting_of(leakage) in adaptive
    flags = _own_flags(leakage)
    if headroom is not None and headroom < MIN_HEADROOM:
        flags.append("weak-attack")
    if _below_floor(leakage, prior, nearest.get(_released(leakage))):
        flags.append("below-floor")
    if defended and not row["has_adaptive"]:
        flags.append("oblivious-only")
    if utility is None:
        flags.append("no-utility")
    row["flags"] = " ".join(sorted(flags))
    row["plugins"] = " ".join(labels["plugins"])
    return row


def _referred(
    result: Result, name: str, by_id: Mapping[str, Result], kind: CellKind
) -> Result | None:
    """Return the cell that another is read against; one of the wrong kind is none."""
    found = by_id.get(result.references.get(name, ""))
    return found if found is not None and found.kind == kind else None


def _opaque(utility: Result, by_id: Mapping[str, Result]) -> Row:
    """Return the row of a defense of whose release nothing can be computed."""
    row: Row = dict.fromkeys(COLUMNS)
    row |= {column: utility.labels[column] for column in COLUMNS if column in utility.labels}
    row |= dict.fromkeys(("attack", "threat", "oracle"), "")
    row |= _utility_columns(utility, _referred(utility, "undefended_utility", by_id, "utility"))
    row["cell_id"] = utility.cell_id
    row["flags"] = " ".join(sorted([*utility.labels.get("flags", []), OPAQUE]))
    plugins = utility.identity["plugins"].items()
    row["plugins"] = " ".join(f"{name}=={version}" for name, version in plugins)
    return row


def _utility_columns(utility: Result, undefended: Result | None) -> Row:
    ndcg: Measured = utility.scores["ndcg_at_10"]
    columns: Row = {
        "n_queries": ndcg.n,
        "ndcg_at_10": ndcg.value,
        "ndcg_lo": ndcg.low,
        "ndcg_hi": ndcg.high,
    }
    for fact in ("snr_db", "released_dim", "bytes_per_vector", "similarity", "ranking_kept"):
        columns[fact] = utility.facts.get(fact)
    reference = None if undefended is None else undefended.scores["ndcg_at_10"].value
    if ndcg.value is not None and reference:
        columns["ndcg_kept"] = ndcg.value / reference
    return columns
