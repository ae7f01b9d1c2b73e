"""The boards as pictures for papers: frontiers and the noise curve, each as SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from v2t_bench.errors import BadInput
from v2t_bench.leaderboard.drawing import drawing, save
from v2t_bench.leaderboard.frontier_picture import draw_overview, draw_table
from v2t_bench.leaderboard.frontier_points import points_of
from v2t_bench.leaderboard.noise_curves import curves_of
from v2t_bench.leaderboard.noise_picture import draw_curves
from v2t_bench.leaderboard.tables import Table, tables_of

if TYPE_CHECKING:
    from v2t_bench.leaderboard.board import Board

Tell = Callable[[str], None]

# Small pictures on one page beyond which nobody reads them, and an image gets too tall to open.
MOST_TABLES = 60


def draw_pictures(board: Board, folder: Path, *, tell: Tell = lambda line: None) -> list[Path]:
    """Write the pictures of a board, and return their paths; the same board, the same bytes.

    ``frontier-<corpus>`` of each table that has something to compare, ``frontier`` of all of
    them, ``noise-curve`` of those with noise of two strengths.

    Args:
        board: What to draw; nothing is computed from it.
        folder: Where to; made if it is not there.
        tell: Is told in one line of each picture that there is not, and why.

    Raises:
        UsageError: matplotlib is not installed.
        BadInput: the folder cannot be written.
    """
    with drawing():
        tables = tables_of(board)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return [*_frontiers(tables, folder, tell), *_noise(tables, folder, tell)]
        except OSError as error:
            raise BadInput(
                f"{folder} cannot be written ({error.strerror}); choose another folder with -o"
            ) from error


def _frontiers(tables: list[Table], folder: Path, tell: Tell) -> list[Path]:
    shown, paths = [], []
    for table in tables:
        if missing := _nothing_to_compare(table):
            tell(f"no picture of frontier-{table.name}: {missing}")
            continue
        shown.append(table)
        figure = draw_table(table)
        paths += save(figure, folder, f"frontier-{table.name}", title=f"Frontier, {table.name}")
    if not shown:
        tell("no picture of the frontier: no table has a defense with search and a worst case")
        return paths
    if len(shown) > MOST_TABLES:
        tell(f"frontier: the first {MOST_TABLES} of {len(shown)} tables")
    figure = draw_overview(shown[:MOST_TABLES])
    return [*paths, *save(figure, folder, "frontier", title="Frontiers of all tables")]


def _nothing_to_compare(table: Table) -> str:
    """Return why a table makes no picture, or nothing."""
    if any(not point.undefended for point in points_of(table)):
        return ""
    if not table.defended:
        return "it has no defense"
    return "none of its defenses has both NDCG@10 kept and a worst case"


def _noise(tables: list[Table], folder: Path, tell: Tell) -> list[Path]:
    curves = [curve for table in tables for curve in curves_of(table)]
    if not curves:
        tell("no picture of the noise curve: no table has noise of two strengths")
        return []
    if len(curves) > MOST_TABLES:
        tell(f"noise-curve: the first {MOST_TABLES} of {len(curves)} tables")
    figure = draw_curves(curves[:MOST_TABLES])
    return save(figure, folder, "noise-curve", title="Noise: search kept and text read")
