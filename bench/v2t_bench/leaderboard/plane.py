"""The plane of the frontier: share of NDCG@10 kept against what is still read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# Some defenses rank a little better than none.
BEYOND = 1.008


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other one beats on both axes: more kept, less read."""
    found: list[tuple[float, float]] = []
    for kept, read in sorted(points, key=lambda point: (-point[0], point[1])):
        if not found or read < found[-1][1]:
            found.append((kept, read))
    return found


def widened(kept: Any, beyond: float = BEYOND) -> Any:
    """Return where a share kept is drawn: half of the axis is for what is above 0.75."""
    return -np.sqrt(np.maximum(beyond - kept, 0.0))


def narrowed(drawn: Any, beyond: float = BEYOND) -> Any:
    """Return the share kept that is drawn there."""
    return beyond - np.square(drawn)
