"""Train an attack on texts, test it on texts held back, and leave a checkpoint.

The attack does the learning; this is everything that is the same for all of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench.canonical import content_hash, hash_file, hash_texts, write_atomically
from v2t_bench.checkpoints import RECORD, CheckpointRecord, read_checkpoint
from v2t_bench.contracts import (
    BuildContext,
    Checkpoint,
    Embedder,
    LearnedAttack,
    Size,
    TrainContext,
    check_guesses,
)
from v2t_bench.environment import describe
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.model_card import model_card
from v2t_bench.registry import Registry
from v2t_bench.scorecard import leakage_scores, per_text_scores
from v2t_bench.spelling import Spelling
from v2t_bench.texts import cut
from v2t_bench.threat import Oracle
from v2t_bench.vectors import VectorCache

log = logging.getLogger(__name__)

# Held back from training, at most this many and at most this share of the texts.
EVALUATED = 500
EVALUATED_SHARE = 20
# Enough for a mean whose error is below a hundredth of a unit vector's length.
MEAN_OF = 16_384
MIN_TEXTS = 60


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What an attack is to be taught, and with what budget.

    Args:
        attack: Name of a learned attack.
        texts: Training texts; cut, freed of blanks and of duplicates before use.
        trained_on: What the texts are called in tables.
        max_tokens: The embedder's tokens kept of each text, special ones included.
        size, steps, minutes, seed, batch_size, tokenizer, options: See `TrainContext`.
    """

    attack: str
    texts: Sequence[str]
    trained_on: str
    max_tokens: int = 32
    size: Size = "small"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch_size: int | None = None
    tokenizer: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def identity(self, embedder: Embedder) -> dict[str, Any]:
        """Return everything that decides what is learned, as plain JSON values."""
        return {
            "attack": self.attack,
            "space": asdict(embedder.space),
            "dim": embedder.dim,
            "texts": hash_texts(self.texts),
            "n_texts": len(self.texts),
            "max_tokens": self.max_tokens,
            "size": self.size,
            "steps": self.steps,
            "minutes": self.minutes,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "tokenizer": self.tokenizer,
            "options": dict(self.options),
        }


