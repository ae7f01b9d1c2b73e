"""What every picture has in common: fonts, letters that can be drawn, bytes that stay the same."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2t_bench.canonical import write_atomically
from v2t_bench.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches: the width of a page of two columns.
WIDTH = 7.2
INK, FAINT = "#222222", "#666666"
PIXELS_AN_INCH = 200

_SETTINGS: dict[str, Any] = {
    # The font that matplotlib carries, so that every machine draws the same.
    "font.family": "DejaVu Sans",
    "font.size": 7,
    # As outlines, each letter once: with names of fonts a reader's machine chooses another, and
    # labels that were placed beside each other overlap.
    "svg.fonttype": "path",
    "svg.hashsalt": "v2t-bench",
    # A dollar in a name is a dollar.
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with the project's settings, whatever the user's own are.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise UsageError(
            "pictures need a package that is not installed; pip install 'v2t-bench[figures]'"
        ) from error
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = _SETTINGS  # newer stubs name every key
        mpl.rcParams.update(settings)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches; no window system is asked for."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def save(figure: Figure, folder: Path, name: str, *, title: str) -> list[Path]:
    """Write a figure as ``<name>.svg`` and ``<name>.png``; the same figure gives the same bytes."""
    formats: dict[str, dict[str, Any]] = {
        "svg": {"metadata": {"Date": None, "Creator": None, "Title": title}},
        "png": {
            "metadata": {"Software": None},
            "dpi": PIXELS_AN_INCH,
            "pil_kwargs": {"optimize": True},
        },
    }
    paths = []
    for suffix, how in formats.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, **how)
        path = folder / f"{name}.{suffix}"
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


def drawable(text: str, limit: int = 40) -> str:
    """Return ``text`` in one line of letters that the font has, a long one cut.

    What it lacks, and what would not show, is written as an escape.
    """
    shown = "".join(
        letter
        if letter.isprintable() and ord(letter) in _letters()
        else letter.encode("unicode_escape").decode()
        for letter in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


@cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def text_width(text: str, size: float) -> float:
    """Return how wide a line of text is, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def fitting(text: str, width: float, size: float) -> str:
    """Return as much of a text as fits, in points."""
    while len(text) > 4 and text_width(text, size) * 1.12 > width:
        text = text[:-2].rstrip(" ,…") + "…"
    return text


def in_lines(texts: list[str], width: float, size: float, most: int) -> str:
    """Return texts joined by commas in lines of at most ``width`` points.

    After ``most`` lines it says how many are left.
    """
    lines: list[str] = []
    line = ""
    for at, text in enumerate(texts):
        piece = text if at == len(texts) - 1 else f"{text}, "
        if line and text_width(line + piece, size) > width:
            if len(lines) == most - 1:
                return "\n".join([*lines, f"{line}and {len(texts) - at} more"])
            lines.append(line)
            line = ""
        line += piece
    return "\n".join([*lines, line])


def in_points(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Return where a point of the data lies, in points from the figure's lower left corner."""
    figure: Any = axes.get_figure(root=True)
    pixels = axes.transData.transform((x, y)) * 72 / figure.dpi
    return float(pixels[0]), float(pixels[1])


def number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def ends_of(value: float, low: object, high: object) -> list[list[float]] | None:
    """Return an interval as matplotlib takes it, or None where there is none."""
    ends = number(low), number(high)
    if ends[0] is None or ends[1] is None:
        return None
    return [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]]
