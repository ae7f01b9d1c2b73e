"""The leaderboard of a results folder."""

from __future__ import annotations

from collections.abc import Sequence

from v2t_bench.leaderboard.csv_file import write_csv
from v2t_bench.leaderboard.rows import Row, leaderboard_rows, sorted_rows
from v2t_bench.leaderboard.worst import worst_rows
from v2t_bench.results import Result
from v2t_bench.samples import SAMPLES
from v2t_bench.store import Store


def board_rows(store: Store, results: Sequence[Result]) -> list[Row]:
    """Return the rows of the cells of a results folder, those of the worst attackers included."""
    rows = leaderboard_rows(results)
    rows += worst_rows(rows, results, lambda cell_id: store.table(cell_id, SAMPLES))
    return sorted_rows(rows)


def write_board(store: Store, results: Sequence[Result]) -> list[Row]:
    """Write ``leaderboard.csv`` of the cells of a results folder, and return its rows."""
    rows = board_rows(store, results)
    write_csv(store.folder / "leaderboard.csv", rows)
    return rows
