"""Several defenses in a row, and the secret that each of them is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from v2t_bench.contracts import BuildContext, Defense, Role, Secret, Similarity, Vectors
from v2t_bench.errors import BadParameter
from v2t_bench.registry import Registry
from v2t_bench.spelling import Spelling, compose, parse_composition


@dataclass(frozen=True)
class Composition:
    """Defenses applied left to right; itself a defense."""

    parts: tuple[Defense, ...]

    @property
    def stochastic(self) -> bool:
        """Whether any part draws."""
        return any(part.stochastic for part in self.parts)

    @property
    def keyed(self) -> bool:
        """Whether undoing any part needs the secret."""
        return any(part.keyed for part in self.parts)

    @property
    def on(self) -> Literal["documents", "queries", "both"]:
        """The sides that any part changes."""
        sides = {part.on for part in self.parts}
        return sides.pop() if len(sides) == 1 else "both"

    @property
    def similarity(self) -> Similarity | None:
        """What the last part that cares wants."""
        wanted = [part.similarity for part in self.parts if part.similarity is not None]
        return wanted[-1] if wanted else None

    def fit(self, vectors: Vectors) -> Composition:
        """Return the composition with every part fitted to what the parts before it release."""
        fitted: list[Defense] = []
        ids = [str(row) for row in range(len(vectors))]
        for part in self.parts:
            fitted.append(part.fit(vectors))
            vectors = fitted[-1].protect(vectors, role="document", ids=ids)
        return replace(self, parts=tuple(fitted))

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return what the last part releases, (n, d')."""
        for part in self.parts:
            vectors = part.protect(vectors, role=role, ids=ids)
        return vectors

    def lift(self, released: Vectors) -> Vectors | None:
        """Return the vectors lifted through every part, last one first; None if one cannot."""
        lifted: Vectors | None = released
        for part in reversed(self.parts):
            if lifted is None:
                return None
            lifted = part.lift(lifted)
        return lifted


def canonical_defense(registry: Registry, text: str) -> str:
    """Return the canonical spelling of a defense or of several joined by ``+``."""
    parts = parse_composition(text)
    return compose(tuple(registry.canonical("defenses", part) for part in parts))


def build_defense(registry: Registry, text: str, context: BuildContext, secret: Secret) -> Defense:
    """Return the defense spelled by ``text``, each part bound to a secret of its own.

    Raises:
        UnknownComponent, BadParameter, BadSpelling: it cannot be built as spelled.
    """
    parts = parse_composition(text)
    if len(parts) > 1 and any(part.name == "none" for part in parts):
        raise BadParameter(f"{text!r} composes with 'none'; leave 'none' out")
    built = tuple(
        _build_part(registry, part, context, secret.for_part(index) if len(parts) > 1 else secret)
        for index, part in enumerate(parts)
    )
    return built[0] if len(built) == 1 else Composition(built)


def _build_part(
    registry: Registry, part: Spelling, context: BuildContext, secret: Secret
) -> Defense:
    name = registry.wants_secret("defenses", part.name)
    defense: Defense = registry.build(
        "defenses", part, context, **({} if name is None else {name: secret})
    )
    return defense
