"""Which texts an aligner learns from and which are set aside, and the call of each method."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from v2t_bench.alignment.closed_form import fit_linear, fit_procrustes, warning
from v2t_bench.alignment.maps import usable
from v2t_bench.contracts import TrainContext, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.threat import Oracle

if TYPE_CHECKING:
    from v2t_plugins.attacks.aligner import Map

HELD_OUT, HELD_OUT_SHARE = 8192, 5


@dataclass(frozen=True)
class Found:
    """A map, what was decided for it, and what was measured on the way.

    Args:
        map: The one to use.
        recipe: What was decided.
        curve: Of the training, if there is one.
        facts: What was measured without pairs.
    """

    map: Map
    recipe: Mapping[str, Any]
    curve: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lessons:
    """The vectors that one aligner learns from.

    Args:
        method: As the aligner is spelled.
        pairs: Of them, or None for all there are.
        oracle: The door to the attacked embedder.
        target: The door to the target's, which counts what is asked there too.
        context: Of the training.
        texts: Learned from, or set aside.
    """

    method: str
    pairs: int | None
    oracle: Oracle
    target: Oracle
    context: TrainContext
    texts: Sequence[str]

    def learn(self) -> Found:
        """Return the map learned from the texts that are not set aside."""
        penalty = self._penalty()
        pool = self._parts[1]
        if self.method == "mini_vec2vec":
            return self._mini_vec2vec(*self._unpaired(pool))
        x, y = self._pairs(pool)
        found = self._mlp(x, y, penalty) if self.method == "mlp" else self._closed(x, y, penalty)
        line = warning(self.method, len(x), x.shape[1], found.recipe.get("ridge"))
        if line:
            self.context.progress(line)
        return replace(found, recipe={"pairs": len(x), **found.recipe, "warning": line or None})

    def held_out(self) -> tuple[Vectors, Vectors]:
        """Return the vectors of the texts set aside, attacked (n, d) and target's (n, d')."""
        return self._both(self._parts[0])

    def _closed(self, x: Vectors, y: Vectors, penalty: float | None) -> Found:
        if self.method == "procrustes":
            return Found(fit_procrustes(x, y), {})
        linear, penalty = fit_linear(x, y, penalty)
        return Found(linear, {"ridge": penalty})

    def _mlp(self, x: Vectors, y: Vectors, penalty: float | None) -> Found:
        from v2t_plugins.attacks.aligner.mlp import fit_mlp

        return Found(*fit_mlp(x, y, penalty=penalty, context=self.context))

    def _mini_vec2vec(self, x: Vectors, y: Vectors) -> Found:
        from v2t_bench.alignment.mini_vec2vec import Plan, fit_mini_vec2vec

        plan = Plan()
        found, facts = fit_mini_vec2vec(
            x, y, seed=self.context.seed, plan=plan, tell=self.context.progress
        )
        return Found(found, {"vectors": [len(x), len(y)], **asdict(plan)}, facts=facts)

    def _unpaired(self, pool: list[str]) -> tuple[Vectors, Vectors]:
        """Return the released vectors of one half of the texts, the target's of the other."""
        x, y = self._attacked(pool[::2]), self.target.embed(pool[1::2], keep=True)
        return x[usable(x, who="aligner")], y[usable(y, who="aligner")]

    def _pairs(self, pool: list[str]) -> tuple[Vectors, Vectors]:
        """Return the released and the target's vectors of as many texts as are asked for."""
        wanted = len(pool) if self.pairs is None else self.pairs
        if wanted > len(pool):
            raise BadInput(
                f"aligner: pairs={wanted} are more than the {len(pool)} texts that are not set "
                f"aside; give more texts, or pairs={len(pool)}"
            )
        x, y = self._both(pool[:wanted])
        there = usable(x, y, who="aligner")
        if not there.all():
            self.context.progress(
                f"warning: {int((~there).sum())} of {wanted} pairs hold a zero vector; left out"
            )
        return x[there], y[there]

    def _both(self, texts: list[str]) -> tuple[Vectors, Vectors]:
        return self._attacked(texts), self.target.embed(texts, keep=True)

    def _attacked(self, texts: list[str]) -> Vectors:
        """Return what the attacker is shown of ``texts``, (n, d)."""
        return self.context.release(self.oracle.embed(texts, keep=True), texts)

    @cached_property
    def _parts(self) -> tuple[list[str], list[str]]:
        """Return the texts set aside and the others, by content and not by position.

        Texts that either embedder cannot tell apart count once, so that none is on both sides.
        """
        seen: dict[str, str] = {}
        for text in self.texts:
            key = self.target.space.normalize_text(self.oracle.space.normalize_text(text))
            seen.setdefault(key, text)
        order = sorted(seen.values(), key=lambda t: hashlib.sha256(t.encode()).digest())
        n = min(HELD_OUT, len(order) // HELD_OUT_SHARE)
        return order[:n], order[n:]

    def _penalty(self) -> float | None:
        """Return the option ``ridge``, or None to choose by cross-validation.

        Raises:
            BadParameter: it is out of range, or another one is given that the method lacks.
        """
        known = ("ridge",) if self.method in ("linear", "mlp") else ()
        unknown = sorted(set(self.context.options) - set(known))
        if unknown:
            raise BadParameter(
                f"aligner:{self.method} has no option {unknown[0]!r} "
                f"(options: {', '.join(known) or 'none'})"
            )
        text = self.context.options.get("ridge")
        if text is None:
            return None
        try:
            penalty = float(text)
        except ValueError:
            penalty = math.nan
        if not 0 <= penalty < math.inf:
            raise BadParameter(f"aligner: ridge is {text!r}; expected a number of at least 0")
        return penalty
