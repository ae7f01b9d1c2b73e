"""An affine map from one embedding space to another, and how it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, CorruptArtifact

Array = NDArray[np.float64]

MAP = "map.safetensors"
# Below it a row has no direction.
SHORTEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class AffineMap:
    """``(x - centre) @ matrix + offset``, with ``x - centre`` at length 1 if ``unit``.

    Args:
        centre: (d,).
        matrix: (d, d').
        offset: (d',).
        unit: Whether rows are scaled to length 1 before they are multiplied.
    """

    centre: Array
    matrix: Array
    offset: Array
    unit: bool = False

    @property
    def dim(self) -> int:
        """``d``, of what it takes."""
        return len(self.centre)

    def apply(self, vectors: Vectors) -> Vectors:
        """Return ``vectors`` (n, d) in the other space, (n, d')."""
        # In float64, so that a row comes out the same whoever else is in its batch.
        rows = vectors.astype(np.float64) - self.centre
        if self.unit:
            rows = unit(rows)
        mapped: Vectors = (rows @ self.matrix + self.offset).astype(np.float32)
        return mapped

    def save(self, folder: Path) -> None:
        """Write the map into ``folder``."""
        from safetensors.numpy import save_file

        arrays = {"centre": self.centre, "matrix": self.matrix, "offset": self.offset}
        single = {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}
        save_file({**single, "unit": np.array([self.unit], np.uint8)}, folder / MAP)

    @classmethod
    def load(cls, folder: Path) -> AffineMap:
        """Return the map that `save` wrote.

        Raises:
            CorruptArtifact: the file is missing or truncated, or its shapes do not fit.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            stored = load_file(folder / MAP)
        except (OSError, SafetensorError, ValueError) as error:
            raise CorruptArtifact(
                f"{folder / MAP} cannot be read ({error}); train again"
            ) from error
        try:
            arrays: dict[str, Any] = {
                name: stored[name].astype(np.float64) for name in ("centre", "matrix", "offset")
            }
            found = cls(**arrays, unit=bool(stored["unit"][0]))
        except (KeyError, IndexError) as error:
            raise CorruptArtifact(f"{folder / MAP} lacks {error}; train again") from error
        if found.matrix.shape != (len(found.centre), len(found.offset)):
            raise CorruptArtifact(f"{folder / MAP} holds arrays that do not fit; train again")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise CorruptArtifact(f"{folder / MAP} holds NaN or infinity; train again")
        return found


def unit(rows: Array) -> Array:
    """Return ``rows`` (n, d) at length 1; those without a direction stay near 0."""
    scaled: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), SHORTEST)
    return scaled


def usable(*sides: Vectors, who: str) -> NDArray[np.bool_]:
    """Return which rows have a direction on every side, (n,); ``sides`` are (n, d) each.

    Raises:
        BadInput: a row holds NaN or infinity, or fewer than two are usable.
    """
    there = np.ones(len(sides[0]), bool)
    for side in sides:
        bad = ~np.isfinite(side).all(axis=1)
        if bad.any():
            raise BadInput(
                f"{who}: vector {int(bad.argmax()) + 1} of {len(side)} holds NaN or infinity; "
                "an embedder or defense must return finite numbers"
            )
        there &= np.linalg.norm(side.astype(np.float64), axis=1) > SHORTEST
    if there.sum() < 2:
        raise BadInput(
            f"{who}: {int(there.sum())} of {len(there)} vectors have a direction; an aligner "
            "needs at least 2 texts whose vectors are not zero"
        )
    return there
