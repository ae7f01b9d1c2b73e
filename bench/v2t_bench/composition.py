"""Several defenses in a row, and the secret that each of them is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Literal

from v2t_bench.contracts import (
    BuildContext,
    Defense,
    KeyFile,
    Role,
    Secret,
    Similarity,
    Space,
    Vectors,
)
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

    @property
    def keeps(self) -> tuple[Similarity, ...]:
        """What every part keeps."""
        kept = [part.keeps for part in self.parts]
        return tuple(name for name in kept[0] if all(name in other for other in kept))

    @property
    def opaque(self) -> bool:
        """Whether any part is."""
        return any(part.opaque for part in self.parts)

    @property
    def needs_unit(self) -> bool:
        """Whether the first part does; `check_dimensions` asks the others."""
        return self.parts[0].needs_unit

    def gives_unit(self, unit: bool) -> bool:
        """Return whether what the last part releases has length 1."""
        for part in self.parts:
            unit = part.gives_unit(unit)
        return unit

    def released_dim(self, dim: int) -> int:
        """Return d' of the last part."""
        for part in self.parts:
            dim = part.released_dim(dim)
        return dim

    def bytes_per_vector(self, dim: int) -> int | None:
        """Return what the last part's vectors of ``dim`` take."""
        return self.parts[-1].bytes_per_vector(dim)

    def fit(self, vectors: Vectors) -> Composition:
        """Return the composition with every part fitted to what the parts before it release."""
        fitted: list[Defense] = []
        ids = [str(row) for row in range(len(vectors))]
        for part in self.parts:
            fitted.append(part.fit(vectors))
            vectors = fitted[-1].protect(vectors, role="document", ids=ids)
        if all(part is before for part, before in zip(fitted, self.parts, strict=True)):
            return self
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

    A part that names a key file is bound to the secret in it.

    Raises:
        UnknownComponent, BadParameter, BadSpelling: it cannot be built as spelled, or its
            parts make no sense together.
        BadInput: a key file cannot be used.
    """
    parts = parse_composition(text)
    if len(parts) > 1 and any(part.name == "none" for part in parts):
        raise BadParameter(f"{text!r} composes with 'none'; leave 'none' out")
    built = tuple(
        _build_part(registry, part, context, secret.for_part(index) if len(parts) > 1 else secret)
        for index, part in enumerate(parts)
    )
    if len(built) == 1:
        return built[0]
    _check_order([part.name for part in parts], built)
    return Composition(built)


def check_dimensions(defense: Defense, shown: str, space: Space, dim: int) -> int:
    """Return d' of the defense on vectors of a space, asked before anything is fitted.

    Raises:
        BadParameter: they have too few dimensions, or have not the length a part needs.
    """
    unit = space.normalize
    for part in defense.parts if isinstance(defense, Composition) else (defense,):
        if part.needs_unit and not unit:
            raise BadParameter(
                f"{shown} needs vectors of length 1, and these are not; put normalize before it"
            )
        dim, unit = part.released_dim(dim), part.gives_unit(unit)
    return dim


def keeps_ranking(defense: Defense, space: Space) -> bool:
    """Return whether released vectors provably rank as those of ``space`` do by its similarity."""
    used = defense.similarity or space.similarity
    # Of vectors of length 1 these three rank alike, so what keeps one keeps all.
    alike = ("cosine", "dot", "euclidean")
    same = used == space.similarity or (space.normalize and {used, space.similarity} <= {*alike})
    return same and defense.on == "both" and used in defense.keeps


def _check_order(names: Sequence[str], parts: Sequence[Defense]) -> None:
    """Refuse parts that make no sense in a row.

    Raises:
        BadParameter: a part undoes, repeats or cannot read what the one before releases.
    """
    pairs = zip(names, parts, strict=True)
    for (name, part), (later_name, later) in pairwise(pairs):
        joined = f"{name}+{later_name}"
        draws = part.stochastic and not part.keyed
        if name == later_name and part.on == later.on and not draws:
            raise BadParameter(f"{joined} does the same twice; give it once")
        if part.opaque:
            raise BadParameter(f"{joined}: nothing can be computed of what {name} releases")
    for (name, part), (later_name, later) in combinations(zip(names, parts, strict=True), 2):
        wants = part.similarity
        if wants is None or wants in later.keeps:
            continue
        if later.similarity not in (None, wants):
            raise BadParameter(
                f"{name}+{later_name}: {name} is compared by {wants} and {later_name} by "
                f"{later.similarity}; leave one of them out"
            )
        if wants == "hamming":
            raise BadParameter(
                f"{name}+{later_name}: {name} releases signs, and {later_name} does not keep "
                "them; put it last"
            )


def _build_part(
    registry: Registry, part: Spelling, context: BuildContext, secret: Secret
) -> Defense:
    name = registry.wants_secret("defenses", part.name)
    for value in registry.bind("defenses", part).values():
        if isinstance(value, KeyFile):
            secret = value.secret
    defense: Defense = registry.build(
        "defenses", part, context, **({} if name is None else {name: secret})
    )
    return defense
