"""Room for vectors of a whole collection, and their rows block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from v2t_bench.contracts import Vectors

BLOCK_ROWS = 65_536
"""Rows that are worked on together: 100 MB of them at 384 dimensions."""

MOST_IN_MEMORY = 2**30
"""Bytes; what is larger lies in a file that is mapped, where files may be written."""


def blocks(n: int, *, start: int = 0) -> Iterator[slice]:
    """Yield the rows from ``start`` up to ``n`` as slices of at most `BLOCK_ROWS`."""
    return (slice(first, min(first + BLOCK_ROWS, n)) for first in range(start, n, BLOCK_ROWS))


def room_for(rows: int, dim: int, folder: Path | None) -> Vectors:
    """Return an array to fill, (rows, dim) float32.

    A large one lies in a file in ``folder`` that has no name and is gone with the array; without
    a folder every one lies in memory.
    """
    if folder is None or rows * dim * 4 <= MOST_IN_MEMORY:
        return np.empty((rows, dim), np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        mapped: Vectors = np.memmap(file, np.float32, "w+", shape=(rows, dim))
    return mapped
