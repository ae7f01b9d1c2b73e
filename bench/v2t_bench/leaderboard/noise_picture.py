"""Draw the noise curve: what is read and what search keeps as noise grows, one above the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from v2t_bench.leaderboard.columns import ADAPTIVE, OBLIVIOUS
from v2t_bench.leaderboard.drawing import (
    FAINT,
    INK,
    WIDTH,
    drawable,
    ends_of,
    fitting,
    new_figure,
)
from v2t_bench.leaderboard.frontier_points import heading, warning
from v2t_bench.leaderboard.noise_curves import Curves, Dot, told_apart
from v2t_bench.leaderboard.rows import attack_name
from v2t_bench.resolution import NEAREST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008 without its yellow, which is too light for a line; each with a shape.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_SHAPES = "osD^vP*Xh<>"
_EACH, _FOOT = 3.0, 0.45  # inches


def draw_curves(curves: Sequence[Curves]) -> Figure:
    """Return the picture of all noise curves: a column of two panels each."""
    columns = min(3, len(curves))
    rows = math.ceil(len(curves) / columns)
    attacks = sorted({attack for curve in curves for attack, _ in curve.read})
    looks = {attack: _look(at, attack) for at, attack in enumerate(attacks)}
    foot = _FOOT + 0.14 * ((len(attacks) + 1) // 5)
    height = _EACH * rows + foot
    figure = new_figure(WIDTH, height)
    width = 1 / columns
    for at, curve in enumerate(curves):
        row, column = divmod(at, columns)
        left = column * width + (0.5 if column == 0 else 0.42) / WIDTH
        bottom = foot + _EACH * (rows - 1 - row)
        across = (column + 1) * width - 0.1 / WIDTH - left
        upper = figure.add_axes((left, (bottom + 1.36) / height, across, 1.26 / height))
        lower = figure.add_axes((left, (bottom + 0.26) / height, across, 0.95 / height))
        name, measured = heading(curve.table)
        told = "; ".join(filter(None, [measured, curve.sides and f"noise {drawable(curve.sides)}"]))
        weak = " (weak attacks)" if warning(curve.table) else ""
        room = 72 * WIDTH * across
        figure.text(left, (bottom + 2.89) / height, fitting(name + weak, room, 7.5),
                    va="center", size=7.5, weight="bold")  # fmt: skip
        figure.text(left, (bottom + 2.75) / height, fitting(told, room, 5.5),
                    va="center", size=5.5, color=FAINT)  # fmt: skip
        _draw_read(upper, curve, looks)
        _draw_kept(lower, curve)
        if column == 0:
            upper.set_ylabel("bleu_norm")
            lower.set_ylabel("NDCG@10 kept")
            figure.align_ylabels([upper, lower])
    figure.text(0.5, (foot - 0.03) / height, "sigma of the noise, per coordinate", ha="center")
    figure.legend(handles=_keys(looks), loc="lower center", bbox_to_anchor=(0.5, 0.1 / height),
                  ncols=5, columnspacing=1.4, handlelength=2.2, borderaxespad=0)  # fmt: skip
    return figure


def _look(at: int, attack: str) -> tuple[str, str]:
    if attack_name(attack) == NEAREST:
        return "d", "#777777"
    return _SHAPES[at % len(_SHAPES)], _COLOURS[at % len(_COLOURS)]


def _places(curve: Curves) -> tuple[dict[float, float], float]:
    """Return where each sigma stands, logarithmic, 0 left of all, and the closest distance."""
    dots = [*curve.kept, *(dot for line in curve.read.values() for dot in line)]
    sigmas = sorted({dot.sigma for dot in dots})
    places = {sigma: math.log10(sigma) for sigma in sigmas if sigma > 0}
    gaps = [b - a for a, b in zip(list(places.values())[:-1], list(places.values())[1:],
                                  strict=True)]  # fmt: skip
    if 0.0 in sigmas:
        places[0.0] = min(places.values()) - max(0.3, min([*gaps, 0.6]))
    return places, min([*gaps, 0.6])


def _scale(axes: Axes, places: dict[float, float], *, labels: bool) -> None:
    told = {place: f"{sigma:g}" for sigma, place in sorted(places.items())}
    axes.set_xticks(list(told), list(told.values()) if labels else [""] * len(told))
    if len(told) > 6:
        axes.tick_params(axis="x", labelsize=5.5)
    reach = max(told) - min(told)
    axes.set_xlim(min(told) - 0.06 * reach, max(told) + 0.06 * reach)
    axes.tick_params(axis="y", labelsize=6)
    axes.grid(axis="x", color="#EEEEEE", lw=0.5)
    axes.set_axisbelow(True)


def _draw_read(axes: Axes, curve: Curves, looks: dict[str, tuple[str, str]]) -> None:
    places, gap = _places(curve)
    reach = max(places.values()) - min(places.values())
    ordered = sorted(curve.read)
    highest = 1.0
    for at, (attack, how) in enumerate(ordered):
        # Side by side, so that intervals of one sigma can be told apart.
        aside = (at - (len(ordered) - 1) / 2) * min(0.009 * reach, 0.3 * gap / len(ordered))
        shape, colour = looks[attack]
        line = curve.read[attack, how]
        xs = [places[dot.sigma] + (aside if dot.sigma else 0.0) for dot in line]
        axes.plot(xs, [dot.value for dot in line], color=colour, marker=shape, ms=3.4, mew=0.7,
                  lw=0.9, ls="-" if how == ADAPTIVE else (0, (3, 2)), zorder=4,
                  mfc=colour if how == ADAPTIVE else "white", mec=colour)  # fmt: skip
        for x, dot in zip(xs, line, strict=True):
            _interval(axes, x, dot, colour)
            axes.plot([x] * len(dot.seeds), dot.seeds, "_", color=colour, ms=4, mew=0.6, zorder=5)
        highest = max([highest, *(end for dot in line for end in (dot.value, dot.high or 0.0))])
    _scale(axes, places, labels=False)
    axes.set_ylim(0, highest * 1.06)


def _draw_kept(axes: Axes, curve: Curves) -> None:
    places, _ = _places(curve)
    xs = [places[dot.sigma] for dot in curve.kept]
    axes.plot(xs, [dot.value for dot in curve.kept], color=INK, marker="o", ms=3.2, lw=0.9)
    for x, dot in zip(xs, curve.kept, strict=True):
        _interval(axes, x, dot, INK)
        if dot.spread is not None:
            axes.plot([x, x], [dot.value - dot.spread, dot.value + dot.spread], color=INK, lw=3,
                      alpha=0.3, solid_capstyle="butt")  # fmt: skip
    highest = max([1.0, *(end for dot in curve.kept for end in (dot.value, dot.high or 0.0))])
    _scale(axes, places, labels=True)
    axes.set_ylim(0, highest * 1.06)


def _interval(axes: Axes, x: float, dot: Dot, colour: str) -> None:
    axes.errorbar([x], [dot.value], yerr=ends_of(dot.value, dot.low, dot.high), fmt="none",
                  ecolor=colour, elinewidth=0.6, alpha=0.6, zorder=3)  # fmt: skip


def _keys(looks: dict[str, tuple[str, str]]) -> list[Any]:
    from matplotlib.lines import Line2D

    names = told_apart(list(looks))
    found: list[Any] = [
        Line2D([], [], marker=shape, color=colour, ms=4, lw=0.9, label=drawable(names[attack], 36))
        for attack, (shape, colour) in looks.items()
    ]
    for how, told in ((OBLIVIOUS, "does not know the noise"), (ADAPTIVE, "knows it")):
        knows = how == ADAPTIVE
        key = Line2D([], [], color=FAINT, marker="o", ms=3.4, lw=0.9, label=told,
                     ls="-" if knows else (0, (3, 2)), mfc=FAINT if knows else "white")  # fmt: skip
        found.append(key)
    return found
