"""Which cells exist: every combination that was asked for, with floors and references.

Planning builds nothing heavy and embeds nothing; it ends with the identity of every cell,
so that what is finished can be told before anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from v2t_bench.composition import build_defense, canonical_defense
from v2t_bench.contracts import (
    BuildContext,
    Defense,
    Embedder,
    Kind,
    Secret,
)
from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.records import Corpus
from v2t_bench.errors import BadParameter, MissingCheckpoint
from v2t_bench.registry import Registry
from v2t_bench.release import UNDEFENDED
from v2t_bench.resolution import (
    PRIOR,
    SILENT,
    CheckpointFinder,
    Resolved,
    check_space,
    expand,
    missing_lines,
    with_floors,
)
from v2t_bench.results import (
    BFLOAT16,
    METRICS_VERSION,
    ORACLE_ARITHMETIC,
    SEARCH_VERSION,
    CellKind,
    cell_id,
)
from v2t_bench.shelves import Shelves
from v2t_bench.shown import without_paths
from v2t_bench.spelling import Spelling, Value, parse, parse_composition
from v2t_bench.texts import Track, cut
from v2t_bench.threat import Threat, parse_threat
from v2t_bench.training import Lesson, demo_lesson

DEMO_TEXTS = 60
DEFAULT_TEXTS = 500


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What was asked for; every list is crossed with every other.

    Args:
        datasets, embedders, attacks, defenses, threats: Spellings; ``all`` is understood.
        seeds: Of the owner's secret, for defenses that draw.
        track: ``cut`` or ``chunks``.
        max_tokens: The embedder's tokens of each text, special ones included.
        n_texts: Attacked texts of each corpus; None for 60 (demo) or 500.
        sample_seed: Of the attacked sample.
        limit: Attack at most so many; the rows are marked unofficial.
        fast_oracle: Whether attackers' questions are answered in bfloat16. It is part of every
            leakage cell: whether an attack asks is only known once it has run.
    """

    datasets: tuple[str, ...]
    embedders: tuple[str, ...]
    attacks: tuple[str, ...]
    defenses: tuple[str, ...]
    threats: tuple[str, ...] = ("oblivious",)
    seeds: tuple[int, ...] = (0,)
    track: Track = "cut"
    max_tokens: int = 32
    n_texts: int | None = None
    sample_seed: int = 0
    limit: int | None = None
    fast_oracle: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement: its identity, and what the harness needs to make it."""

    kind: CellKind
    identity: dict[str, Any]
    labels: dict[str, Any]
    defense_text: str
    secret_seed: int
    attack: Resolved | None = None
    threat: Threat | None = None
    references: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def cell_id(self) -> str:
        """The cell's name: a hash of its identity."""
        return cell_id(self.identity)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One corpus under one embedder, and the cells that share its vectors."""

    corpus: Corpus
    embedder: Embedder
    embedder_text: str
    grid: Grid
    n_texts: int
    cells: tuple[Cell, ...]

    @property
    def lessons(self) -> dict[Path, Lesson]:
        """What must be trained before the cells can run, by folder."""
        lessons: dict[Path, Lesson] = {}
        for cell in self.cells:
            if cell.attack is not None:
                lessons |= cell.attack.lessons
        return lessons

    @property
    def notices(self) -> list[str]:
        """What whoever runs the cells should know about the checkpoints, one line each."""
        attacks = [cell.attack for cell in self.cells if cell.attack is not None]
        return list(dict.fromkeys(line for attack in attacks for line in attack.notices))


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Turns a grid into scenes.

    Args:
        registry: What is on offer.
        context: Builds embedders and defenses.
        shelves: Folders in whose subfolders checkpoints lie; the first takes the demo's.
    """

    registry: Registry
    context: BuildContext
    shelves: Sequence[Path]

    def plan(self, grid: Grid) -> list[Scene]:
        """Return the scenes of the grid, in the order asked for.

        Raises:
            UsageError: anything at all cannot be run as asked; nothing has run yet.
        """
        _check(grid)
        attacks = [parse(text) for text in expand(self.registry, "attacks", grid.attacks)]
        attacks = with_floors(self.registry, attacks)
        # Building loads nothing; it refuses what is out of range before anything runs.
        for attack in attacks:
            self.registry.build("attacks", attack, self.context)
        defenses = [UNDEFENDED, *expand(self.registry, "defenses", grid.defenses)]
        defenses = list(dict.fromkeys(canonical_defense(self.registry, d) for d in defenses))
        for text in defenses:
            build_defense(self.registry, text, self.context, Secret.from_seed(0))
        threats = [parse_threat(text) for text in dict.fromkeys(grid.threats)]
        corpora = _distinct([c for name in grid.datasets for c in open_corpora(name)])
        known = Shelves.open(self.shelves, self.registry)
        scenes, missing = [], []
        embedders = {
            str(self.registry.canonical("embedders", parse(text))): text
            for text in reversed(expand(self.registry, "embedders", grid.embedders))
        }
        for text in reversed(embedders.values()):
            embedder: Embedder = self.registry.build("embedders", text, self.context)
            cut(embedder, [], grid.max_tokens)  # refuses a length the embedder cannot have
            for corpus in corpora:
                finder = self._finder(grid, corpus, embedder, text, known)
                resolved = []
                for attack in attacks:
                    try:
                        resolved.append(finder.resolve(attack))
                    except MissingCheckpoint as error:
                        missing.append(error)
                    check_space(self.registry, self.context, attack, embedder.space)
                cast = _Cast(self.registry, self.context, grid, corpus, embedder, text)
                scenes.append(cast.scene(resolved, defenses, threats))
        if missing:
            raise missing_lines(missing)
        return scenes

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


