"""Every row of the published boards, long and wide, from gathered cells."""

from __future__ import annotations

from dataclasses import dataclass

from v2t_bench.leaderboard.columns import FrontierRow
from v2t_bench.leaderboard.frontier import attacks_of, frontier_rows
from v2t_bench.leaderboard.gathered import Gathered
from v2t_bench.leaderboard.rows import Row, leaderboard_rows, sorted_rows
from v2t_bench.leaderboard.worst import worst_rows
from v2t_bench.samples import SAMPLES


@dataclass(frozen=True)
class Board:
    """What the boards hold; the page and the pictures read nothing else.

    Args:
        rows: One a leakage cell and one a worst attacker, sorted.
        frontier: One a release, sorted.
        attacks: Those with columns in the frontier, as they are spelled there.
    """

    rows: list[Row]
    frontier: list[FrontierRow]
    attacks: tuple[str, ...]


def build_board(gathered: Gathered) -> Board:
    """Return the rows of every cell that was gathered.

    Raises:
        CorruptArtifact: a table of raw outputs cannot be read.
    """
    rows = leaderboard_rows(gathered.results)
    worst = worst_rows(
        rows, gathered.results, lambda name: gathered.table(name, SAMPLES, prose=False)
    )
    return Board(
        rows=sorted_rows([*rows, *worst]),
        frontier=frontier_rows(gathered, rows),
        attacks=attacks_of(rows),
    )
