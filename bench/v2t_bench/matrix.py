"""Which cells exist: every combination that was asked for, with floors and references.

Planning builds nothing heavy and embeds nothing; it ends with the identity of every cell,
so that what is finished can be told before anything runs.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from v2t_bench.cast import Cast
from v2t_bench.cells import Grid, Scene
from v2t_bench.composition import build_defense, canonical_defense, check_dimensions
from v2t_bench.contracts import BuildContext, Defense, Embedder, Secret
from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.records import Corpus
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadParameter, MissingCheckpoint
from v2t_bench.nesting import check_space
from v2t_bench.registry import Registry
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import (
    CheckpointFinder,
    expand,
    missing_lines,
    with_floors,
)
from v2t_bench.shelves import Shelves
from v2t_bench.shown import shown_composition
from v2t_bench.spelling import parse
from v2t_bench.texts import cut
from v2t_bench.threat import (
    RETRAIN,
    WORST,
    Threat,
    parse_threat,
    standard_threats,
    worst_threats,
)
from v2t_bench.training import demo_lesson

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Turns a grid into scenes.

    Args:
        registry: What is on offer.
        context: Builds embedders and defenses.
        shelves: Folders in whose subfolders checkpoints lie; the first takes the demo's.
        public: Texts that attackers have besides; for demo corpora their training texts.
        sources: Where collections are.
    """

    registry: Registry
    context: BuildContext
    shelves: Sequence[Path]
    public: Sequence[str] = ()
    sources: Sources = field(default_factory=Sources)

    def plan(self, grid: Grid) -> list[Scene]:
        """Return the scenes of the grid, in the order asked for.

        Raises:
            UsageError: anything at all cannot be run as asked; nothing has run yet.
        """
        _check(grid)
        asked = [parse(text) for text in expand(self.registry, "attacks", grid.attacks)]
        asked = [self.registry.canonical("attacks", attack) for attack in dict.fromkeys(asked)]
        attacks = with_floors(self.registry, asked)
        # Building loads nothing; it refuses what is out of range before anything runs.
        for attack in attacks:
            self.registry.build("attacks", attack, self.context)
        built = self._defenses((UNDEFENDED, *grid.defenses))
        named = {canonical_defense(self.registry, d) for d in grid.defenses if d != "all"}
        threats, insists = _threats(grid.threats)
        corpora = _distinct([c for name in grid.datasets for c in open_corpora(name, self.sources)])
        known = Shelves.open(self.shelves, self.registry)
        scenes, missing = [], []
        embedders = {
            str(self.registry.canonical("embedders", parse(text))): text
            for text in reversed(expand(self.registry, "embedders", grid.embedders))
        }
        for text in reversed(embedders.values()):
            embedder: Embedder = self.registry.build("embedders", text, self.context)
            cut(embedder, [], grid.max_tokens)  # refuses a length the embedder cannot have
            fitting = _fitting(built, named, embedder)
            for corpus in corpora:
                public = self._public(corpus, threats)
                finder = self._finder(grid, corpus, embedder, text, known)
                resolved = []
                for attack in attacks:
                    try:
                        resolved.append((attack, finder.resolve(attack)))
                    except MissingCheckpoint as error:
                        missing.append(error)
                    check_space(self.registry, self.context, attack, embedder.space)
                cast = Cast(
                    registry=self.registry,
                    context=self.context,
                    grid=grid,
                    corpus=corpus,
                    embedder=embedder,
                    embedder_text=text,
                    finder=finder,
                    public=public,
                    insists=insists,
                    missing=missing,
                )
                scenes.append(cast.scene(resolved, asked, fitting, threats))
        if missing:
            raise missing_lines(missing)
        return scenes

    def _defenses(self, given: Sequence[str]) -> dict[str, Defense]:
        """Return the defenses asked for, not fitted, by canonical spelling."""
        spelled = expand(self.registry, "defenses", given)
        texts = dict.fromkeys(canonical_defense(self.registry, text) for text in spelled)
        secret = Secret.from_seed(0)
        return {text: build_defense(self.registry, text, self.context, secret) for text in texts}

    def _public(self, corpus: Corpus, threats: Sequence[Threat]) -> Sequence[str]:
        """Return the texts that attackers have, where a threat needs any.

        Raises:
            BadParameter: there are none.
        """
        needing = [str(threat) for threat in threats if threat.needs_public_texts]
        if not needing:
            return ()
        if self.public:
            return self.public
        if corpus.training_texts:
            from v2t_bench.corpora.demo import demo_training_texts

            return demo_training_texts()
        raise BadParameter(
            f"--threat {needing[0]} on {corpus.name} needs texts that the attacker has; give "
            "--public FILE, one text a line, none of them attacked"
        )

    def _finder(
        self,
        grid: Grid,
        corpus: Corpus,
        embedder: Embedder,
        embedder_text: str,
        known: Shelves,
    ) -> CheckpointFinder:
        lessons = {}
        if corpus.training_texts:
            from v2t_bench.corpora.demo import demo_training_texts

            # One inverter for the union of the four, so that none is tuned to its corpus.
            texts = demo_training_texts()
            lessons = {
                entry.recipe.name: demo_lesson(
                    self.registry, entry.recipe.name, texts, grid.max_tokens
                )
                for entry in self.registry.entries("attacks")
                if entry.recipe.learned
            }
        return CheckpointFinder(
            registry=self.registry,
            context=self.context,
            embedder=embedder,
            embedder_text=embedder_text,
            max_tokens=grid.max_tokens,
            shelves=known,
            demo_lessons=lessons,
            demo_folder=self.shelves[0],
        )


