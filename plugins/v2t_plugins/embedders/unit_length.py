"""Scale vectors to length 1, those without a direction too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors


def unit_length(vectors: NDArray[np.floating]) -> Vectors:
    """Return ``vectors`` (n, d) scaled to length 1.

    A zero vector, that of a text without a known token, becomes the one whose coordinates are
    all equal: a search by cosine has no place for zero.
    """
    dim = vectors.shape[1]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.full(vectors.shape, 1 / np.sqrt(dim), dtype=np.float32)
    np.divide(vectors, lengths, out=scaled, where=lengths > 0, casting="same_kind")
    return scaled
