"""Which texts an aligner learns from and which are set aside, and the call of each method."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from v2t_bench.contracts import Embedder, TrainContext, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.aligner.closed_form import fit_linear, fit_procrustes, warning
from v2t_plugins.attacks.aligner.maps import usable

if TYPE_CHECKING:
    from v2t_plugins.attacks.aligner import Map

HELD_OUT, HELD_OUT_SHARE = 8192, 5
# Of vec2vec, whose outcome depends on them.
STARTS = 3
OPTIONS = {"linear": ("ridge",), "mlp": ("ridge",), "vec2vec": ("seeds",)}


@dataclass(frozen=True)
class Found:
    """A map, what was decided for it, and what was measured on the way.

    Args:
        map: The one to use.
        recipe: What was decided.
        curve: Of the training, if there is one.
        facts: What was measured without pairs.
        tried: Maps of every start, by name; to be measured as well.
    """

    map: Map
    recipe: Mapping[str, Any]
    curve: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    tried: Mapping[str, Map] = field(default_factory=dict)


@dataclass(frozen=True)
class Lessons:
    """The vectors that one aligner learns from."""

    method: str
    pairs: int | None
    oracle: Oracle
    target: Embedder
    context: TrainContext

    def learn(self, texts: Sequence[str]) -> Found:
        """Return the map learned from those of ``texts`` that are not set aside."""
        penalty, starts = self._number("ridge"), self._number("seeds")
        pool = self._parts(texts)[1]
        if self.method == "mini_vec2vec":
            return self._mini_vec2vec(*self._unpaired(pool))
        if self.method == "vec2vec":
            return self._vec2vec(*self._unpaired(pool), int(starts or STARTS))
        x, y = self._pairs(pool)
        found = self._mlp(x, y, penalty) if self.method == "mlp" else self._closed(x, y, penalty)
        line = warning(self.method, len(x), x.shape[1], found.recipe.get("ridge"))
        if line:
            self.context.progress(line)
        return replace(found, recipe={"pairs": len(x), **found.recipe, "warning": line or None})

    def held_out(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the vectors of the texts set aside, attacked (n, d) and target's (n, d')."""
        return self._both(self._parts(texts)[0])

    def _closed(self, x: Vectors, y: Vectors, penalty: float | None) -> Found:
        if self.method == "procrustes":
            return Found(fit_procrustes(x, y), {})
        linear, penalty = fit_linear(x, y, penalty)
        return Found(linear, {"ridge": penalty})

    def _mlp(self, x: Vectors, y: Vectors, penalty: float | None) -> Found:
        from v2t_plugins.attacks.aligner.mlp import fit_mlp

        return Found(*fit_mlp(x, y, penalty=penalty, context=self.context))

    def _mini_vec2vec(self, x: Vectors, y: Vectors) -> Found:
        from v2t_plugins.attacks.aligner.mini_vec2vec import Plan, fit_mini_vec2vec

        plan = Plan()
        found, facts = fit_mini_vec2vec(
            x, y, seed=self.context.seed, plan=plan, tell=self.context.progress
        )
        return Found(found, {"vectors": [len(x), len(y)], **asdict(plan)}, facts=facts)

    def _vec2vec(self, x: Vectors, y: Vectors, starts: int) -> Found:
        """Return the start whose mapped vectors have the closest neighbours."""
        from v2t_plugins.attacks.aligner.vec2vec import closeness_of, fit_vec2vec

        tried: dict[str, Map] = {}
        curve: list[Mapping[str, Any]] = []
        cosines: list[float] = []
        decided: dict[str, Any] = {}
        for number in range(starts):
            found, untrained, decided, rows = fit_vec2vec(x, y, number=number, context=self.context)
            cosines.append(closeness_of(found, x, y))
            self.context.progress(f"start {number + 1} of {starts}: neighbours {cosines[-1]:.3f}")
            tried |= {"untrained": untrained} if not tried else {}
            tried[f"start_{number + 1}"] = found
            curve += rows
        best = max(range(starts), key=cosines.__getitem__)
        return Found(
            tried[f"start_{best + 1}"],
            {"vectors": [len(x), len(y)], "seeds": starts, **decided},
            curve,
            {"used_start": best + 1, "neighbour_cosine_of_starts": cosines},
            tried,
        )

    def _unpaired(self, pool: list[str]) -> tuple[Vectors, Vectors]:
        """Return the released vectors of one half of the texts, the target's of the other."""
        x, y = self._attacked(pool[::2]), self.target.embed(pool[1::2], "document")
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
        return self._attacked(texts), self.target.embed(texts, "document")

    def _attacked(self, texts: list[str]) -> Vectors:
        """Return what the attacker is shown of ``texts``, (n, d)."""
        return self.context.release(self.oracle.embed(texts, keep=True), texts)

    def _parts(self, texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the texts set aside and the others, by content and not by position.

        Texts that either embedder cannot tell apart count once, so that none is on both sides.
        """
        seen: dict[str, str] = {}
        for text in texts:
            key = self.target.space.normalize_text(self.oracle.space.normalize_text(text))
            seen.setdefault(key, text)
        order = sorted(seen.values(), key=lambda t: hashlib.sha256(t.encode()).digest())
        n = min(HELD_OUT, len(order) // HELD_OUT_SHARE)
        return order[:n], order[n:]

    def _number(self, name: str) -> float | None:
        """Return the option of that name, or None where it is not given.

        Raises:
            BadParameter: it is out of range, or another one is given that the method lacks.
        """
        known = OPTIONS.get(self.method, ())
        unknown = sorted(set(self.context.options) - set(known))
        if unknown:
            raise BadParameter(
                f"aligner:{self.method} has no option {unknown[0]!r} "
                f"(options: {', '.join(known) or 'none'})"
            )
        text = self.context.options.get(name)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        least, whole = (1, True) if name == "seeds" else (0, False)
        if not least <= number < math.inf or (whole and number != int(number)):
            kind = "whole number" if whole else "number"
            raise BadParameter(
                f"aligner: {name} is {text!r}; expected a {kind} of at least {least}"
            )
        return number
