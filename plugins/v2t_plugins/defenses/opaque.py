"""Declare that vectors are encrypted, and that nothing is there for an attack to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from v2t_bench import hookimpl
from v2t_bench.contracts import Defense, Recipe, Role, Vectors
from v2t_bench.errors import BadParameter


@dataclass(frozen=True, kw_only=True)
class Opaque(Defense):
    """Vectors under homomorphic or property-preserving encryption, as a declared kind.

    Nothing is encrypted here. `protect` returns what the holder of the key computes with, which
    is what search is measured on. Leakage is not applicable unless the key leaks, and then it is
    that of undefended vectors: no attack is run, and no BLEU of 0 is claimed. What a scheme
    gives away beside the vectors (the order of distances, who asks for what) is not measured.

    Args:
        scheme: What the vectors are said to be encrypted by: letters, digits and ``-``.
    """

    scheme: str

    stochastic = False
    # There is a key, but not of this experiment: released are the vectors that it opens.
    keyed = False
    on = "both"
    similarity = None
    keeps = ("cosine", "dot", "euclidean", "hamming")
    opaque = True

    def __post_init__(self) -> None:
        """Refuse what is no name."""
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.scheme):
            raise BadParameter(
                f"opaque: scheme is {self.scheme!r}; expected letters, digits and '-', such as ckks"
            )

    def gives_unit(self, unit: bool) -> bool:
        """Return whether they had length 1."""
        return unit

    def bytes_per_vector(self, dim: int) -> None:
        """Return None: that depends on the scheme, its parameters and how it packs."""
        return

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return a copy: what the holder of the key has."""
        return vectors.copy()

    def lift(self, released: Vectors) -> None:
        """Return None: nobody without the key has any vectors."""
        return


@hookimpl
def v2t_defenses() -> Iterator[Recipe[Defense]]:
    """Offer encryption as a declared kind."""
    yield Recipe(
        name="opaque",
        build=Opaque,
        source="a declaration; for CKKS see Cheon et al. 2017",
        standard=("opaque:ckks",),
    )
