"""One row a release: what search keeps and what the worst attacker gets, over all seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from v2t_bench.leaderboard.columns import FrontierRow
from v2t_bench.leaderboard.gathered import Gathered
from v2t_bench.leaderboard.rows import Row, attack_name
from v2t_bench.leaderboard.table import short_attack
from v2t_bench.resolution import PRIOR


def attacks_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the attacks that have columns: each without its checkpoint, sorted."""
    labels = {str(row["attack"]) for row in rows}
    return tuple(
        sorted({short_attack(label) for label in labels if attack_name(label) not in ("", PRIOR)})
    )


def frontier_rows(gathered: Gathered, rows: Sequence[Row]) -> list[FrontierRow]:
    """Return one row a release."""
    return []
