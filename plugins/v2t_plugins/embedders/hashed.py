"""Words and character trigrams, hashed: an embedder for tests that needs no weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Embedder, Recipe, Role, Space, Vectors
from v2t_bench.errors import BadParameter

# A word, or one mark of punctuation.
_TOKEN = re.compile(r"\w+|[^\w\s]")
MAX_TOKENS = 512


@dataclass(frozen=True, kw_only=True)
class Hashed:
    """Hashed words and trigrams: for tests only, never for a published figure.

    A text is the sum of one pseudorandom vector of signs a lower-case word and, a third
    as long, a trigram; scaled to length 1. The same in every process and version.

    Args:
        dim: ``d``.
    """

    dim: int = 64

    def __post_init__(self) -> None:
        """Refuse a dimension that cannot be."""
        if self.dim < 1:
            raise BadParameter(f"hashed: dim is {self.dim}; expected at least 1")

    @property
    def special_tokens(self) -> int:
        """None are added."""
        return 0

    @property
    def space(self) -> Space:
        """Where the vectors live."""
        return Space(
            weights=f"hashed-v1 {self.dim}",
            pooling="sum",
            normalize=True,
            max_tokens=MAX_TOKENS,
            blind_to=("case", "punctuation_spacing", "whitespace"),
        )

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d); the role makes no difference."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            # The empty feature keeps a text without words away from the zero vector.
            row += _signs("", self.dim) / 10
            for token in _TOKEN.findall(text.lower())[:MAX_TOKENS]:
                row += _of_token(token, self.dim)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of each text's words and punctuation marks."""
        return [[match.span() for match in _TOKEN.finditer(text)] for text in texts]


@lru_cache(maxsize=50_000)
def _of_token(token: str, dim: int) -> Vectors:
    padded = f"<{token}>"
    trigrams = {padded[i : i + 3] for i in range(len(padded) - 2)}
    # Sorted: the order of a set differs between processes, and so would the last bits.
    parts = sum((_signs(f"3 {t}", dim) for t in sorted(trigrams)), np.zeros(dim, np.float32))
    return _signs(f"1 {token}", dim) + parts / np.float32(3)


@lru_cache(maxsize=50_000)
def _signs(feature: str, dim: int) -> Vectors:
    """Return ``dim`` signs that depend on the feature alone."""
    stream = hashlib.shake_128(feature.encode("utf-8", "surrogatepass")).digest((dim + 7) // 8)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8), count=dim)
    return bits.astype(np.float32) * 2 - 1


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer the embedder of the tests."""
    yield Recipe(
        name="hashed",
        build=Hashed,
        summary="Hashed words and trigrams: for tests only, never for a published figure.",
        for_tests=True,
        source="Weinberger et al. 2009, feature hashing",
    )
