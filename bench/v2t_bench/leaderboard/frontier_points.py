"""The releases of a table as points of the plane, and in words what has no place there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from v2t_bench.leaderboard.drawing import drawable, number
from v2t_bench.leaderboard.families import told_defense
from v2t_bench.leaderboard.rows import MIN_HEADROOM, OPAQUE
from v2t_bench.leaderboard.tables import Table
from v2t_bench.release import UNDEFENDED

if TYPE_CHECKING:
    from v2t_bench.leaderboard.columns import FrontierRow


@dataclass(frozen=True, kw_only=True)
class Point:
    """One release in the plane.

    Args:
        row: The release.
        kept: Share of NDCG@10.
        read: bleu_norm of the worst attacker.
    """

    row: FrontierRow
    kept: float
    read: float

    @property
    def undefended(self) -> bool:
        """Whether it is what the others are compared with."""
        return self.row["defense"] == UNDEFENDED

    @property
    def defense(self) -> str:
        """As the board spells it."""
        return str(self.row["defense"])

    @property
    def label(self) -> str:
        """What is written beside it."""
        return "undefended" if self.undefended else _name(self.row)

    @property
    def unknown(self) -> bool:
        """Whether nobody who knows the defense attacked it."""
        return "oblivious-only" in str(self.row.get("flags") or "").split()


def _name(row: FrontierRow) -> str:
    return drawable(told_defense(str(row["defense"])), 30)


def points_of(table: Table) -> list[Point]:
    """Return the releases that have a place in the plane; undefended vectors keep everything."""
    found = []
    for row in table.releases:
        kept, read = number(row["ndcg_kept"]), number(row["worst_bleu_norm"])
        if row["defense"] == UNDEFENDED:
            kept = 1.0
        if kept is not None and read is not None:
            found.append(Point(row=row, kept=kept, read=read))
    return found


def left_out(table: Table) -> list[str]:
    """Return in words which releases have no place in the plane, and why."""
    drawn = {point.defense for point in points_of(table)}
    reasons: dict[str, list[str]] = {}
    for row in table.releases:
        if row["defense"] in drawn:
            continue
        if OPAQUE in str(row.get("flags") or "").split():
            reason = "Not applicable unless the key leaks"
        elif number(row["worst_bleu_norm"]) is None:
            reason = "No worst case, since a measurement is missing"
        else:
            reason = "No search to compare with"
        reasons.setdefault(reason, []).append(_name(row))
    return [f"{reason}: {', '.join(names)}" for reason, names in sorted(reasons.items())]


def heading(table: Table) -> tuple[str, str]:
    """Return a table's title, and what it was measured on."""
    parts = [drawable(table.told("embedder"))]
    if tokens := table.told("max_tokens"):
        parts.append(f"{tokens} tokens")
    if table.told("track") not in ("", "cut"):
        parts.append(f"track {drawable(table.told('track'))}")
    if texts := table.told("n_texts"):
        parts.append(f"{int(texts):,} texts attacked" if texts.isdigit() else drawable(texts))
    if (queries := table.told("n_queries")).isdigit():
        parts.append(f"{int(queries):,} queries")
    if "stand-in" in table.told("flags").split():
        parts.append("stand-in collection")
    return drawable(table.told("corpus"), 60), ", ".join(parts)


def warning(table: Table) -> str:
    """Return that no attack reads enough of the undefended vectors to judge by, or nothing."""
    headroom = max((number(row["headroom"]) or 0.0 for row in table.releases), default=0.0)
    if headroom >= MIN_HEADROOM:
        return ""
    return f"headroom {headroom:.1f}: these attacks are too weak to call anything safe"
