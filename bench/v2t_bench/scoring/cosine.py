"""How close two vectors lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cosine_per_pair(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the cosine of each row of ``a`` (n, d) with that of ``b``, (n,), -1 to 1.

    It is 0 where one of the two has no direction.
    """
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(wide_a, axis=1) * np.linalg.norm(wide_b, axis=1)
    products = (wide_a * wide_b).sum(axis=1)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    clipped: NDArray[np.float64] = np.clip(cosines, -1.0, 1.0)
    return clipped
