"""How an attacker brings released vectors back to the space that its attack inverts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from v2t_bench.alignment.closed_form import fit_linear
from v2t_bench.alignment.maps import AffineMap, unit
from v2t_bench.alignment.mini_vec2vec import FEWEST as FEWEST_UNPAIRED
from v2t_bench.alignment.mini_vec2vec import fit_mini_vec2vec
from v2t_bench.alignment.pairs import fit_pairs
from v2t_bench.canonical import hash64, order_by_hash
from v2t_bench.contracts import BuildContext, Defense, Role, Space, Vectors, check_vectors
from v2t_bench.errors import Skipped
from v2t_bench.registry import Registry
from v2t_bench.release import attackers_own
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.threat import ALIGN, DENOISE, Threat

# Public texts that a map is not fitted to, to see what it is worth.
SET_ASIDE, SET_ASIDE_SHARE = 1000, 5
# Vectors of either side that an attacker without pairs compares.
MOST_UNPAIRED = 20_000

Restore = Callable[[Vectors], Vectors]
Facts = Mapping[str, float | int | str]


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """What an attacker does with released vectors before its attack.

    Args:
        restore: From released vectors (n, d') to (n, d).
        asked: Texts it had embedded for that.
        facts: What it chose, and how close it came where it could see that.
    """

    restore: Restore
    asked: int = 0
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stolen:
    """One release of a collection, and what whoever has it may know besides.

    Args:
        registry: Builds the attacker's own copy of the defense.
        context: Likewise.
        defense_text: As it is spelled.
        shown: As tables show it.
        defense: The owner's, fitted.
        space: Of the clean vectors.
        clean: Clean vectors of the collection, (n, d); the attacker sees those of its pairs.
        released: Released vectors of the collection, (n, d').
        ids: Of the collection.
        known: The rows of which the attacker may have pairs, see `pair_rows`.
        public: Texts that the attacker has.
        ask: The undefended embedder, as documents.
    """

    registry: Registry
    context: BuildContext
    defense_text: str
    shown: str
    defense: Defense
    space: Space
    clean: Vectors
    released: Vectors
    ids: Sequence[str]
    known: Callable[[], NDArray[np.int64]]
    public: Sequence[str]
    ask: Callable[[Sequence[str]], Vectors]

    def adapted(self, threat: Threat) -> Adapted:
        """Return what the attacker of that threat does with released vectors.

        Raises:
            Skipped: it can do nothing; the reason is told.
        """
        if threat.name == DENOISE:
            return self._denoising(threat)
        if threat.name == ALIGN:
            return self._aligned(threat.pairs or 0)
        return Adapted(restore=self._lift)

    def _lift(self, released: Vectors) -> Vectors:
        lifted = self.defense.lift(released)
        dim = self.clean.shape[1]
        if lifted is None:
            raise Skipped(
                f"nobody can bring vectors of {self.shown} back to {dim} dimensions without more "
                "knowledge"
            )
        lifted = check_vectors(lifted, rows=len(released), dim=dim, who=f"{self.shown}.lift")
        return np.ascontiguousarray(lifted)

    def _denoising(self, threat: Threat) -> Adapted:
        """Return the ridge regression from public texts' released vectors to their clean ones."""
        dim = self.released.shape[1]
        if len(self.public) < dim:
            raise Skipped(
                f"{len(self.public)} public texts are too few to learn by what {self.shown} does "
                f"in {dim} dimensions; give at least {dim} with --public"
            )
        clean = self.ask(self.public)
        if threat.oracle == "protected":
            released = self.answered(clean, self.public, "document")
        else:
            # What is fitted is public, what is drawn is not.
            own = attackers_own(self.registry, self.context, self.defense_text, seed=0)
            own = own.fit(self.clean)
            released = own.protect(clean, role="document", ids=list(self.public))
        aside = min(SET_ASIDE, len(clean) // SET_ASIDE_SHARE)
        found, penalty = fit_linear(released[aside:], clean[aside:])
        restored = self._through(found)
        cosines = cosine_per_pair(restored(released[:aside]), clean[:aside])
        cosine = round(float(cosines.mean()), 6) if aside else 0.0
        facts: Facts = {"adapted_by": "ridge", "ridge": penalty, "adapted_cosine": cosine}
        return Adapted(restore=restored, asked=len(clean), facts=facts)

    def _aligned(self, pairs: int) -> Adapted:
        if pairs == 0:
            return self._aligned_without_pairs()
        rows = self._pairs(pairs)
        chosen = fit_pairs(self.released[rows], self.clean[rows])
        facts: Facts = {"adapted_by": chosen.kind, "adapted_cosine": chosen.cosine}
        return Adapted(restore=self._through(chosen.map), asked=pairs, facts=facts)

    def _aligned_without_pairs(self) -> Adapted:
        stolen = self.released[order_by_hash(self.ids, "stolen")[:MOST_UNPAIRED]]
        public = self.public[:MOST_UNPAIRED]
        if min(len(stolen), len(public)) < FEWEST_UNPAIRED:
            raise Skipped(
                f"{len(stolen)} released and {len(public)} public vectors are too few to align "
                f"without pairs; at least {FEWEST_UNPAIRED} of each are needed"
            )
        found, facts = fit_mini_vec2vec(stolen, self.ask(public), seed=0)
        plain = {f"unpaired_{name}": value for name, value in facts.items() if _is_plain(value)}
        return Adapted(
            restore=self._through(found),
            asked=len(public),
            facts={"adapted_by": "mini_vec2vec", **plain},
        )

    def _pairs(self, pairs: int) -> NDArray[np.int64]:
        """Return the rows of the texts whose vectors the attacker knows: no attacked one.

        Raises:
            Skipped: there are not so many other texts.
        """
        rows = self.known()
        if len(rows) < pairs:
            raise Skipped(
                f"{pairs} pairs are more than the {len(rows)} distinct texts of the corpus that "
                "are not attacked"
            )
        return rows[:pairs]

    def answered(self, clean: Vectors, texts: Sequence[str], role: Role) -> Vectors:
        """Return what the owner's own service answers to texts of these ``clean`` vectors.

        A text is its own id, so that asking again tells nothing more.
        """
        released = self.defense.protect(clean, role=role, ids=[f"asked: {text}" for text in texts])
        return check_vectors(released, rows=len(clean), who=self.shown)

    def _through(self, found: AffineMap) -> Restore:
        """Return the map, followed by scaling to length 1 where clean vectors have it."""

        def restore(released: Vectors) -> Vectors:
            mapped = found.apply(released)
            if not self.space.normalize:
                return mapped
            return unit(mapped.astype(np.float64)).astype(np.float32)

        return restore


def pair_rows(
    texts: Sequence[str],
    ids: Sequence[str],
    attacked: Collection[str],
    *,
    space: Space,
    sample_seed: int,
) -> NDArray[np.int64]:
    """Return the rows whose vectors an attacker may know, in the order it comes to know them.

    None is an attacked text, nor one that the space cannot tell from it, and none stands twice.
    """

    def seen(text: str) -> int:
        return hash64(space.normalize_text(text))

    # Of millions of texts only a number each is kept.
    known = np.fromiter(map(seen, texts), np.uint64, count=len(texts))
    order = np.array(order_by_hash(ids, f"pairs {sample_seed}"), np.int64)
    _, firsts = np.unique(known[order], return_index=True)
    rows = order[np.sort(firsts)]
    taken = np.array([seen(text) for text in attacked], np.uint64)
    return rows[~np.isin(known[rows], taken)]


def _is_plain(value: object) -> bool:
    return isinstance(value, float | int | str)
