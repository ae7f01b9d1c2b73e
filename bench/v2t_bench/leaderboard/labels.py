"""Put a label beside every marker so that none lies on another.

Greedy: each label in turn takes, of the places around its marker, the nearest that is free.
Point-feature label placement as in Christensen, Marks and Shieber 1995, section 3.1, with a
line from the marker where the label had to go farther away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# x0, y0, x1, y1, in points.
Box = tuple[float, float, float, float]

_RINGS = (4.0, 7.0, 11.0, 16.0, 22.0, 29.0, 37.0, 46.0, 56.0, 68.0, 82.0)
_DIRECTIONS = 24
# Beyond this a reader needs a line to see whose label it is.
_LINE_FROM = 7.5
# How much it costs to lie on a line of the picture, and to send a line across another label.
_CROSSING, _LINE_ON_LABEL = 2.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a label stands.

    Args:
        box: What it covers.
        line: From the marker to the label, where they are not side by side.
    """

    box: Box
    line: tuple[tuple[float, float], tuple[float, float]] | None


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    area: Box,
    blocked: Sequence[Box],
    lines: Sequence[Box] = (),
    rings: int = len(_RINGS),
) -> list[Placed | None]:
    """Return a place for each label, earlier ones first served; None where none is free.

    Args:
        anchors: The markers' centres.
        sizes: Width and height of each label.
        area: What no label may leave.
        blocked: What no label may lie on: markers and other text.
        lines: What a label had better not lie on: intervals and curves, in small boxes.
        rings: How far away to look, of 11; fewer is nearer.
    """
    solid = np.array(blocked, float).reshape(-1, 4)
    thin = np.array(lines, float).reshape(-1, 4)
    placed: list[Placed | None] = []
    drawn: list[tuple[float, float]] = []
    for anchor, size in zip(anchors, sizes, strict=True):
        boxes, costs = _candidates(anchor, size, rings)
        inside = (
            (boxes[:, 0] >= area[0]) & (boxes[:, 1] >= area[1])
            & (boxes[:, 2] <= area[2]) & (boxes[:, 3] <= area[3])
        )  # fmt: skip
        own = np.array([p.box for p in placed if p is not None], float).reshape(-1, 4)
        free = inside & ~_overlaps(boxes, np.vstack([solid, own])).any(axis=1)
        costs += _CROSSING * _overlaps(boxes, thin).sum(axis=1)
        if drawn:
            dots = np.array(drawn)
            costs += _LINE_ON_LABEL * _overlaps(boxes, np.hstack([dots, dots])).any(axis=1)
        found = None
        for at in np.argsort(np.where(free, costs, np.inf), kind="stable")[: int(free.sum())]:
            box = tuple(map(float, boxes[at]))
            line = _line(anchor, (box[0], box[1], box[2], box[3]))
            if line is None or not _crosses(line, own):
                found = Placed(box=(box[0], box[1], box[2], box[3]), line=line)
                break
        placed.append(found)
        if found is not None and found.line is not None:
            drawn += _along(found.line)
    return placed


def _candidates(
    anchor: tuple[float, float], size: tuple[float, float], rings: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return boxes around a marker, (k, 4), and how far each is; right and above cost least."""
    boxes, costs = [], []
    width, height = size
    for ring in _RINGS[:rings]:
        for step in range(_DIRECTIONS):
            angle = 2 * math.pi * step / _DIRECTIONS
            across, up = math.cos(angle), math.sin(angle)
            # The box touches the circle: its near side, or its middle where that is level.
            x = anchor[0] + ring * across + width * (across - 1) / 2
            y = anchor[1] + ring * up + height * (up - 1) / 2
            boxes.append((x, y, x + width, y + height))
            costs.append(ring + 0.8 * (1 - across) + 0.4 * (1 - up))
    return np.array(boxes), np.array(costs)


def _overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which boxes, (k, 4), lie on which others, (m, 4): (k, m)."""
    return np.asarray(
        (boxes[:, None, 0] < others[None, :, 2]) & (boxes[:, None, 2] > others[None, :, 0])
        & (boxes[:, None, 1] < others[None, :, 3]) & (boxes[:, None, 3] > others[None, :, 1])
    )  # fmt: skip


def _line(
    anchor: tuple[float, float], box: Box
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the line from a marker to the nearest point of its label, if it needs one."""
    end = (min(max(anchor[0], box[0]), box[2]), min(max(anchor[1], box[1]), box[3]))
    return (anchor, end) if math.dist(anchor, end) > _LINE_FROM else None


def _along(
    line: tuple[tuple[float, float], tuple[float, float]], every: float = 2.0
) -> list[tuple[float, float]]:
    """Return points on a line, its ends left out."""
    (x0, y0), (x1, y1) = line
    n = max(2, int(math.dist(*line) / every))
    return [(x0 + (x1 - x0) * k / n, y0 + (y1 - y0) * k / n) for k in range(1, n)]


def _crosses(
    line: tuple[tuple[float, float], tuple[float, float]], boxes: NDArray[np.float64]
) -> bool:
    dots = np.array(_along(line))
    return bool(_overlaps(np.hstack([dots, dots]), boxes).any())
