"""What an attacker who knows a defense trains on: vectors it has released itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from v2t_bench.composition import build_defense, canonical_defense
from v2t_bench.contracts import BuildContext, Defense, Release, Secret, Vectors, check_vectors
from v2t_bench.errors import BadParameter, BrokenPromise
from v2t_bench.registry import Registry
from v2t_bench.shown import shown_composition, without_keys

UNDEFENDED = "none"


def attacker_secret(seed: int) -> Secret:
    """Return a secret that an attacker makes up; `Secret.from_seed` gives it to no owner."""
    return Secret(hashlib.sha256(f"v2t-bench attacker {seed}".encode()).digest())


def attackers_own(registry: Registry, context: BuildContext, text: str, *, seed: int) -> Defense:
    """Return a defense by its public algorithm under a secret that an attacker makes up.

    It is not fitted. A key file is the owner's, and not read.
    """
    return build_defense(registry, without_keys(text), context, attacker_secret(seed))


def trained_against(registry: Registry, text: str) -> str:
    """Return the canonical spelling of a defense to train against, or "" for clean vectors.

    Raises:
        UnknownComponent, BadParameter, BadSpelling: it cannot be built as spelled.
    """
    canonical = canonical_defense(registry, text) if text else ""
    return "" if canonical == UNDEFENDED else canonical


@dataclass(frozen=True, kw_only=True)
class KnownDefense:
    """A defense by its public algorithm, under a secret of the attacker's own.

    Called with clean document vectors (n, d) and a name for each row, it returns what they
    are after release and lifting, (n, d): row i depends on its vector and name alone.

    Args:
        defense: Fitted to the attacker's own clean vectors.
        shown: Its canonical spelling.
        dim: ``d``.
        asked: How many rows were released in each call.
    """

    defense: Defense
    shown: str
    dim: int
    asked: list[int] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        registry: Registry,
        context: BuildContext,
        text: str,
        *,
        seed: int,
        clean: Vectors,
        owner_seed: int | None = None,
    ) -> KnownDefense:
        """Return the defense spelled by ``text``, as the attacker of that ``seed`` makes it.

        With ``owner_seed``, as the owner of that seed does: what is released by the owner's own
        service. Key files are the owner's, so they are used then and only then.

        Raises:
            UnknownComponent, BadParameter, BadSpelling: it cannot be built as spelled.
            BadParameter: nobody can lift its vectors without the owner's secret, or it is the
                owner's and fitted to a collection that the attacker does not have.
        """
        if owner_seed is None:
            plain = attackers_own(registry, context, text, seed=seed)
        else:
            plain = build_defense(registry, text, context, Secret.from_seed(owner_seed))
        plain.released_dim(clean.shape[1])  # refuses too few dimensions before anything is fitted
        defense = plain.fit(clean)
        if owner_seed is not None and defense is not plain:
            raise BadParameter(
                f"{shown_composition(text)} is fitted to the owner's collection, so its service "
                "cannot be imitated here; train without --owner-seed"
            )
        known = cls(defense=defense, shown=shown_composition(text), dim=clean.shape[1])
        known._lifted(clean[:1], ["0"])
        return known

    def __call__(self, vectors: Vectors, ids: Sequence[str]) -> Vectors:
        """Return what the owner's lifted vectors look like to the attacker, (n, d).

        Raises:
            BrokenPromise: the defense returned something else than vectors.
        """
        self.asked.append(len(vectors))
        return self._lifted(vectors, ids)

    def _lifted(self, vectors: Vectors, ids: Sequence[str]) -> Vectors:
        released = self.defense.protect(vectors, role="document", ids=ids)
        lifted = self.defense.lift(check_vectors(released, rows=len(vectors), who=self.shown))
        if lifted is None:
            raise BadParameter(
                f"no attack can be trained against {self.shown}: nobody can bring its vectors "
                f"back to {self.dim} dimensions; choose a defense that can be lifted"
            )
        lifted = check_vectors(lifted, rows=len(vectors), dim=self.dim, who=self.shown)
        return np.ascontiguousarray(lifted)


def check_was_asked(release: Release, attack: str) -> None:
    """Refuse an attack that was given a defense and never released anything under it.

    Raises:
        BrokenPromise: it did not.
    """
    if isinstance(release, KnownDefense) and not release.asked:
        raise BrokenPromise(
            f"{attack} trained on clean vectors although a defense was given; its train() must "
            "take its targets from TrainContext.release"
        )
