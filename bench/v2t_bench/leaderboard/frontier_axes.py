"""Draw releases in the plane: the scales, the floor, the front, every marker with its name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from v2t_bench.leaderboard.drawing import FAINT, INK, ends_of, in_points, number, text_width
from v2t_bench.leaderboard.families import look_of
from v2t_bench.leaderboard.frontier_points import Point
from v2t_bench.leaderboard.labels import Box, Placed, place_labels
from v2t_bench.leaderboard.plane import BEYOND, narrowed, widened
from v2t_bench.leaderboard.rows import attack_name
from v2t_bench.leaderboard.tables import Table
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import NEAREST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARES = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0)
_STAR, _MARKER = 9.0, 4.6


def draw_plane(axes: Axes, table: Table, points: Sequence[Point], *, small: bool = False) -> None:
    """Draw the scales, the floor, the front and every release."""
    _scales(axes, points, small=small)
    scale = 0.6 if small else 1.0
    floor = floor_of(table)
    if floor is not None:
        value, low, high = floor
        axes.axhspan(low, high, color="#DDDDDD", alpha=0.6, lw=0, zorder=0)
        axes.axhline(value, color=FAINT, lw=0.7 * scale, ls=(0, (4, 3)), zorder=1)
    front = sorted((p.kept, p.read) for p in points if p.row["pareto"] is True)
    if len(front) > 1:
        axes.step(*zip(*front, strict=True), where="pre", color=INK, lw=0.9 * scale, zorder=2)
    for point in points:
        shape, colour = look_of(point.defense)
        if point.undefended:
            shape, colour = "*", "black"
        axes.errorbar(
            [point.kept], [point.read],
            xerr=ends_of(point.kept, point.row.get("kept_lo"), point.row.get("kept_hi")),
            yerr=ends_of(point.read, point.row.get("worst_lo"), point.row.get("worst_hi")),
            fmt="none", ecolor=colour, elinewidth=0.6 * scale, alpha=0.5, zorder=3,
        )  # fmt: skip
        axes.plot(
            [point.kept], [point.read], shape, zorder=5 if point.undefended else 4,
            ms=(_STAR if point.undefended else _MARKER) * scale,
            mfc="white" if point.unknown else colour, mew=0.7 * scale,
            mec=colour if point.unknown else "white",
        )  # fmt: skip


def _scales(axes: Axes, points: Sequence[Point], *, small: bool) -> None:
    """Widen the scale of what is kept towards 1; leave out what lies below every release."""
    kept = [p.kept for p in points] + _ends(points, "kept_lo", "kept_hi")
    read = [p.read for p in points] + _ends(points, "worst_hi")
    beyond = max(BEYOND, max(kept, default=1.0) + 0.004)
    lowest = min([*kept, 0.98])
    left = max((share for share in _SHARES if share <= lowest), default=0.0)
    axes.set_xscale(
        "function", functions=(partial(widened, beyond=beyond), partial(narrowed, beyond=beyond))
    )
    axes.set_xlim(left, beyond)
    ticks = [share for share in _SHARES if left <= share <= beyond]
    if small:
        few = (0.9, 0.95, 0.98, 1.0) if left >= 0.7 else (0.5, 0.8, 0.95, 1.0)
        ticks = [share for share in ticks if share in (left, *few)]
    ticks = _apart(ticks, left, beyond, 0.1 if small else 0.04)
    axes.set_xticks(ticks, [f"{share:g}" for share in ticks])
    axes.set_ylim(0, max([*read, 1.0]) * 1.12)
    axes.grid(axis="x", color="#EEEEEE", lw=0.5, zorder=0)
    axes.set_axisbelow(True)


def _apart(ticks: Sequence[float], left: float, beyond: float, part: float) -> list[float]:
    """Return 1 and, from the left, each tick that is drawn ``part`` of the axis from the others."""
    length = widened(beyond, beyond) - widened(left, beyond)
    shown: list[float] = []
    for share in sorted(ticks, key=lambda share: (share != 1.0, share)):
        place = widened(share, beyond)
        if all(abs(place - widened(other, beyond)) >= part * length for other in shown):
            shown.append(share)
    return sorted(shown)


def _ends(points: Sequence[Point], *columns: str) -> list[float]:
    found = (number(point.row.get(column)) for point in points for column in columns)
    return [end for end in found if end is not None]


def floor_of(table: Table) -> tuple[float, float, float] | None:
    """Return what looking up the nearest public text has of undefended vectors, and its ends."""
    found = [
        (value, number(row["bleu_norm_lo"]), number(row["bleu_norm_hi"]))
        for row in table.rows
        if row["defense"] == UNDEFENDED
        and row["threat"] == "oblivious"
        and attack_name(str(row["attack"])) == NEAREST
        and (value := number(row["bleu_norm"])) is not None
    ]
    if not found:
        return None
    value, low, high = max(found, key=lambda ends: ends[0])
    return value, value if low is None else low, value if high is None else high


def write_labels(
    axes: Axes,
    points: Sequence[Point],
    all_points: Sequence[Point] | None = None,
    *,
    size: float = 6.0,
    beyond: float = 4.0,
) -> list[str]:
    """Write the names beside their markers, and return those for which there was no room.

    Args:
        axes: Where, its place in the figure and its scales being final.
        points: What is named.
        all_points: What is drawn; default: the same.
        size: Of the letters, in points.
        beyond: How far right of the axes a name may reach, in points.
    """
    own = sorted(points, key=lambda p: (not p.undefended, p.row["pareto"] is not True, -p.read))
    others = all_points if all_points is not None else points
    anchors = [in_points(axes, p.kept, p.read) for p in own]
    half = 2.6 if size >= 6 else 1.6
    markers = [in_points(axes, p.kept, p.read) for p in others]
    blocked: list[Box] = [(x - half, y - half, x + half, y + half) for x, y in markers]
    x0, y0 = in_points(axes, axes.get_xlim()[0], axes.get_ylim()[0])
    x1, y1 = in_points(axes, axes.get_xlim()[1], axes.get_ylim()[1])
    sizes = [(text_width(p.label, size) + 1.5, size * 1.05) for p in own]
    places = place_labels(
        anchors, sizes, area=(x0 + 1, y0 + 1, x1 + beyond, y1 + 4), blocked=blocked,
        lines=_thin(axes, others), rings=11 if size >= 6 else 5,
    )  # fmt: skip
    unplaced = []
    for point, place in zip(own, places, strict=True):
        if place is None:
            unplaced.append(point.label)
            continue
        _write(axes, point, place, size)
    return unplaced


def _write(axes: Axes, point: Point, place: Placed, size: float) -> None:
    x, y = in_points(axes, point.kept, point.read)
    if place.line is not None:
        (_, _), (end_x, end_y) = place.line
        axes.annotate(
            "", (point.kept, point.read), xytext=(end_x - x, end_y - y),
            textcoords="offset points", zorder=3,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": FAINT, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    bold = point.undefended or point.row["pareto"] is True
    axes.annotate(
        point.label, (point.kept, point.read), xytext=(place.box[0] - x + 0.75, place.box[1] - y),
        textcoords="offset points", size=size, zorder=6, ha="left", va="bottom",
        weight="bold" if bold else "normal",
        bbox={"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.2},
    )  # fmt: skip


def _thin(axes: Axes, points: Sequence[Point]) -> list[Box]:
    """Return intervals and the front as small boxes, in points."""
    ends: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for p in points:
        for low, high in ((p.row.get("kept_lo"), p.row.get("kept_hi")),):
            if (left := number(low)) is not None and (right := number(high)) is not None:
                ends.append(((left, p.read), (right, p.read)))
        low_read, high_read = number(p.row.get("worst_lo")), number(p.row.get("worst_hi"))
        if low_read is not None and high_read is not None:
            ends.append(((p.kept, low_read), (p.kept, high_read)))
    front = sorted((p.kept, p.read) for p in points if p.row["pareto"] is True)
    for (x0, y0), (x1, y1) in pairwise(front):
        ends += [((x0, y0), (x0, y1)), ((x0, y1), (x1, y1))]
    boxes: list[Box] = []
    for start, end in ends:
        (x0, y0), (x1, y1) = in_points(axes, *start), in_points(axes, *end)
        n = max(1, round(max(abs(x1 - x0), abs(y1 - y0)) / 4))
        for k in range(n):
            xs = sorted((x0 + (x1 - x0) * k / n, x0 + (x1 - x0) * (k + 1) / n))
            ys = sorted((y0 + (y1 - y0) * k / n, y0 + (y1 - y0) * (k + 1) / n))
            boxes.append((xs[0] - 0.3, ys[0] - 0.3, xs[1] + 0.3, ys[1] + 0.3))
    return boxes
