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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench.canonical import content_hash, empty_ones_removed, hash_texts, write_atomically
from v2t_bench.checkpoints import RECORD, CheckpointRecord, read_checkpoint
from v2t_bench.contracts import (
    BuildContext,
    Checkpoint,
    Embedder,
    LearnedAttack,
    Release,
    Role,
    TrainContext,
    Vectors,
    as_they_are,
    check_guesses,
)
from v2t_bench.environment import describe, has_fast_bfloat16
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.lengths import cut_unlike
from v2t_bench.lesson import Lesson as Lesson
from v2t_bench.lesson import demo_lesson as demo_lesson
from v2t_bench.lesson import shown_taught
from v2t_bench.model_card import model_card
from v2t_bench.processes import ALONE, Processes
from v2t_bench.registry import Registry
from v2t_bench.release import KnownDefense, check_was_asked, trained_against
from v2t_bench.scorecard import leakage_scores, per_text_scores
from v2t_bench.shown import hash_folder, shown_composition
from v2t_bench.spelling import Spelling
from v2t_bench.stopwatch import Stopwatch
from v2t_bench.text_hashes import write_hashes
from v2t_bench.texts import Cut, cut
from v2t_bench.vectors import VectorCache, oracle_of

log = logging.getLogger(__name__)

# Held back from training, at most this many and at most this share of the texts.
EVALUATED = 500
EVALUATED_SHARE = 20
# Enough for a mean whose error is below a hundredth of a unit vector's length.
MEAN_OF = 16_384
MIN_TEXTS = 60


