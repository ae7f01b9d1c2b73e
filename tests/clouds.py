"""Clouds of vectors that lie as those of texts do, and the same clouds turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors

WORDS, TOPICS, LENGTH = 400, 30, 12


def cloud(n: int, dim: int, *, seed: int) -> Vectors:
    """Return ``n`` sums of words drawn from topics, at length 1, (n, dim).

    Words and topics are the same for every seed; some axes matter more than others.
    """
    language, rng = np.random.default_rng(7), np.random.default_rng(seed)
    words = language.standard_normal((WORDS, dim)) * np.arange(1, dim + 1) ** -0.5
    topics = language.dirichlet(np.full(WORDS, 0.05), size=TOPICS)
    topic = rng.choice(TOPICS, size=n, p=language.dirichlet(np.ones(TOPICS)))
    rows = np.zeros((n, dim))
    for number in range(TOPICS):
        of_topic = np.flatnonzero(topic == number)
        said = rng.choice(WORDS, size=(len(of_topic), LENGTH), p=topics[number])
        rows[of_topic] = words[said].sum(axis=1)
    rows += 0.05 * rng.standard_normal(rows.shape)
    return _unit(rows)


def rotation(dim: int, *, seed: int) -> NDArray[np.float64]:
    """Return a random rotation, (dim, dim)."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))
    turned: NDArray[np.float64] = q * np.sign(np.diag(r))
    return turned


def rotated(vectors: Vectors, turn: NDArray[np.float64], *, noise: float, seed: int) -> Vectors:
    """Return ``vectors`` turned, with noise of that share of their length, at length 1."""
    rows = np.random.default_rng(seed).standard_normal(vectors.shape)
    return _unit(vectors @ turn + noise * _unit(rows))


def _unit(rows: NDArray[np.floating]) -> Vectors:
    scaled: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled
