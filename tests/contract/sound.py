"""Small components that keep every promise; the broken ones differ from them in one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from v2t_bench.contracts import Attack, Defense, Role, Secret, Vectors
from v2t_bench.threat import Oracle


@dataclass(frozen=True, kw_only=True)
class Plain(Defense):
    """What is embedded is released."""

    secret: Secret

    stochastic = False
    keyed = False
    on: Literal["documents", "queries", "both"] = "both"
    similarity = None

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        return vectors.copy()


@dataclass(frozen=True, kw_only=True)
class Draws(Plain):
    """Noise."""

    stochastic = True

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        if (role, self.on) in (("query", "documents"), ("document", "queries")):
            return vectors.copy()
        n, d = vectors.shape
        return vectors + np.float32(0.1) * self.secret.normal((n, d), role, ids)


@dataclass(frozen=True, kw_only=True)
class Turns(Plain):
    """A secret rotation; nobody comes back without the secret."""

    stochastic = True
    keyed = True

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        d = vectors.shape[1]
        square = self.secret.generator("rotation").standard_normal((d, d))
        released: Vectors = vectors @ np.linalg.qr(square)[0].astype(np.float32)
        return released

    def lift(self, released: Vectors) -> Vectors | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Halves(Plain):
    """The first half of the coordinates, less what fit learned to be their mean."""

    mean: tuple[float, ...] = ()

    def fit(self, vectors: Vectors) -> Halves:
        return replace(self, mean=tuple(vectors.mean(axis=0).tolist()))

    def released_dim(self, dim: int) -> int:
        return dim // 2

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        centred: Vectors = vectors - np.array(self.mean, dtype=np.float32)
        return centred[:, : len(self.mean) // 2].copy()

    def lift(self, released: Vectors) -> Vectors | None:
        missing = len(self.mean) - released.shape[1]
        padded = np.pad(released, ((0, 0), (0, missing)))
        lifted: Vectors = padded + np.array(self.mean, dtype=np.float32)
        return lifted


@dataclass(frozen=True)
class Chooses(Attack):
    """The closest of three texts."""

    known = ("Rain is expected.", "two and two", "NASA")

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        if not len(vectors) or vectors.shape[1] != oracle.dim:
            return [""] * len(vectors)
        closeness = vectors @ self.ask(oracle).T
        return [self.known[column] for column in closeness.argmax(axis=1)]

    def ask(self, oracle: Oracle) -> Vectors:
        return oracle.embed(self.known)
