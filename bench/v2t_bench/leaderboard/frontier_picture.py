"""Draw frontiers: search kept against what the worst attacker still reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from v2t_bench.leaderboard.drawing import (
    FAINT,
    INK,
    WIDTH,
    fitting,
    in_lines,
    new_figure,
)
from v2t_bench.leaderboard.families import LOOKS, family_of
from v2t_bench.leaderboard.frontier_axes import draw_plane, floor_of, write_labels
from v2t_bench.leaderboard.frontier_points import heading, left_out, points_of, warning
from v2t_bench.leaderboard.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_table(table: Table) -> Figure:
    """Return the picture of one table, every release named."""
    points = points_of(table)
    notes = [in_lines(line.split(", "), 72 * WIDTH - 60, 6, 3) for line in left_out(table)]
    below = 0.62 + 0.12 * sum(1 + note.count("\n") for note in notes)
    height = 4.4 + below
    figure = new_figure(WIDTH, height)
    # Names may stand in the margin on the right, where most releases are.
    axes = figure.add_axes((0.06, below / height, 0.85, 3.95 / height))
    name, measured = heading(table)
    told = "; ".join(filter(None, [measured, warning(table)]))
    figure.text(0.06, 1 - 0.16 / height, name, size=9, weight="bold", va="center")
    figure.text(0.06, 1 - 0.33 / height, told, size=6.5, color=FAINT, va="center")
    draw_plane(axes, table, points)
    axes.set_xlabel("NDCG@10 kept (share of undefended)", labelpad=2)
    axes.set_ylabel("bleu_norm of the worst attacker (0 to 100)", labelpad=3)
    crowded = write_labels(axes, points, beyond=72 * WIDTH * 0.085)
    if crowded:
        notes.append(in_lines([f"No room for the names of: {crowded[0]}", *crowded[1:]],
                              72 * WIDTH - 60, 6, 1))  # fmt: skip
    figure.legend(handles=_keys([table]), loc="lower left", ncols=9, columnspacing=1.2,
                  bbox_to_anchor=(0.055, (below - 0.58) / height), handletextpad=0.5,
                  handlelength=1.6, borderaxespad=0)  # fmt: skip
    at = below - 0.64
    for note in notes:
        figure.text(0.06, at / height, note, size=6, color=FAINT, va="top", linespacing=1.2)
        at -= 0.12 * (1 + note.count("\n"))
    return figure


def draw_overview(tables: Sequence[Table]) -> Figure:
    """Return small pictures of every table, only the releases on the front named."""
    columns = min(3, len(tables))
    rows = math.ceil(len(tables) / columns)
    each, foot = 2.25, 0.62
    height = each * rows + foot
    figure = new_figure(WIDTH, height)
    width = 1 / columns
    for at, table in enumerate(tables):
        row, column = divmod(at, columns)
        left = column * width + 0.4 / WIDTH
        axes = figure.add_axes((
            left, (foot + each * (rows - 1 - row) + 0.15) / height,
            width - 0.5 / WIDTH, (each - 0.55) / height,
        ))  # fmt: skip
        name, measured = heading(table)
        weak = " (weak attacks)" if warning(table) else ""
        room = 72 * (WIDTH * width - 0.5)
        top = (foot + each * (rows - row)) / height
        figure.text(left, top - 0.12 / height, fitting(name + weak, room, 7), size=7, weight="bold",
                    va="center")  # fmt: skip
        figure.text(left, top - 0.25 / height, fitting(measured, room, 5), size=5, color=FAINT,
                    va="center")  # fmt: skip
        points = points_of(table)
        draw_plane(axes, table, points, small=True)
        axes.tick_params(labelsize=5.5, length=2, pad=1.5)
        write_labels(axes, [point for point in points if point.row["pareto"]], points, size=5)
    figure.text(0.5, 0.5 / height, "NDCG@10 kept (share of undefended)", ha="center")
    figure.text(0.004, (foot + each * rows / 2) / height, "bleu_norm of the worst attacker",
                rotation=90, va="center", ha="left")  # fmt: skip
    figure.legend(handles=_keys(tables), loc="lower center", ncols=9, columnspacing=1.1,
                  bbox_to_anchor=(0.5, 0.12 / height), handletextpad=0.5, handlelength=1.6,
                  borderaxespad=0)  # fmt: skip
    return figure


def _keys(tables: Sequence[Table]) -> list[Any]:
    """Return what the legend shows: what at least one of the tables has."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    points = [point for table in tables for point in points_of(table)]
    families = {family_of(point.defense) for point in points if not point.undefended}
    found: list[Any] = []
    if any(point.undefended for point in points):
        found.append(Line2D([], [], marker="*", color="black", ls="", ms=8, label="undefended"))
    found += [
        Line2D([], [], marker=shape, color=colour, ls="", ms=4.6, label=family)
        for family, (shape, colour) in LOOKS.items()
        if family in families
    ]
    if any(point.unknown for point in points):
        found.append(Line2D([], [], marker="o", mfc="white", mec=INK, ls="", ms=4.6,
                            label="nobody who knows it tried"))  # fmt: skip
    if any(sum(point.row["pareto"] is True for point in points_of(t)) > 1 for t in tables):
        found.append(Line2D([], [], color=INK, lw=0.9, label="Pareto front"))
    if any(floor_of(table) for table in tables):
        found.append(Patch(color="#DDDDDD", label="nearest public text, undefended"))
    return found
