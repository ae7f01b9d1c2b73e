"""The cells of one corpus under one embedder: every combination, with its references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from v2t_bench.canonical import hash_texts
from v2t_bench.cells import Cell, Grid, Scene
from v2t_bench.checkpoints import Against
from v2t_bench.contracts import BuildContext, Defense, Embedder, Kind
from v2t_bench.corpora.records import Corpus
from v2t_bench.errors import MissingCheckpoint
from v2t_bench.nesting import learns
from v2t_bench.registry import Registry
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import PRIOR, SILENT, CheckpointFinder, Resolved
from v2t_bench.results import (
    ADAPTATION_VERSION,
    BFLOAT16,
    METRICS_VERSION,
    ORACLE_ARITHMETIC,
    SEARCH_VERSION,
)
from v2t_bench.shown import shown_composition, without_paths
from v2t_bench.spelling import Spelling, Value, parse, parse_composition
from v2t_bench.threat import RETRAIN, Threat, inadmissible

DEMO_TEXTS = 60
DEFAULT_TEXTS = 500


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Puts the cells of one scene together.

    Args:
        registry, context: Build defenses.
        grid: What was asked for.
        corpus: Of the scene.
        embedder: Likewise.
        embedder_text: As the user spelled it.
        finder: Finds attacks trained against a defense.
        public: Texts that attackers have besides.
        insists: Whether a missing retrained attack is an error, or only skipped.
        missing: Takes the errors for trained attacks that are missing.
    """

    registry: Registry
    context: BuildContext
    grid: Grid
    corpus: Corpus
    embedder: Embedder
    embedder_text: str
    finder: CheckpointFinder
    public: Sequence[str]
    insists: bool
    missing: list[MissingCheckpoint]

    def scene(
        self,
        attacks: Sequence[tuple[Spelling, Resolved]],
        asked: Sequence[Spelling],
        defenses: Mapping[str, Defense],
        threats: Sequence[Threat],
    ) -> Scene:
        """Return every combination.

        Args:
            attacks: As they are spelled and as they are run, the floors among them.
            asked: Those of them that were asked for: they are retrained.
            defenses: By canonical spelling, not fitted; the first is no defense.
            threats: Each is met by every defense; where there is none only the first kind is.
        """
        cells: list[Cell] = []
        for text, defense in defenses.items():
            undefended = text == UNDEFENDED
            for seed in self._seeds(defense):
                utility = self._utility(text, defense, seed)
                cells.append(utility)
                if defense.opaque:
                    continue
                for threat in (Threat(),) if undefended else threats:
                    for spelling, attack in attacks:
                        if not undefended and self._ignores_vectors(attack):
                            continue
                        cells += self._met(utility, defense, threat, spelling, attack, asked)
        references = [self._with_references(cell, cells) for cell in cells]
        return Scene(
            corpus=self.corpus,
            embedder=self.embedder,
            embedder_text=self.embedder_text,
            grid=self.grid,
            n_texts=self._n_texts(),
            cells=tuple(references),
            public=self.public,
        )

    def _met(
        self,
        utility: Cell,
        defense: Defense,
        threat: Threat,
        spelling: Spelling,
        attack: Resolved,
        asked: Sequence[Spelling],
    ) -> list[Cell]:
        """Return the one cell of an attack under a threat, or none where it says nothing new."""
        cell = self._leakage(utility, attack, threat, spelling)
        reason = inadmissible(threat, keyed=defense.keyed)
        if reason:
            return [replace(cell, skip=reason)]
        if threat.name != RETRAIN:
            return [cell]
        if spelling not in asked:
            return []
        if not learns(spelling, self.registry):
            return [replace(cell, skip=f"{spelling.name} learns nothing, so it is not retrained")]
        shown = utility.labels["defense"]
        owner_seed = utility.secret_seed if defense.keyed else None
        against = Against(utility.defense_text, shown, owner_seed)
        try:
            retrained = replace(self.finder, against=against).resolve(spelling)
        except MissingCheckpoint as error:
            if self.insists:
                self.missing.append(error)
            return [replace(cell, skip=f"not trained; run {error}")]
        return [self._leakage(utility, retrained, threat, spelling)]

    def _seeds(self, defense: Defense) -> list[int | None]:
        """Return the secret's seeds that make a difference to the defense."""
        return list(dict.fromkeys(self.grid.seeds)) if defense.stochastic else [None]

    @staticmethod
    def _ignores_vectors(attack: Resolved) -> bool:
        """Whether the guesses cannot depend on the released vectors, so one row is enough."""
        return attack.spelling.name in (PRIOR, SILENT)

    def _n_texts(self) -> int:
        default = DEMO_TEXTS if self.corpus.training_texts else DEFAULT_TEXTS
        n_texts = self.grid.n_texts or default
        return min(n_texts, self.grid.limit) if self.grid.limit else n_texts

    def _utility(self, defense: str, built: Defense, seed: int | None) -> Cell:
        grid, corpus = self.grid, self.corpus
        used = [("embedders", parse(self.embedder_text))]
        used += [("defenses", part) for part in parse_composition(defense)]
        plugins = _plugins(self.registry, used)
        shown = shown_composition(defense)
        identity = {
            "kind": "utility",
            "corpus": corpus.name,
            "fingerprint": corpus.fingerprint,
            "split": corpus.split,
            "track": grid.track,
            "max_tokens": grid.max_tokens,
            "space": asdict(self.embedder.space),
            "dim": self.embedder.dim,
            "defense": shown,
            "defense_seed": seed,
            "metrics": METRICS_VERSION,
            "search": SEARCH_VERSION,
            "plugins": plugins,
        }
        canonical = self.registry.canonical("embedders", parse(self.embedder_text))
        labels = {
            "corpus": corpus.name,
            "track": grid.track,
            "fingerprint": corpus.fingerprint[:12],
            "max_tokens": grid.max_tokens,
            "embedder": str(without_paths(canonical)),
            "defense": shown,
            "noise_on": built.on if defense != UNDEFENDED else "",
            "seeds": "" if seed is None else str(seed),
            **({"flags": list(corpus.flags)} if corpus.flags else {}),
        }
        return Cell(
            kind="utility",
            identity=identity,
            labels=labels,
            defense_text=defense,
            secret_seed=seed or 0,
        )

    def _leakage(self, utility: Cell, attack: Resolved, threat: Threat, asked: Spelling) -> Cell:
        attack_plugins = _plugins(self.registry, [("attacks", attack.spelling)])
        carriers = dict(carrier.split("==", 1) for carrier in attack.carriers)
        plugins = {**utility.identity["plugins"], **attack_plugins, **carriers}
        identity = {
            **utility.identity,
            "kind": "leakage",
            "n_texts": self._n_texts(),
            "sample_seed": self.grid.sample_seed,
            "limit": self.grid.limit,
            "attack": attack.label,
            "threat": str(threat),
            "plugins": dict(sorted(plugins.items())),
        }
        if self.grid.fast_oracle:
            identity[ORACLE_ARITHMETIC] = BFLOAT16
        if threat.adaptive:
            identity["adaptation"] = ADAPTATION_VERSION
        if threat.needs_public_texts:
            identity["public"] = {"texts": self._public_hash, "n": len(self.public)}
        flags = [*self.corpus.flags, *attack.flags]
        if self.grid.limit is not None:
            flags.append("unofficial")
        labels = {
            **utility.labels,
            "attack": attack.label,
            "threat": threat.name,
            "oracle": threat.oracle,
            "pairs": attack.pairs if threat.pairs is None else threat.pairs,
            "flags": flags,
            "plugins": [f"{name}=={version}" for name, version in identity["plugins"].items()],
        }
        return Cell(
            kind="leakage",
            identity=identity,
            labels=labels,
            defense_text=utility.defense_text,
            secret_seed=utility.secret_seed,
            attack=attack,
            asked=asked,
            threat=threat,
            references={"utility": utility.cell_id},
        )

    @cached_property
    def _public_hash(self) -> str:
        return hash_texts(self.public)

    @staticmethod
    def _with_references(cell: Cell, cells: Sequence[Cell]) -> Cell:
        """Return the cell knowing the undefended rows and the prior it is read against."""
        references = dict(cell.references)
        for other in cells:
            if other.defense_text != UNDEFENDED:
                continue
            if other.kind == "utility":
                references["undefended_utility"] = other.cell_id
            elif cell.asked is not None and other.asked is not None:
                if other.asked == cell.asked:
                    references["undefended"] = other.cell_id
                inner = other.asked.named.get("attack")
                if other.asked.name == PRIOR and inner == cell.asked:
                    references["prior"] = other.cell_id
        return replace(cell, references=references)


def _plugins(registry: Registry, used: Sequence[tuple[Any, Spelling]]) -> dict[str, str]:
    """Return distribution and version of every component in the spellings, nested ones too."""
    plugins: dict[str, str] = {}

    def visit(kind: Kind, spelling: Spelling) -> None:
        origin = registry.entry(kind, spelling.name).origin
        plugins[origin.distribution] = origin.version
        values: list[Value] = [*spelling.positional, *spelling.named.values()]
        for value in values:
            if isinstance(value, Spelling):
                visit(registry.nested_kind(kind, value), value)

    for kind, spelling in used:
        visit(kind, spelling)
    return dict(sorted(plugins.items()))
