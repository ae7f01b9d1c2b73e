"""What ``v2t-bench run --dry-run`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from v2t_bench.cli.printing import print_table

if TYPE_CHECKING:
    from v2t_bench.cells import Scene
    from v2t_bench.store import Store
    from v2t_bench.training import Lesson
    from v2t_bench.vectors import VectorCache


def print_plan(scenes: list[Scene], store: Store, cache: VectorCache) -> None:
    """Print every cell with its state, and what is left to embed, to train and to attack."""
    from rich.table import Table

    from v2t_bench.leaderboard.table import short_attack
    from v2t_bench.pieces import prepare, sample_attacked

    table = Table("cell", "corpus", "embedder", "defense", "attack", "threat", "state")
    texts = lookups = waiting = attacked = 0
    lessons: dict[Path, Lesson] = {}
    for scene in scenes:
        needed = [c for c in scene.cells if not c.skip and store.read(c.cell_id) is None]
        for cell in scene.cells:
            attack = short_attack(cell.labels.get("attack", "(retrieval)"))
            table.add_row(
                cell.cell_id, cell.labels["corpus"], cell.labels["embedder"],
                cell.labels["defense"], attack, "" if cell.threat is None else str(cell.threat),
                f"skipped: {cell.skip}" if cell.skip else
                "to run" if cell in needed else "stored",
            )  # fmt: skip
        waiting += len(needed)
        leakages = [cell for cell in needed if cell.kind == "leakage"]
        for cell in leakages:
            if cell.attack is not None:
                lessons |= cell.attack.lessons
        if needed:
            grid = scene.grid
            prepared = prepare(
                scene.corpus, scene.embedder, track=grid.track, max_tokens=grid.max_tokens
            )
            texts += cache.missing(scene.embedder, prepared.pieces, "document")
            texts += cache.missing(scene.embedder, prepared.queries, "query")
            lookups += len(prepared.pieces) + len(prepared.queries)
            sample = sample_attacked(
                prepared, scene.corpus.fingerprint, scene.n_texts, grid.sample_seed
            )
            attacked += len(sample) * len(leakages)
    print_table(table)
    lessons = {folder: lesson for folder, lesson in lessons.items() if not folder.exists()}
    total = sum(len(scene.cells) for scene in scenes)
    skipped = sum(bool(cell.skip) for scene in scenes for cell in scene.cells)
    click.echo(
        f"{total} cells, {total - waiting - skipped} stored, "
        f"{f'{skipped} skipped, ' if skipped else ''}{waiting} to run: "
        f"{texts} of {lookups} texts to embed, {len(lessons)} attacks to train, "
        f"{attacked} texts to attack"
    )
    for folder, lesson in lessons.items():
        click.echo(f"to train: {lesson.attack} on {len(lesson.texts)} texts -> {folder}")