@dataclass(frozen=True, kw_only=True)
class School:
    """What every training needs besides its lesson."""

    registry: Registry
    embedder: Embedder
    embedder_text: str
    context: BuildContext
    cache: VectorCache
    progress: Callable[[str], None] = lambda line: None

    def train(self, lesson: Lesson, out: Path) -> Checkpoint:
        """Train, test, and return the checkpoint written to ``out``.

        A training that was killed goes on from its last saved state when it is asked for
        again with the same lesson and the same ``out``.

        Raises:
            BadInput: too few texts, or ``out`` exists.
            BadParameter: the attack is not a learned one or refuses an option.
        """
        if out.exists():
            raise BadInput(f"{out} exists already; choose another folder with -o or remove it")
        attack = self._pupil(lesson.attack)
        known, held_back, facts = self._split(lesson)
        work, made = self._places(lesson, out)
        oracle = Oracle(
            self.embedder.embed,
            keep=lambda texts, role: self.cache.vectors(self.embedder, texts, role),
            space=self.embedder.space,
            dim=self.embedder.dim,
        )
        started = time.monotonic()
        report = attack.train(known, oracle, self._train_context(lesson, work, made))
        trained = time.monotonic()
        self._write_mean(known, made)
        scores = self._evaluate(lesson, held_back, made)
        record = CheckpointRecord(
            attack=lesson.attack,
            embedder=self.embedder_text,
            space=asdict(self.embedder.space),
            dim=self.embedder.dim,
            max_tokens=lesson.max_tokens,
            trained_on=lesson.trained_on,
            texts=facts,
            recipe=_plain(report.recipe),
            scores=scores,
            curve=[_plain(row) for row in report.curve],
            oracle_texts=oracle.texts_asked,
            seconds={"train": trained - started, "evaluate": time.monotonic() - trained},
            environment=describe(self.context.device),
            files={
                path.relative_to(made).as_posix(): hash_file(path)
                for path in sorted(made.rglob("*"))
                if path.is_file()
            },
        )
        write_atomically(made / "README.md", model_card(record, lesson))
        write_atomically(made / RECORD, record.model_dump_json(indent=1) + "\n")
        made.rename(out)
        shutil.rmtree(work, ignore_errors=True)
        return read_checkpoint(out)

    def _pupil(self, name: str) -> LearnedAttack:
        recipe = self.registry.entry("attacks", name).recipe
        if not recipe.learned:
            learned = [e.recipe.name for e in self.registry.entries("attacks") if e.recipe.learned]
            raise BadParameter(
                f"attack {name!r} learns nothing and needs no training "
                f"(attacks that do: {', '.join(learned)})"
            )
        attack: LearnedAttack = self.registry.build("attacks", Spelling(name), self.context)
        return attack

    def _split(self, lesson: Lesson) -> tuple[list[str], list[str], dict[str, Any]]:
        """Return the texts to learn, those held back for testing, and what was counted."""
        prepared = cut(self.embedder, lesson.texts, lesson.max_tokens)
        distinct = list(dict.fromkeys(text for text in prepared.texts if text.strip()))
        if len(distinct) < MIN_TEXTS:
            raise BadInput(
                f"{len(distinct)} distinct texts are too few to train on; give at least {MIN_TEXTS}"
            )
        n = min(EVALUATED, len(distinct) // EVALUATED_SHARE)
        # By content, so that neither the order of the file nor its length decides.
        order = sorted(distinct, key=lambda text: hashlib.sha256(text.encode()).digest())
        held_back = set(order[:n])
        facts = {
            "given": len(lesson.texts),
            "learned": len(distinct) - n,
            "held_back": n,
            "cut": prepared.n_cut,
            "sha256": hash_texts(lesson.texts),
        }
        return [t for t in distinct if t not in held_back], order[:n], facts

    def _places(self, lesson: Lesson, out: Path) -> tuple[Path, Path]:
        """Return the scratch folder that survives a kill and the empty folder to be filled."""
        mark = content_hash(lesson.identity(self.embedder))[:12]
        work = out.parent / f".{out.name}-{mark}.work"
        made = out.parent / f".{out.name}-{mark}.partial"
        try:
            work.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
        except OSError as error:
            raise BadInput(f"{out.parent} cannot be written ({error.strerror})") from error
        return work, made

    def _train_context(self, lesson: Lesson, work: Path, made: Path) -> TrainContext:
        return TrainContext(
            folder=made,
            work=work,
            max_tokens=lesson.max_tokens,
            size=lesson.size,
            steps=lesson.steps,
            minutes=lesson.minutes,
            seed=lesson.seed,
            device=self.context.device,
            batch_size=lesson.batch_size,
            tokenizer=lesson.tokenizer,
            options=dict(lesson.options),
            progress=self.progress,
        )

    def _write_mean(self, texts: Sequence[str], made: Path) -> None:
        """Store the mean training vector, (1, d): what the floor ``prior`` is given."""
        from safetensors.numpy import save_file

        vectors = self.cache.vectors(self.embedder, texts, "document")[:MEAN_OF]
        mean = vectors.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
        save_file({"mean": mean}, made / "mean.safetensors")

    def _evaluate(self, lesson: Lesson, texts: Sequence[str], made: Path) -> dict[str, Any]:
        """Return the scores on the texts held back, with the attack's default parameters."""
        spelling = Spelling(lesson.attack, (), {"checkpoint": str(made)})
        attack = self.registry.build("attacks", spelling, self.context)
        embedder = self.embedder
        vectors = self.cache.vectors(embedder, texts, "document")
        oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
        guesses = check_guesses(attack.invert(vectors, oracle), rows=len(texts), who=lesson.attack)
        per_text = per_text_scores(texts, guesses, embedder.space)
        measured = leakage_scores(per_text)
        canonical = self.registry.canonical("attacks", Spelling(lesson.attack))
        return {
            "attack": str(canonical),
            **{name: score.model_dump() for name, score in measured.items()},
        }


def demo_lesson(registry: Registry, attack: str, texts: Sequence[str], max_tokens: int) -> Lesson:
    """Return the training on the demo corpora's own training texts, as the recipe sets it."""
    settings = dict(registry.entry("attacks", attack).recipe.demo)
    return Lesson(attack=attack, texts=texts, trained_on="demo", max_tokens=max_tokens, **settings)


def _plain(values: Any) -> dict[str, Any]:
    """Return a mapping as JSON would give it back."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
    return plain