@dataclass(frozen=True, kw_only=True)
class School:
    """What every training needs besides its lesson.

    With several ``processes`` each calls `train` with the same lesson; the main one writes.
    """

    registry: Registry
    embedder: Embedder
    embedder_text: str
    context: BuildContext
    cache: VectorCache
    progress: Callable[[str], None] = lambda line: None
    processes: Processes = ALONE

    def train(self, lesson: Lesson, out: Path) -> Checkpoint:
        """Train, test, and return the checkpoint written to ``out``.

        A training that was killed goes on from its last saved state when it is asked for
        again with the same lesson and the same ``out``.

        Raises:
            BadInput: too few texts, or ``out`` exists.
            BadParameter: the attack is not a learned one or refuses an option, or the
                defense cannot be trained against.
        """
        if out.exists():
            raise BadInput(f"{out} exists already; choose another folder with -o or remove it")
        lesson = replace(
            lesson,
            defense=trained_against(self.registry, lesson.defense),
            fast_vectors=lesson.fast_vectors and has_fast_bfloat16(self.context.device),
        )
        attack, (known, held_back, facts) = self._pupil(lesson), self._split(lesson)
        work, made = self._places(lesson, out)
        release = self._release(lesson, known)
        # Every process asks for the kept texts, and for different ones besides.
        kept: list[int] = []

        def keep(texts: Sequence[str], role: Role) -> Vectors:
            kept.append(len(texts))
            return self._kept(self.embedder, texts, role, lesson.fast_vectors)

        oracle = oracle_of(self.embedder, keep=keep, fast=lesson.fast_vectors)
        watch = Stopwatch(work / "seconds.json")
        context = self._train_context(lesson, work, made, release, watch)
        with empty_ones_removed(made, work):
            report = attack.train(known, oracle, context)
        seconds, trained = {"train": watch.seconds}, time.monotonic()
        check_was_asked(release, lesson.attack)
        asked = sum(kept) + self.processes.totals([oracle.texts_asked - sum(kept)])[0]
        if self.processes.is_main:
            self._write_mean(lesson, known, made, release)
            facts |= write_hashes(known, made, kept=lesson.ngrams)
            scores = self._evaluate(lesson, held_back, made, release)
            seconds["evaluate"] = time.monotonic() - trained
            record = CheckpointRecord(
                **self._circumstances(lesson),
                texts=facts,
                taught=shown_taught(lesson.taught),
                facts=_plain(report.facts),
                recipe=_plain(report.recipe),
                scores=scores,
                curve=[_plain(row) for row in report.curve],
                oracle_texts=int(asked),
                seconds=seconds,
                files=hash_folder(made),
            )
            write_atomically(made / "README.md", model_card(record, lesson))
            write_atomically(made / RECORD, record.model_dump_json(indent=1) + "\n")
            made.rename(out)
            shutil.rmtree(work, ignore_errors=True)
        self.processes.wait()
        return read_checkpoint(out)

    def _circumstances(self, lesson: Lesson) -> dict[str, Any]:
        """Return the fields of a record that are known before anything is learned."""
        return {
            "attack": lesson.attack,
            "embedder": self.embedder_text,
            "space": asdict(self.embedder.space),
            "dim": self.embedder.dim,
            "min_tokens": lesson.min_tokens,
            "fast_vectors": lesson.fast_vectors,
            "max_tokens": lesson.max_tokens,
            "trained_on": lesson.trained_on,
            "text_licence": lesson.text_licence,
            "text_source": lesson.text_source,
            "defense": shown_composition(lesson.defense) if lesson.defense else "",
            "defense_seed": (
                lesson.defense_seed if lesson.defense and lesson.owner_seed is None else None
            ),
            "owner_seed": lesson.owner_seed if lesson.defense else None,
            "environment": describe(self.context.device) | {"processes": self.processes.count},
        }

    def _pupil(self, lesson: Lesson) -> LearnedAttack:
        recipe = self.registry.entry("attacks", lesson.attack).recipe
        if not recipe.learned:
            learned = [e.recipe.name for e in self.registry.entries("attacks") if e.recipe.learned]
            raise BadParameter(
                f"attack {lesson.attack!r} learns nothing and needs no training "
                f"(attacks that do: {', '.join(learned)})"
            )
        spelling = Spelling(lesson.attack, (), lesson.taught)
        attack: LearnedAttack = self.registry.build("attacks", spelling, self.context)
        return attack

    def _split(self, lesson: Lesson) -> tuple[list[str], list[str], dict[str, Any]]:
        """Return the texts to learn, those held back for testing, and what was counted."""
        prepared = self._cut(lesson, lesson.texts)
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
            "titles": lesson.titles,
            "sha256": hash_texts(lesson.texts),
        }
        return [t for t in distinct if t not in held_back], order[:n], facts

    def _cut(self, lesson: Lesson, texts: Sequence[str]) -> Cut:
        if lesson.min_tokens is None:
            return cut(self.embedder, texts, lesson.max_tokens)
        lengths = {"min_tokens": lesson.min_tokens, "max_tokens": lesson.max_tokens}
        return cut_unlike(self.embedder, texts, **lengths)

    def _places(self, lesson: Lesson, out: Path) -> tuple[Path, Path]:
        """Return the scratch folder that survives a kill and the empty folder to be filled.

        The one that other processes fill lies in the scratch folder, and goes with it.
        """
        mark = content_hash(lesson.identity(self.embedder))[:12]
        work = out.parent / f".{out.name}-{mark}.work"
        made = out.parent / f".{out.name}-{mark}.partial"
        if not self.processes.is_main:
            made = work / f"process-{self.processes.rank}"
        with self.processes.main_first():
            try:
                work.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
            except OSError as error:
                raise BadInput(f"{out.parent} cannot be written ({error.strerror})") from error
        return work, made

    def _kept(
        self, embedder: Embedder, texts: Sequence[str], role: Role = "document", fast: bool = False
    ) -> Vectors:
        """Return stored vectors, (n, d), in every process; the main one embeds them."""
        with self.processes.main_first():
            return self.cache.vectors(embedder, texts, role, fast=fast)

    def _release(self, lesson: Lesson, known: Sequence[str]) -> Release:
        """Return what makes released vectors of clean ones; what cannot be lifted is refused."""
        if not lesson.defense:
            return as_they_are
        clean = self._kept(self.embedder, known, fast=lesson.fast_vectors)
        return KnownDefense.build(
            self.registry,
            self.context,
            lesson.defense,
            seed=lesson.defense_seed,
            owner_seed=lesson.owner_seed,
            clean=clean,
        )

    def _train_context(
        self, lesson: Lesson, work: Path, made: Path, release: Release, watch: Stopwatch
    ) -> TrainContext:
        def tell(line: str) -> None:
            if self.processes.is_main:
                watch.note()
                self.progress(line)

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
            progress=tell,
            release=release,
            dev=self._cut(lesson, lesson.dev).texts,
            embedded=self._kept,
            processes=self.processes,
        )

    def _write_mean(
        self, lesson: Lesson, texts: Sequence[str], made: Path, release: Release
    ) -> None:
        """Store the mean training vector, (1, d): what the floor ``prior`` is given."""
        from safetensors.numpy import save_file

        fast = lesson.fast_vectors
        vectors = self.cache.vectors(self.embedder, texts, "document", fast=fast)[:MEAN_OF]
        vectors = release(vectors, texts[:MEAN_OF])
        mean = vectors.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
        save_file({"mean": mean}, made / "mean.safetensors")

    def _evaluate(
        self, lesson: Lesson, texts: Sequence[str], made: Path, release: Release
    ) -> dict[str, Any]:
        """Return the scores on the texts held back, with the parameters its recipe tests."""
        recipe = self.registry.entry("attacks", lesson.attack).recipe
        if recipe.inner_embedder:
            return {}  # the attack nested in it writes the texts
        told = Spelling(lesson.attack, (), dict(recipe.tested))
        spelling = Spelling(told.name, (), {**told.named, "checkpoint": str(made)})
        attack = self.registry.build("attacks", spelling, self.context)
        vectors = release(self.cache.vectors(self.embedder, texts, "document"), texts)
        guesses = attack.invert(vectors, oracle_of(self.embedder))
        guesses = check_guesses(guesses, rows=len(texts), who=lesson.attack)
        measured = leakage_scores(per_text_scores(texts, guesses, self.embedder.space))
        return {
            "attack": str(self.registry.canonical("attacks", told)),
            **{name: score.model_dump() for name, score in measured.items()},
        }


def _plain(values: Any) -> dict[str, Any]:
    """Return a mapping as JSON would give it back."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
    return plain
