"""How well an aligner brings the vectors of texts it has not seen to their places."""

from __future__ import annotations

from typing import Any

import numpy as np

from v2t_bench.alignment.maps import unit
from v2t_bench.contracts import Vectors

MOST = 8192
ROWS = 1024
# Scores closer than this tie: they differ by rounding alone.
TIE = 1e-6


def facts_of(mapped: Vectors, attacked: Vectors, targets: Vectors) -> dict[str, Any]:
    """Return mean cosine, top-1 accuracy and mean rank, beside two controls.

    ``identity`` leaves the attacked vectors as they are; None across unequal dimensions.
    ``shuffled`` compares each mapped vector with another text's target: chance, and what
    all vectors of the space have in common.

    Args:
        mapped: Vectors of held-out texts as the aligner maps them, (n, d').
        attacked: What it mapped, (n, d).
        targets: The same texts' vectors in the target's space, (n, d').
    """
    same = attacked.shape[1] == targets.shape[1]
    identity = _scores(attacked, targets) if same else dict.fromkeys(("cosine", "top1", "rank"))
    shuffled = _scores(mapped, np.roll(targets, len(targets) // 2, axis=0))
    return {
        "held_out": len(targets),
        **_scores(mapped, targets),
        **{f"identity_{name}": value for name, value in identity.items()},
        **{f"shuffled_{name}": value for name, value in shuffled.items()},
    }


def _scores(mapped: Vectors, targets: Vectors) -> dict[str, float]:
    """Return mean cosine (-1 to 1), top-1 (0 to 1) and mean rank (1 to n) of the own target.

    A target as close as the own one counts as half before it, and not as found.
    """
    rows, columns = unit(mapped.astype(np.float64)), unit(targets.astype(np.float64))
    cosines, ranks = [], []
    for start in range(0, len(rows), ROWS):
        scores = rows[start : start + ROWS] @ columns.T  # (b, n)
        own = scores[np.arange(len(scores)), np.arange(start, start + len(scores))]
        closer = (scores > own[:, None] + TIE).sum(axis=1)
        level = (np.abs(scores - own[:, None]) <= TIE).sum(axis=1) - 1
        cosines.append(own)
        ranks.append(1 + closer + level / 2)
    rank = np.concatenate(ranks)
    return {
        "cosine": float(np.concatenate(cosines).mean()),
        "top1": float((rank == 1).mean()),
        "rank": float(rank.mean()),
    }
