"""What the checks feed to a component: texts, vectors, and an embedder without weights."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from v2t_bench.contracts import Role, Space, Vectors

# Unlike lengths, so that a batch needs padding.
TEXTS = (
    "Ann Lee met Bob in Rome.",
    "The café on the corner opens at nine, and it closes when the last guest has gone home.",
    "well-known",
    "NASA paid $5.20 for a map of the Moon.",
    "Rain is expected in the north; the south stays dry until Friday evening.",
    "Two plus two is four",
    "How do bees find their way back to the hive?",
)

ODD_TEXTS = (
    "",
    " ",
    "\n\t",
    "?!",
    "日本語のテキスト",
    "👩‍👩‍👧 und Öl",
    "a\x00b",
    "e\u0301",
    "مرحبا",
    "x" * 3000,
)

LONG_TEXT = " ".join(["one two three four five six seven eight nine ten"] * 120)


def random_vectors(n: int = 24, dim: int = 32, *, seed: int = 0) -> Vectors:
    """Return ``n`` vectors of length 1 in ``dim`` dimensions, the same at every call."""
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@dataclass(frozen=True, kw_only=True)
class LetterPairs:
    """An embedder that counts hashed pairs of letters: it needs no weights and hides nothing.

    Args:
        dim: ``d``.
    """

    dim: int = 32

    @property
    def space(self) -> Space:
        """Where the vectors live."""
        return Space(
            weights=f"letter-pairs {self.dim}", pooling="sum", normalize=True, max_tokens=512
        )

    @property
    def special_tokens(self) -> int:
        """None are added: a token is a character."""
        return 0

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d); the role makes no difference."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        vectors[:, 0] = 0.1  # keeps an empty text away from the zero vector
        for row, text in zip(vectors, texts, strict=True):
            read = text[: self.space.max_tokens]
            for pair in zip(" " + read, read + " ", strict=True):
                number = zlib.crc32("".join(pair).encode("utf-8", "surrogatepass"))
                row[number % self.dim] += 1 if number & 1024 else -1
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the span of every character."""
        return [[(at, at + 1) for at in range(len(text))] for text in texts]
