"""Which words a vector speaks of, and how many: ridge regressions in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors

Floats = NDArray[np.float32]

# Of the penalty, in units of a mean squared norm of the vectors.
STRENGTH = 3.0
# Texts at a time: bounds what is computed in float64.
CHUNK = 8192


@dataclass(frozen=True)
class Ridge:
    """From a vector to the bag of its text's words.

    Args:
        weight: (v, d); its product with a centred vector is added to ``share``.
        centre: The mean training vector, (d,).
        share: How many of the texts have each word, 0 to 1, (v,).
        length: The same for the number of words, (d + 2,): weights, mean, and how far off it
            is, the standard deviation.
    """

    weight: Floats
    centre: Floats
    share: Floats
    length: Floats

    @classmethod
    def fit(cls, vectors: Vectors, texts: Sequence[NDArray[Any]], n_words: int) -> Ridge:
        """Return the regression of the words of ``texts`` on ``vectors``, (n, d).

        Beside the result, memory is needed for (v + 2, d) numbers in float64 and a chunk of texts.
        """
        n, d = vectors.shape
        centre = vectors.mean(axis=0, dtype=np.float64)
        gram = np.zeros((d, d))
        together = np.zeros((n_words, d))
        counts = np.zeros(n_words)
        lengths = np.array([len(ids) for ids in texts], dtype=np.float64)
        by_length = np.zeros(d)
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            centred = vectors[rows] - centre
            gram += centred.T @ centred
            bags = _bags(texts[rows], n_words)
            together += bags @ centred
            counts += np.asarray(bags.sum(axis=1)).ravel()
            by_length += (lengths[rows] - lengths.mean()) @ centred
        penalty = STRENGTH * max(float(np.trace(gram)) / n + float(centre @ centre), 1e-12)
        solved = np.linalg.solve(gram + penalty * np.eye(d), np.vstack([together, by_length]).T)
        slope = solved[:, -1]
        # Of a least squares fit, from its sums alone.
        left = lengths.var() - 2 * slope @ by_length / n + slope @ gram @ slope / n
        return cls(
            weight=np.ascontiguousarray(solved[:, :-1].T, dtype=np.float32),
            centre=centre.astype(np.float32),
            share=(counts / n).astype(np.float32),
            length=np.append(slope, [lengths.mean(), np.sqrt(max(left, 0.01))]).astype(np.float32),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Ridge:
        """Return the regression of `arrays`.

        Raises:
            KeyError, ValueError: one is missing or of another shape.
        """
        ridge = cls(**{field.name: arrays[field.name] for field in fields(cls)})  # type: ignore[arg-type]
        v, d = ridge.weight.shape
        if (
            ridge.centre.shape != (d,)
            or ridge.share.shape != (v,)
            or ridge.length.shape != (d + 2,)
        ):
            raise ValueError("arrays of one regression have different shapes")
        return ridge

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that `from_arrays` takes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def dim(self) -> int:
        """``d``."""
        return len(self.centre)

    def chances(self, vector: Vectors) -> Floats:
        """Return how likely each word is in a text, unclipped; from its ``vector`` (d,) to (v,)."""
        # One product a vector: that of several differs in its last bits.
        chances: Floats = self.share + self.weight @ (vector - self.centre)
        return chances

    def expected_length(self, vector: Vectors) -> tuple[float, float]:
        """Return how many words the text of ``vector`` (d,) has, and the standard deviation."""
        mean = float(self.length[-2] + self.length[:-2] @ (vector - self.centre))
        return max(1.0, mean), float(self.length[-1])


def _bags(texts: Sequence[NDArray[Any]], n_words: int) -> NDArray[np.float32]:
    """Return a sparse matrix, (v, n), with 1 where a text has a word."""
    from scipy.sparse import csr_array

    lengths = [len(ids) for ids in texts]
    columns = np.repeat(np.arange(len(texts)), lengths)
    rows = np.concatenate([*texts, np.empty(0, np.int64)])
    known = rows >= 0
    cells = np.unique(rows[known] * len(texts) + columns[known])
    ones = np.ones(len(cells), dtype=np.float64)
    bags: NDArray[np.float32] = csr_array(
        (ones, (cells // len(texts), cells % len(texts))), shape=(n_words, len(texts))
    )
    return bags
