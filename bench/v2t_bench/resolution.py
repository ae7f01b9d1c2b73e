"""From what a user spelled to what a cell runs: floors, paths, checkpoints."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from v2t_bench.canonical import content_hash, hash_texts
from v2t_bench.checkpoints import DEMO, Against, check_fits, place, read_checkpoint
from v2t_bench.contracts import BuildContext, Checkpoint, Embedder, Kind
from v2t_bench.errors import BadInput, MissingCheckpoint
from v2t_bench.lesson import shown_taught, taught_by
from v2t_bench.nesting import inner_embedder, is_attack
from v2t_bench.registry import Registry, spelled_parameters
from v2t_bench.shelves import Shelves
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
        notices: What whoever runs it should know about them, one line each.
        carriers: ``<name>==<version>`` of the packages that carry them.
        pairs: True pairs of text and released vector that it learned from, itself or one that
            is nested in it; None where none is known by that number.
    """

    spelling: Spelling
    label: str
    lessons: dict[Path, Lesson] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    pairs: int | None = None


@dataclass(frozen=True)
class _Found:
    """A checkpoint, the lesson if it must still be trained, and what to tell."""

    checkpoint: Checkpoint
    lesson: Lesson | None = None
    notice: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckpointFinder:
    """Finds the checkpoint of every learned attack in a spelling.

    Args:
        registry: Says which attacks are learned.
        context: Builds the embedders of attacks that bring vectors to another space.
        embedder: The attacked embedder.
        embedder_text: As the user spelled it, for the line to run.
        max_tokens: The length of the attacked texts.
        shelves: All that are known.
        demo_lessons: For a demo corpus: attack name to its lesson, which is given where no
            package carries a fitting checkpoint. Demo checkpoints serve demo corpora and
            nothing else.
        demo_folder: Where the checkpoints of demo lessons go.
        against: The defense that the checkpoints are to be trained against; None: none.
    """

    registry: Registry
    context: BuildContext
    embedder: Embedder
    embedder_text: str
    max_tokens: int
    shelves: Shelves = field(default_factory=Shelves)
    demo_lessons: dict[str, Lesson] = field(default_factory=dict)
    demo_folder: Path = Path()
    against: Against | None = None

    def resolve(self, attack: Spelling) -> Resolved:
        """Return the attack with every checkpoint found.

        Raises:
            MissingCheckpoint: none fits; the text holds the train line to run.
            SpaceMismatch, BadInput, UnknownComponent, CorruptArtifact: the one given, or
                the packaged one that fits, cannot be used.
        """
        named: dict[str, Value] = dict(attack.named)
        shown: dict[str, Value] = dict(attack.named)
        lessons: dict[Path, Lesson] = {}
        flags: list[str] = []
        notices: list[str] = []
        carriers: list[str] = []
        pairs: int | None = None
        for key, value in attack.named.items():
            if is_attack(value, self.registry):
                inner = self._within(attack).resolve(value)
                named[key], shown[key] = inner.spelling, parse(inner.label)
                lessons |= inner.lessons
                flags += inner.flags
                notices += inner.notices
                carriers += inner.carriers
                pairs = inner.pairs if pairs is None else pairs
        recipe = self.registry.entry("attacks", attack.name).recipe
        if recipe.learned and not any(key in attack.named for key in recipe.own_weights):
            given = attack.named.get("checkpoint")
            found = self._find(attack, None if given is None else str(given))
            checkpoint = found.checkpoint
            named["checkpoint"], shown["checkpoint"] = str(checkpoint.folder), checkpoint.identity
            if found.lesson is not None:
                lessons[checkpoint.folder] = found.lesson
            flags += self._flags(checkpoint)
            notices.append(found.notice)
            carriers.append(checkpoint.distribution)
            pairs = pairs if checkpoint.pairs is None else checkpoint.pairs
        return Resolved(
            Spelling(attack.name, (), named),
            str(without_paths(Spelling(attack.name, (), shown))),
            lessons,
            tuple(dict.fromkeys(flags)),
            tuple(dict.fromkeys(filter(None, notices))),
            tuple(dict.fromkeys(filter(None, carriers))),
            pairs,
        )

    def _flags(self, checkpoint: Checkpoint) -> list[str]:
        flags = []
        if not checkpoint.serves(self.max_tokens):
            flags.append(f"trained-on-{checkpoint.lengths}-tokens")
        if checkpoint.defense:
            flags.append(f"{TRAINED_AGAINST}{checkpoint.defense}")
        return flags

    def _within(self, attack: Spelling) -> CheckpointFinder:
        """Return the finder for the attacks nested in ``attack``, of the embedder they invert."""
        inner = inner_embedder(self.registry, attack)
        if inner is None:
            return self
        embedder: Embedder = self.registry.build("embedders", inner, self.context)
        lessons = {
            name: replace(lesson, embedder=str(inner)) for name, lesson in self.demo_lessons.items()
        }
        return replace(self, embedder=embedder, embedder_text=str(inner), demo_lessons=lessons)

    def _find(self, spelling: Spelling, given: str | None) -> _Found:
        attack, space = spelling.name, self.embedder.space
        taught = taught_by(self.registry, spelling)
        shown = shown_taught(taught)
        if given is not None:
            checkpoint = self._given(given, attack)
            check_fits(checkpoint, attack=attack, space=space, taught=shown)
            if self.against is not None and checkpoint.defense != self.against.shown:
                raise BadInput(
                    f"{place(checkpoint)} was trained against {checkpoint.defense or 'no defense'},"
                    f" and adaptive:retrain wants one trained against {self.against.shown}; leave "
                    "checkpoint= out to have it found"
                )
            return _Found(checkpoint)
        if attack in self.demo_lessons:
            return self._demo(attack, replace(self.demo_lessons[attack], taught=taught))
        choice = self.shelves.choose(attack, space, self.max_tokens, shown, self.against)
        if choice.checkpoint is None:
            raise MissingCheckpoint(
                self.train_line(str(Spelling(attack, (), taught))),
                others=self.shelves.of_other_lengths(attack, space, shown),
            )
        return _Found(choice.checkpoint, notice=choice.notice)

    def _given(self, given: str, attack: str) -> Checkpoint:
        """Return the checkpoint in a folder, or else the packaged one of that name."""
        folder = Path(given).expanduser()
        # What looks like a path is one, whether it is there or not.
        if folder.is_dir() or "/" in given or "\\" in given:
            return read_checkpoint(folder)
        return self.shelves.named(given, attack)

    def _demo(self, attack: str, lesson: Lesson) -> _Found:
        """Return the packaged checkpoint of the demo texts, or the one that is to be trained."""
        space = self.embedder.space
        shown = shown_taught(lesson.taught)
        notice = ""
        if self.against is None:
            choice = self.shelves.choose_demo(
                attack, space, self.max_tokens, hash_texts(lesson.texts), shown
            )
            if choice.checkpoint is not None:
                return _Found(choice.checkpoint, notice=choice.notice)
            notice = choice.notice
        else:
            lesson = replace(lesson, defense=self.against.text, owner_seed=self.against.owner_seed)
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
            taught=shown,
            defense="" if self.against is None else self.against.shown,
            owner_seed=None if self.against is None else self.against.owner_seed,
        )
        return _Found(planned, lesson, notice)

    def train_line(self, attack: str) -> str:
        """Return the command that makes the checkpoint that is missing."""
        words = ["v2t-bench", "train", attack, "--texts", "FILE"]
        words += ["--embedder", self.embedder_text, "--max-tokens", str(self.max_tokens)]
        if self.against is not None:
            words += ["--defense", self.against.text]
            if self.against.owner_seed is not None:
                words += ["--owner-seed", str(self.against.owner_seed)]
        return shlex.join(words)


def missing_lines(errors: Sequence[MissingCheckpoint]) -> MissingCheckpoint:
    """Return one error for every train line that must be run first."""
    distinct = list(dict.fromkeys(str(error) for error in errors))
    others = list(dict.fromkeys(line for error in errors for line in error.others))
    return MissingCheckpoint(
        "no fitting checkpoint for "
        + " and ".join(shlex.split(line)[2] for line in distinct)
        + (f" ({', '.join(others)})" if others else "")
        + "; train first (FILE holds one text a line): "
        + " && ".join(distinct)
    )
