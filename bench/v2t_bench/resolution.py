"""From what a user spelled to what a cell runs: floors, paths, checkpoints."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from v2t_bench.canonical import content_hash
from v2t_bench.checkpoints import DEMO, check_fits, fitting, one_of, read_checkpoint
from v2t_bench.contracts import Attack, BuildContext, Checkpoint, Embedder, Kind, Space
from v2t_bench.errors import MissingCheckpoint
from v2t_bench.registry import Registry, spelled_parameters
from v2t_bench.shown import without_paths
from v2t_bench.spelling import Spelling, Value, parse
from v2t_bench.training import Lesson

# A flag: the defense that the attack was trained against follows.
TRAINED_AGAINST = "trained-against:"
# What every table is read against: an attacker that says nothing, one that looks up the
# closest public text, and, for each learned attack, the same attack without the vector.
SILENT, NEAREST, PRIOR = "silent", "nearest", "prior"


def expand(registry: Registry, kind: Kind, given: Sequence[str]) -> list[str]:
    """Return the spellings asked for, with ``all`` replaced by what it stands for.

    ``all`` is every component that needs no parameter, or its recipe's standard spellings;
    those for tests are left out.
    """
    expanded: list[str] = []
    for text in given:
        if text != "all":
            expanded.append(text)
            continue
        for entry in registry.entries(kind):
            required = [
                p for p in spelled_parameters(entry.recipe) if p.default is inspect.Parameter.empty
            ]
            if entry.recipe.for_tests:
                continue
            if entry.recipe.standard:
                expanded += entry.recipe.standard
            elif not required:
                expanded.append(entry.recipe.name)
    return list(dict.fromkeys(expanded))


def with_floors(registry: Registry, attacks: Sequence[Spelling]) -> list[Spelling]:
    """Return the attacks with the floors before them, each once."""
    floors = [Spelling(SILENT)]
    # One that was asked for, perhaps with its checkpoint, is the floor as well.
    if all(attack.name != NEAREST for attack in attacks):
        floors.append(Spelling(NEAREST))
    for attack in attacks:
        learned = registry.entry("attacks", attack.name).recipe.learned
        if learned and attack.name != NEAREST:
            floors.append(Spelling(PRIOR, (attack,)))
    canonical = [registry.canonical("attacks", s) for s in [*floors, *attacks]]
    return list(dict.fromkeys(canonical))


@dataclass(frozen=True)
class Resolved:
    """An attack ready to be built.

    Args:
        spelling: Canonical, every learned attack with its checkpoint's path.
        label: The same, with ``<folder name>@<12 hex>`` in place of paths.
        lessons: What must still be trained, by the folder it goes to.
        flags: What a reader of the row should know about the checkpoints.
    """

    spelling: Spelling
    label: str
    lessons: dict[Path, Lesson] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckpointFinder:
    """Finds the checkpoint of every learned attack in a spelling.

    Args:
        registry: Says which attacks are learned.
        embedder: The attacked embedder.
        embedder_text: As the user spelled it, for the line to run.
        max_tokens: The length of the attacked texts.
        checkpoints: All that are known.
        demo_lessons: For a demo corpus: attack name to its lesson. Demo checkpoints serve
            demo corpora and nothing else.
        demo_folder: Where the checkpoints of demo lessons go.
    """

    registry: Registry
    embedder: Embedder
    embedder_text: str
    max_tokens: int
    checkpoints: Sequence[Checkpoint] = ()
    demo_lessons: dict[str, Lesson] = field(default_factory=dict)
    demo_folder: Path = Path()

    def resolve(self, attack: Spelling) -> Resolved:
        """Return the attack with every checkpoint found.

        Raises:
            MissingCheckpoint: none fits; the text holds the train line to run.
            SpaceMismatch, BadInput, CorruptArtifact: the one given cannot be used.
        """
        named: dict[str, Value] = dict(attack.named)
        shown: dict[str, Value] = dict(attack.named)
        lessons: dict[Path, Lesson] = {}
        flags: list[str] = []
        for key, value in attack.named.items():
            if isinstance(value, Spelling):
                inner = self.resolve(value)
                named[key], shown[key] = inner.spelling, parse(inner.label)
                lessons |= inner.lessons
                flags += inner.flags
        recipe = self.registry.entry("attacks", attack.name).recipe
        if recipe.learned and not any(key in attack.named for key in recipe.own_weights):
            given = attack.named.get("checkpoint")
            found, lesson = self._find(attack.name, None if given is None else str(given))
            named["checkpoint"], shown["checkpoint"] = str(found.folder), found.identity
            if lesson is not None:
                lessons[found.folder] = lesson
            if found.max_tokens != self.max_tokens:
                flags.append(f"trained-on-{found.max_tokens}-tokens")
            if found.defense:
                flags.append(f"{TRAINED_AGAINST}{found.defense}")
        return Resolved(
            Spelling(attack.name, (), named),
            str(without_paths(Spelling(attack.name, (), shown))),
            lessons,
            tuple(dict.fromkeys(flags)),
        )

    def _find(self, attack: str, given: str | None) -> tuple[Checkpoint, Lesson | None]:
        space = self.embedder.space
        if given is not None:
            checkpoint = read_checkpoint(Path(given).expanduser())
            check_fits(checkpoint, attack=attack, space=space)
            return checkpoint, None
        if attack in self.demo_lessons:
            lesson = self.demo_lessons[attack]
            mark = content_hash(lesson.identity(self.embedder))[:12]
            planned = Checkpoint(
                attack=attack,
                space=space,
                dim=self.embedder.dim,
                max_tokens=self.max_tokens,
                trained_on=DEMO,
                folder=self.demo_folder / f"demo-{attack}-{mark}",
                # By recipe and not by content: other processors round differently.
                identity=f"demo@{mark}",
            )
            return planned, lesson
        candidates = fitting(
            self.checkpoints, attack=attack, space=space, max_tokens=self.max_tokens
        )
        found = one_of(candidates, attack)
        if found is None:
            raise MissingCheckpoint(self.train_line(attack))
        return found, None

    def train_line(self, attack: str) -> str:
        """Return the command that makes the checkpoint that is missing."""
        words = ["v2t-bench", "train", attack, "--texts", "FILE"]
        words += ["--embedder", self.embedder_text, "--max-tokens", str(self.max_tokens)]
        return shlex.join(words)


def check_space(registry: Registry, context: BuildContext, attack: Spelling, space: Space) -> None:
    """Ask the attacks that care, nested ones too, whether they can invert ``space``.

    Raises:
        SpaceMismatch: one of them cannot.
    """
    for value in (attack, *attack.named.values()):
        if not isinstance(value, Spelling):
            continue
        if registry.nested_kind("attacks", value) == "attacks":
            built: Attack = registry.build("attacks", value, context)
            check = getattr(built, "check_space", None)
            if check is not None:
                check(space)


def missing_lines(lines: Sequence[str]) -> MissingCheckpoint:
    """Return one error for every train line that must be run first."""
    distinct = list(dict.fromkeys(lines))
    return MissingCheckpoint(
        "no fitting checkpoint for "
        + " and ".join(shlex.split(line)[2] for line in distinct)
        + "; train first (FILE holds one text a line): "
        + " && ".join(distinct)
    )
