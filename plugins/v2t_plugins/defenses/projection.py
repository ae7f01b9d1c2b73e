"""Release vectors times a matrix: what several defenses that drop dimensions share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Defense, Role, Similarity, Vectors
from v2t_bench.errors import BadInput
from v2t_plugins.defenses.fitting import check_dims, check_kept, check_same_dim, fitted

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Projection(Defense):
    """``x @ matrix``, the matrix (d, k) of orthogonal columns, all of one length.

    Args:
        k: How many dimensions are released.
        matrix: Set by `fit`.
        back: Its pseudo-inverse, (k, d).
    """

    name: ClassVar[str]

    k: int
    matrix: Vectors | None = field(default=None, repr=False, compare=False)
    back: Vectors | None = field(default=None, repr=False, compare=False)

    stochastic = False
    keyed = False
    on = "both"
    similarity = None

    def __post_init__(self) -> None:
        """Refuse to keep nothing."""
        check_kept(self.k, self.name)

    @abstractmethod
    def columns(self, vectors: Vectors) -> Matrix:
        """Return the matrix for vectors such as these (n, d): (d, k), float64."""

    @property
    def keeps(self) -> tuple[Similarity, ...]:
        """A rotation keeps lengths and angles, and a matrix of fewer dimensions neither.

        Unfitted, the number of dimensions is not known, and nothing is promised.
        """
        square = self.matrix is not None and self.matrix.shape[0] == self.k
        return ("cosine", "dot", "euclidean") if square else ()

    def released_dim(self, dim: int) -> int:
        """Return k.

        Raises:
            BadParameter: the vectors have fewer dimensions.
        """
        check_dims(self.k, dim, self.name)
        return self.k

    def fit(self, vectors: Vectors) -> Self:
        """Return this defense with its matrix.

        Raises:
            BadParameter: the vectors have fewer dimensions than are to be kept.
            BadInput: they do not tell what is to be kept.
        """
        self.released_dim(vectors.shape[1])
        matrix = self.columns(vectors)
        # Of orthogonal columns of one length the pseudo-inverse is the transpose over its square.
        back = matrix.T / (matrix[:, 0] @ matrix[:, 0])
        return replace(self, matrix=_float32(matrix), back=_float32(back))

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return the projected vectors, (n, k).

        Raises:
            BadInput: the defense is not fitted, or was to vectors of another length.
        """
        matrix = fitted(self.matrix, self.name)
        check_same_dim(vectors, len(matrix), self.name)
        released: Vectors = vectors @ matrix
        if not np.isfinite(released).all():
            raise BadInput(f"{self.name}: the vectors are too large to be added up in float32")
        return released

    def lift(self, released: Vectors) -> Vectors:
        """Return the pseudo-inverse's answer, (n, d): of all that project to this the shortest.

        Raises:
            BadInput: the defense is not fitted.
        """
        lifted: Vectors = released @ fitted(self.back, self.name)
        return lifted


def _float32(matrix: Matrix) -> Vectors:
    return np.ascontiguousarray(matrix, dtype=np.float32)