@dataclass(frozen=True)
class _Cast:
    """Puts the cells of one scene together."""

    registry: Registry
    context: BuildContext
    grid: Grid
    corpus: Corpus
    embedder: Embedder
    embedder_text: str

    def scene(
        self, attacks: Sequence[Resolved], defenses: Sequence[str], threats: Sequence[Threat]
    ) -> Scene:
        cells: list[Cell] = []
        for defense in defenses:
            for seed in self._seeds(defense):
                utility = self._utility(defense, seed)
                cells.append(utility)
                for threat in threats:
                    for attack in attacks:
                        if defense != defenses[0] and self._ignores_vectors(attack):
                            continue
                        cells.append(self._leakage(utility, attack, threat))
        cells = [self._with_references(cell, cells, defenses[0]) for cell in cells]
        return Scene(
            corpus=self.corpus,
            embedder=self.embedder,
            embedder_text=self.embedder_text,
            grid=self.grid,
            n_texts=self._n_texts(),
            cells=tuple(cells),
        )

    def _seeds(self, defense: str) -> list[int | None]:
        """Return the secret's seeds that make a difference to the defense."""
        built: Defense = build_defense(self.registry, defense, self.context, Secret.from_seed(0))
        if built.stochastic or built.keyed:
            return list(dict.fromkeys(self.grid.seeds))
        return [None]

    @staticmethod
    def _ignores_vectors(attack: Resolved) -> bool:
        """Whether the guesses cannot depend on the released vectors, so one row is enough."""
        return attack.spelling.name in (PRIOR, SILENT)

    def _n_texts(self) -> int:
        default = DEMO_TEXTS if self.corpus.training_texts else DEFAULT_TEXTS
        n_texts = self.grid.n_texts or default
        return min(n_texts, self.grid.limit) if self.grid.limit else n_texts

    def _utility(self, defense: str, seed: int | None) -> Cell:
        grid, corpus = self.grid, self.corpus
        used = [("embedders", parse(self.embedder_text))]
        used += [("defenses", part) for part in parse_composition(defense)]
        plugins = _plugins(self.registry, used)
        shown = "+".join(str(without_paths(part)) for part in parse_composition(defense))
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
        built = build_defense(self.registry, defense, self.context, Secret.from_seed(0))
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
        }
        return Cell(
            kind="utility",
            identity=identity,
            labels=labels,
            defense_text=defense,
            secret_seed=seed or 0,
        )

    def _leakage(self, utility: Cell, attack: Resolved, threat: Threat) -> Cell:
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
        flags = list(attack.flags)
        if self.grid.limit is not None:
            flags.append("unofficial")
        labels = {
            **utility.labels,
            "attack": attack.label,
            "threat": threat.name,
            "oracle": threat.oracle,
            "pairs": attack.pairs,
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
            threat=threat,
            references={"utility": utility.cell_id},
        )

    @staticmethod
    def _with_references(cell: Cell, cells: Sequence[Cell], undefended: str) -> Cell:
        """Return the cell knowing the undefended rows and the prior it is read against."""
        references = dict(cell.references)
        for other in cells:
            if other.defense_text != undefended:
                continue
            if other.kind == "utility":
                references["undefended_utility"] = other.cell_id
            elif cell.attack is not None and other.attack is not None:
                if other.threat != cell.threat:
                    continue
                if other.attack.label == cell.attack.label:
                    references["undefended"] = other.cell_id
                inner = other.attack.spelling.named.get("attack")
                if other.attack.spelling.name == PRIOR and inner == cell.attack.spelling:
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
