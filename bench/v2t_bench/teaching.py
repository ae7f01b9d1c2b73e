"""Train the attacks that a run lacks, each once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from v2t_bench.checkpoints import read_checkpoint
from v2t_bench.contracts import BuildContext, Embedder
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.registry import Registry
from v2t_bench.training import Lesson, School
from v2t_bench.vectors import VectorCache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Teacher:
    """Gives lessons, and does not begin anew one that failed.

    Args:
        registry, context: Build what is trained.
        cache: Keeps the vectors of training texts, which are never restricted.
        tell: Called with a line worth telling.
    """

    registry: Registry
    context: BuildContext
    cache: VectorCache
    tell: Callable[[str], None]
    _broken: dict[Path, str] = field(default_factory=dict)

    def teach(
        self, lesson: Lesson, folder: Path, *, embedder: Embedder, embedder_text: str
    ) -> None:
        """Train into ``folder`` unless a trained attack lies there.

        Args:
            lesson: What to learn.
            folder: Where the trained attack goes.
            embedder: Of whose vectors, unless the lesson names another.
            embedder_text: As it is spelled.

        Raises:
            BadInput: it failed before.
        """
        from filelock import FileLock

        if folder in self._broken:
            raise BadInput(self._broken[folder])
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Two runs may want the same inverter; the second waits and finds it made.
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if folder.exists():
                try:
                    read_checkpoint(folder)
                    return
                except CorruptArtifact as error:
                    aside = folder.with_name(f".{folder.name}-damaged-{time.time_ns()}")
                    folder.rename(aside)
                    log.warning("%s; the old folder is kept as %s", error, aside)
            self.tell(f"training {lesson.attack} on {len(lesson.texts)} demo texts")
            if lesson.embedder:
                embedder_text = lesson.embedder
                embedder = self.registry.build("embedders", embedder_text, self.context)
            school = School(
                registry=self.registry,
                embedder=embedder,
                embedder_text=embedder_text,
                context=self.context,
                cache=self.cache,
                progress=self.tell,
            )
            try:
                school.train(lesson, folder)
            except Exception as error:
                self._broken[folder] = f"training {lesson.attack} failed: {error}"
                raise
