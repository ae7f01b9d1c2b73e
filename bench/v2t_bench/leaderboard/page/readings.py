"""What each attack read of a release under each threat: means over seeds that skip none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from v2t_bench.leaderboard.rows import Row, attack_name
from v2t_bench.leaderboard.table import short_attack, threat_text
from v2t_bench.resolution import NEAREST, PRIOR, SILENT
from v2t_bench.threat import WORST

_FLOORS = frozenset({SILENT, NEAREST})


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The bleu_norm of one attack under one threat.

    Args:
        attack: Spelled without its checkpoint.
        threat: With what sets it apart from others of its name.
        value: Mean over the seeds of the release; None where one of them is missing.
        low, high: Of one seed its interval; of several from the lowest low to the highest high.
        seeds: How many.
    """

    attack: str
    threat: str
    value: float | None
    low: float | None
    high: float | None
    seeds: int


def readings(rows: Iterable[Row]) -> list[Reading]:
    """Return the readings of the rows of one release, sorted by attack and threat.

    Of several checkpoints of an attack under one seed the one that read most counts.
    """
    attacked = [row for row in rows if is_attack(row)]
    # Floors come with every run, also with those of further seeds for search alone.
    learned = [row for row in attacked if attack_name(str(row["attack"])) not in _FLOORS]
    seeds = {str(row["seeds"]) for row in learned or attacked}
    grouped: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in attacked:
        seed = str(row["seeds"])
        if seed in seeds:
            grouped[short_attack(str(row["attack"])), threat_text(row)][seed].append(row)
    return [
        _reading(attack, threat, of_seeds, len(seeds))
        for (attack, threat), of_seeds in sorted(grouped.items())
    ]


def is_attack(row: Row) -> bool:
    """Whether a row is of one attack that saw the vectors: no prior, and no worst of several."""
    name = attack_name(str(row["attack"] or ""))
    return name not in ("", PRIOR) and row["threat"] != WORST


def _reading(attack: str, threat: str, of_seeds: dict[str, list[Row]], wanted: int) -> Reading:
    chosen = [max(rows, key=_strength) for rows in of_seeds.values()]
    values = _all_of(chosen, "bleu_norm")
    lows, highs = (_all_of(chosen, f"bleu_norm_{end}") for end in ("lo", "hi"))
    if values is None or len(chosen) < wanted:
        return Reading(attack=attack, threat=threat, value=None, low=None, high=None,
                       seeds=len(chosen))  # fmt: skip
    return Reading(
        attack=attack,
        threat=threat,
        value=sum(values) / len(values),
        low=None if lows is None else min(lows),
        high=None if highs is None else max(highs),
        seeds=len(chosen),
    )


def _strength(row: Row) -> tuple[float, str]:
    value = row["bleu_norm"]
    return (value if isinstance(value, int | float) else -1.0, str(row["cell_id"]))


def _all_of(rows: Sequence[Row], column: str) -> list[float] | None:
    """Return the numbers of a column, sorted so that sums do not depend on order, or None."""
    values = sorted(value for row in rows if isinstance(value := row[column], int | float))
    return values if len(values) == len(rows) else None
