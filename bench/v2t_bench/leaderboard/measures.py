"""What a release is measured by: search and leakage, each the mean over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench.leaderboard.gathered import Gathered
from v2t_bench.leaderboard.releases import Contender, Release
from v2t_bench.leaderboard.units import Units, averaged
from v2t_bench.leaderboard.worst import FEWEST, first_half


@dataclass(frozen=True, kw_only=True, eq=False)
class Worst:
    """The attacker with the highest mean on half of the texts.

    Args:
        units: The scores of the other half.
        attack, threat: Whose.
        of: Among how many it was chosen.
    """

    units: Units
    attack: str
    threat: str
    of: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Measures:
    """What is known of one release; None where a cell is missing.

    Args:
        release: Its cells.
        ndcg: NDCG@10 of each query.
        bleu_norm: The mean of each attack, by its name and whether it knows the defense.
        worst: The worst attacker.
        incomplete: Whether a cell is missing.
    """

    release: Release
    ndcg: Units | None
    bleu_norm: dict[tuple[str, bool], float | None]
    worst: Worst | None
    incomplete: bool


def measure(gathered: Gathered, table: Sequence[Release]) -> list[Measures]:
    """Return what is known of each release of one table."""
    undefended = next((one for one in table if not one.defended), None)
    searched = any(one.utilities for one in table)
    return [_measured(gathered, one, undefended, searched=searched) for one in table]


def _measured(
    gathered: Gathered, release: Release, undefended: Release | None, *, searched: bool
) -> Measures:
    ndcg = _ndcg(gathered, release)
    known = [(one, _over_seeds(gathered, release, one)) for one in release.contenders]
    bleu_norm: dict[tuple[str, bool], float | None] = {}
    for contender, units in known:
        key = (contender.attack, contender.knows)
        before = bleu_norm.get(key, -np.inf)
        # One that lacks a seed could be the strongest, so without it there is none.
        mean = None if units is None or before is None else max(before, units.mean)
        bleu_norm[key] = mean
    opaque = any(one.facts.get("opaque") for one in release.utilities)
    lacking = not opaque and release.lacks(undefended)
    worst = None
    if not lacking and (not release.defended or any(one.knows for one, _ in known)):
        whole = [(one, units) for one, units in known if units is not None]
        worst = _worst(whole)
        # Cells that met other texts cannot stand for those that are missing.
        met = len(whole[0][1].ids) if whole else 0
        lacking = len(whole) < len(known) or (worst is None and met >= FEWEST)
    return Measures(
        release=release,
        ndcg=ndcg,
        bleu_norm=bleu_norm,
        worst=None if lacking else worst,
        incomplete=lacking or (searched and ndcg is None),
    )


def _ndcg(gathered: Gathered, release: Release) -> Units | None:
    """Return the mean over seeds of each query's NDCG@10."""
    seeds: dict[str, Units] = {}
    for one in release.utilities:
        units = gathered.units[one.cell_id]
        there = seeds.setdefault(str(one.labels["seeds"]), units)
        # Two versions may have measured it; where they disagree nobody knows which is right.
        again = units.ordered_as(there)
        if again is None or not np.array_equal(again.values, there.values):
            return None
    if not seeds or set(seeds) != set(release.search_seeds):
        return None
    return averaged([units for _, units in sorted(seeds.items())])


def _over_seeds(gathered: Gathered, release: Release, contender: Contender) -> Units | None:
    """Return the mean over seeds of each text's bleu_norm; None where a seed is missing."""
    if set(contender.cells) != set(release.leakage_seeds):
        return None
    cells = [cell for _, cell in sorted(contender.cells.items())]
    return averaged([gathered.units[cell.cell_id] for cell in cells])


def _worst(known: Sequence[tuple[Contender, Units]]) -> Worst | None:
    """Return the worst of several; None of too few texts, or where some met other texts."""
    if not known or len(known[0][1].ids) < FEWEST:
        return None
    ordered = [units.ordered_as(known[0][1]) for _, units in known]
    choosing = first_half(known[0][1].ids)
    ranked = [
        (float(np.mean(units.values[choosing])), one.attack, one.threat, at)
        for at, (units, (one, _)) in enumerate(zip(ordered, known, strict=True))
        if units is not None
    ]
    if len(ranked) < len(known):
        return None
    *_, at = max(ranked)
    contender, units = known[at][0], ordered[at]
    if units is None:
        return None
    return Worst(
        units=units.part(~choosing), attack=contender.attack, threat=contender.threat, of=len(known)
    )
