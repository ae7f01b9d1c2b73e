"""Run one attack on vectors at hand and set its answers beside what is known of them.

What `harness` does for a cell of a grid, for the text or the vectors that somebody has:
nothing is stored, and there need be no original to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v2t_bench.answers import Answer, Inversion
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Embedder,
    TracedAttack,
    answers_of,
)
from v2t_bench.errors import BadParameter, MissingCheckpoint
from v2t_bench.nesting import check_space
from v2t_bench.registry import Registry, spelled_parameters
from v2t_bench.resolution import (
    CheckpointFinder,
    Resolved,
    missing_lines,
)
from v2t_bench.scorecard import per_text_scores
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.shelves import Shelves
from v2t_bench.shown import without_paths
from v2t_bench.spelling import Spelling, parse
from v2t_bench.targets import Targets
from v2t_bench.texts import cut
from v2t_bench.vectors import oracle_of


def spell_attack(registry: Registry, text: str, short: Mapping[str, int | None]) -> Spelling:
    """Return the attack spelled by ``text`` with the ``short`` parameters that are not None.

    Raises:
        BadParameter: it has no such parameter, or the spelling gives it already.
    """
    attack = parse(text)
    recipe = registry.entry("attacks", attack.name).recipe
    names = [parameter.name for parameter in spelled_parameters(recipe)]
    given = {*names[: len(attack.positional)], *attack.named}
    named = dict(attack.named)
    for name, value in short.items():
        if value is None:
            continue
        if name not in names:
            raise BadParameter(
                f"--{name}: attack {attack.name!r} has no parameter {name!r} "
                f"(its parameters: {', '.join(names) or 'none'})"
            )
        if name in given:
            raise BadParameter(f"--{name}: {text!r} gives {name!r} already; give it once")
        named[name] = str(value)
    spelled = Spelling(attack.name, attack.positional, named, attack.revision)
    return registry.canonical("attacks", spelled)


@dataclass(frozen=True, kw_only=True)
class Inverter:
    """Builds what is needed and inverts.

    Args:
        registry: What is on offer.
        context: Builds components.
        embedder_text: As the user spelled it.
        embedder: The attacked embedder.
        max_tokens: The embedder's tokens kept of each text, special ones included, and the
            length a checkpoint must serve.
        shelves: Folders in whose subfolders checkpoints lie.
        fast_oracle: Whether the attack's questions are answered in bfloat16.
    """

    registry: Registry
    context: BuildContext
    embedder_text: str
    embedder: Embedder
    max_tokens: int
    shelves: Sequence[Path] = ()
    fast_oracle: bool = False

    def check(self, attack: Spelling, *, traced: bool) -> None:
        """Refuse what cannot be done, before anything is read or loaded.

        Raises:
            BadParameter: the length is impossible, or the attack shows no steps.
            SpaceMismatch: the attack cannot invert this space.
        """
        cut(self.embedder, [], self.max_tokens)
        # Building loads nothing; it refuses what is out of range.
        built = self.registry.build("attacks", attack, self.context)
        if traced and not isinstance(built, TracedAttack):
            able = [
                entry.recipe.name
                for entry in self.registry.entries("attacks")
                if hasattr(entry.recipe.build, "invert_traced")
            ]
            raise BadParameter(
                f"--trace: attack {attack.name!r} shows no steps; leave --trace out"
                + (f", or choose one that does ({', '.join(able)})" if able else "")
            )
        check_space(self.registry, self.context, attack, self.embedder.space)

    def resolve(self, attack: Spelling) -> Resolved:
        """Return the attack with every checkpoint found; those of the demo are left out.

        Raises:
            MissingCheckpoint: none fits; the text holds the train line to run.
            BadInput: several fit, or the one that was named cannot be used.
        """
        finder = CheckpointFinder(
            registry=self.registry,
            context=self.context,
            embedder=self.embedder,
            embedder_text=self.embedder_text,
            max_tokens=self.max_tokens,
            shelves=Shelves.open(self.shelves, self.registry),
        )
        try:
            return finder.resolve(attack)
        except MissingCheckpoint as error:
            raise missing_lines([error]) from error

    def invert(self, resolved: Resolved, targets: Targets, *, traced: bool) -> Inversion:
        """Return the attack's answers, scored where the texts are known.

        Raises:
            BrokenPromise: the attack returned something else than it promises.
        """
        embedder = self.embedder
        attack: Attack = self.registry.build("attacks", resolved.spelling, self.context)
        oracle = oracle_of(embedder, fast=self.fast_oracle)
        guesses, traces = answers_of(
            attack, targets.attacked, oracle, traced=traced, who=resolved.label
        )
        guessed = embedder.embed(guesses, "document")
        columns = {
            "cosine": cosine_per_pair(guessed, targets.judged).tolist(),
            "cosine_attacked": cosine_per_pair(guessed, targets.attacked).tolist(),
        }
        scores: dict[str, Any] = {}
        if targets.texts is not None:
            scores = dict(per_text_scores(targets.texts, guesses, embedder.space))
        answers = tuple(
            Answer(
                number=row + 1,
                recovered=guesses[row],
                text=None if targets.texts is None else targets.texts[row],
                cut=None if targets.texts is None else targets.cut[row],
                scores={name: float(values[row]) for name, values in scores.items()},
                rounds=None if traces is None else traces[row].rounds,
                **{name: values[row] for name, values in columns.items()},
            )
            for row in range(len(guesses))
        )
        canonical = self.registry.canonical("embedders", parse(self.embedder_text))
        return Inversion(
            embedder=str(without_paths(canonical)),
            attack=resolved.label,
            max_tokens=self.max_tokens,
            targets=targets,
            oracle_texts=oracle.texts_asked,
            fast_oracle=self.fast_oracle,
            answers=answers,
        )