def _distinct(corpora: Sequence[Corpus]) -> list[Corpus]:
    """Return each corpus once.

    Raises:
        BadParameter: two different ones would have the same name in the tables.
    """
    by_name: dict[str, Corpus] = {}
    for corpus in corpora:
        there = by_name.setdefault(corpus.name, corpus)
        if there.fingerprint != corpus.fingerprint:
            raise BadParameter(
                f"two different datasets are called {corpus.name!r}; rename one of the folders"
            )
    return list(by_name.values())


def _check(grid: Grid) -> None:
    wanted = {
        "n-texts": grid.n_texts,
        "limit": grid.limit,
        "max-tokens": grid.max_tokens,
    }
    for name, value in wanted.items():
        if value is not None and value < 1:
            raise BadParameter(f"--{name} must be at least 1, got {value}")
    for name in ("datasets", "embedders", "attacks", "defenses", "threats", "seeds"):
        if not getattr(grid, name):
            raise BadParameter(f"the grid names no {name}; give at least one")


def _fitting(
    built: Mapping[str, Defense], named: Collection[str], embedder: Embedder
) -> dict[str, Defense]:
    """Return the defenses that can protect an embedder's vectors.

    Raises:
        BadParameter: one that was ``named``, and is not only among all, cannot.
    """
    fitting: dict[str, Defense] = {}
    for text, defense in built.items():
        try:
            check_dimensions(defense, shown_composition(text), embedder.space, embedder.dim)
        except BadParameter as error:
            if text in named:
                raise
            log.warning("%s is left out: %s", text, error)
        else:
            fitting[text] = defense
    return fitting


def _threats(given: Sequence[str]) -> tuple[list[Threat], bool]:
    """Return the threats asked for, each once, and whether every one must be possible.

    ``all`` and ``worst`` stand for several; those of them that lack a trained attack are left
    out with a reason.
    """
    expanded: list[str] = []
    for text in given:
        several = {"all": standard_threats(), WORST: worst_threats()}
        expanded += several.get(text, (text,))
    named = RETRAIN in {parse_threat(text).name for text in given if text not in ("all", WORST)}
    return list(dict.fromkeys(parse_threat(text) for text in expanded)), named
