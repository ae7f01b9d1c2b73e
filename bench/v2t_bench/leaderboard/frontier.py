"""One row a release: what search keeps and what the worst attacker gets, over all seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from v2t_bench.leaderboard.columns import (
    ADAPTIVE,
    OBLIVIOUS,
    FrontierRow,
    attack_column,
    frontier_columns,
)
from v2t_bench.leaderboard.gathered import Gathered
from v2t_bench.leaderboard.measures import Measures, measure
from v2t_bench.leaderboard.releases import Release, releases
from v2t_bench.leaderboard.rivals import compare
from v2t_bench.leaderboard.rows import MIN_HEADROOM, OPAQUE, Row, attack_name
from v2t_bench.leaderboard.table import short_attack
from v2t_bench.resolution import PRIOR
from v2t_bench.scorecard import RESAMPLING_SEED
from v2t_bench.scoring.intervals import bootstrap_mean

# Seeds that boards report: of what search is measured with, and of what is attacked.
NDCG_SEEDS, LEAKAGE_SEEDS = 5, 3
FEW_SEEDS, INCOMPLETE = "few-seeds", "incomplete"
# Flags that tell of one attack or of the release as a whole, which is told anew.
_OF_ONE_ROW = ("trained-", "by:", "worst-of:", "below-floor", "weak-attack", "oblivious-only",
               "no-utility")  # fmt: skip


def attacks_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the attacks that have columns: each without its checkpoint, sorted."""
    labels = {str(row["attack"]) for row in rows}
    return tuple(
        sorted({short_attack(label) for label in labels if attack_name(label) not in ("", PRIOR)})
    )


def frontier_rows(gathered: Gathered, rows: Sequence[Row]) -> list[FrontierRow]:
    """Return one row a release, sorted; only rows of one table are compared with each other.

    Args:
        gathered: The cells.
        rows: One for each of them that is a leakage.
    """
    by_cell = {str(row["cell_id"]): row for row in rows}
    attacks = attacks_of(rows)
    frontier: list[FrontierRow] = []
    for _, table in groupby(releases(gathered.results), key=lambda release: release.table):
        measures = measure(gathered, list(table))
        made = [_row(known, by_cell, attacks) for known in measures]
        compare(measures, made)
        frontier += made
    return frontier


def _row(measures: Measures, by_cell: Mapping[str, Row], attacks: Sequence[str]) -> FrontierRow:
    release = measures.release
    row: FrontierRow = dict.fromkeys(frontier_columns(attacks))
    labels = release.cells[0].labels
    for name in ("corpus", "track", "fingerprint", "max_tokens", "embedder", "defense"):
        row[name] = labels[name]
    row["noise_on"] = labels["noise_on"]
    if measures.ndcg is not None:
        ndcg = measures.ndcg
        interval = bootstrap_mean(ndcg.values, seed=RESAMPLING_SEED)
        row |= {"n_queries": len(ndcg.ids), "ndcg_at_10": ndcg.mean, "ndcg_lo": interval.low,
                "ndcg_hi": interval.high, "ndcg_sd": ndcg.sd,
                "ndcg_seeds": len(ndcg.per_seed)}  # fmt: skip
    own = [by_cell[cell.cell_id] for cell in release.leakages if cell.cell_id in by_cell]
    for attack in attacks:
        for how, knows in ((OBLIVIOUS, False), (ADAPTIVE, True)):
            row[attack_column(attack, how)] = measures.bleu_norm.get((attack, knows))
    if release.leakages:
        row["n_texts"] = max(int(each["n_texts"] or 0) for each in own)
        row["sample_seed"] = release.leakages[0].identity.get("sample_seed")
        row["leakage_seeds"] = len(release.leakage_seeds)
    heads = [float(each["headroom"]) for each in own if each["headroom"] is not None]
    row["headroom"] = max(heads, default=None)
    if measures.worst is not None:
        row |= _worst_columns(measures)
    for fact in ("snr_db", "released_dim", "bytes_per_vector"):
        row[fact] = _over_seeds([one.facts.get(fact) for one in release.utilities])
    row["flags"] = " ".join(sorted(_flags(measures, own, heads)))
    row["cell_ids"] = " ".join(sorted(cell.cell_id for cell in release.cells))
    return row


def _worst_columns(measures: Measures) -> FrontierRow:
    worst = measures.worst
    if worst is None:
        return {}
    units = worst.units
    interval = bootstrap_mean(units.values, clusters=units.clusters, seed=RESAMPLING_SEED)
    return {
        "worst_bleu_norm": units.mean,
        "worst_lo": interval.low,
        "worst_hi": interval.high,
        "worst_sd": units.sd,
        "worst_attack": worst.attack,
        "worst_threat": worst.threat,
        "worst_of": worst.of,
    }


def _over_seeds(facts: Sequence[float | int | str | bool | None]) -> float | int | None:
    """Return what is the same under every seed, or the mean of what is not; None if any lacks."""
    numbers = [fact for fact in facts if isinstance(fact, int | float)]
    if not numbers or len(numbers) < len(facts):
        return None
    return numbers[0] if len(set(numbers)) == 1 else float(np.mean(sorted(numbers)))


def _flags(measures: Measures, own: Sequence[Row], heads: Sequence[float]) -> set[str]:
    release = measures.release
    flags = {
        flag
        for row in own
        for flag in str(row["flags"]).split()
        if not flag.startswith(_OF_ONE_ROW)
    }
    flags.update(flag for one in release.utilities for flag in one.labels.get("flags", ()))
    opaque = any(one.facts.get("opaque") for one in release.utilities)
    if opaque:
        flags.add(OPAQUE)
    if release.leakages and max(heads, default=0.0) < MIN_HEADROOM:
        flags.add("weak-attack")
    if release.defended and release.leakages and not any(c.knows for c in release.contenders):
        flags.add("oblivious-only")
    if measures.incomplete:
        flags.add(INCOMPLETE)
    if _draws(release) and (
        (release.utilities and len(release.search_seeds) < NDCG_SEEDS)
        or (release.leakages and len(release.leakage_seeds) < LEAKAGE_SEEDS)
    ):
        flags.add(FEW_SEEDS)
    return flags


def _draws(release: Release) -> bool:
    """Whether the defense draws from the owner's secret."""
    return any(cell.labels["seeds"] != "" for cell in release.cells)
