"""Run the cells of a plan, each by itself; knows no component by name."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from v2t_bench.adaptation import Adapted
from v2t_bench.cells import Cell, Scene
from v2t_bench.contamination import found_in_training
from v2t_bench.contracts import Attack, BuildContext, answers_of
from v2t_bench.environment import describe
from v2t_bench.errors import BadInput, Skipped, V2TError
from v2t_bench.nesting import weights_of
from v2t_bench.registry import Registry
from v2t_bench.restricted import WITHHELD, Pseudonyms, RestrictedFolder
from v2t_bench.results import ORACLE_ARITHMETIC, Failure, Result
from v2t_bench.samples import (
    RETRIEVAL,
    SAMPLES,
    TRACES,
    retrieval_table,
    samples_table,
    score_retrieval,
    score_samples,
    traces_table,
)
from v2t_bench.scene import Stage
from v2t_bench.scoring.bleu import bleu_signatures
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.shown import without_folders
from v2t_bench.store import Store
from v2t_bench.teaching import Teacher
from v2t_bench.threat import Answer, Threat
from v2t_bench.vectors import VectorCache, oracle_of

if TYPE_CHECKING:
    import pyarrow as pa

    from v2t_bench.corpora.records import Corpus

log = logging.getLogger(__name__)

Status = Literal["done", "stored", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one cell; ``reason`` says why it has no result."""

    cell: Cell
    status: Status
    result: Result | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Runs plans.

    Args:
        registry: Builds components.
        context: What components are built with.
        store: Where finished cells go.
        cache: Where clean vectors are kept.
        fail_fast: Stop at the first cell that fails.
        keep_text: Store texts and guesses of corpora whose licence to pass them on is not
            known; those of restricted corpora are never stored.
        restricted: Where texts, vectors and guesses of restricted corpora may lie; None: nowhere.
        trace: Store every round of the attacks that can show them.
        tell: Called with a line worth telling.
        on_outcome: Called after every cell.
    """

    registry: Registry
    context: BuildContext
    store: Store
    cache: VectorCache
    fail_fast: bool = False
    keep_text: bool = False
    restricted: RestrictedFolder | None = None
    trace: bool = False
    tell: Callable[[str], None] = lambda line: None
    on_outcome: Callable[[Outcome], None] = lambda outcome: None

    def run(self, scenes: Sequence[Scene]) -> list[Outcome]:
        """Return what became of every cell, in the order of the plan.

        A cell that fails is recorded and the others go on. Finished cells are not run
        again, so a run that was stopped is resumed by running it again.
        """
        outcomes: list[Outcome] = []
        for scene in scenes:
            stage = Stage(scene, self.registry, self.context, self._cache(scene), self.tell)
            attacks: dict[str, Attack] = {}
            for cell in scene.cells:
                outcome = self._attempt(cell, stage, attacks)
                outcomes.append(outcome)
                self.on_outcome(outcome)
                if outcome.status == "failed" and self.fail_fast:
                    return outcomes
        return outcomes

    def _attempt(self, cell: Cell, stage: Stage, attacks: dict[str, Attack]) -> Outcome:
        stored = self.store.read(cell.cell_id)
        if stored is not None:
            return Outcome(cell, "stored", stored)
        if cell.skip:
            return Outcome(cell, "skipped", reason=cell.skip)
        try:
            if cell.kind == "utility":
                result = self._utility(cell, stage)
            else:
                result = self._leakage(cell, stage, attacks)
        except Skipped as reason:
            return Outcome(cell, "skipped", reason=str(reason))
        # One cell's failure, a plugin's bug included, must not cost the others.
        except Exception as error:
            return self._failed(cell, error, quotable=not stage.scene.corpus.restricted)
        return Outcome(cell, "done", result)

    def _cache(self, scene: Scene) -> VectorCache:
        """Return where the vectors of a scene are kept."""
        if not scene.corpus.restricted:
            return self.cache
        folder = None if self.restricted is None else self.restricted.vectors
        return VectorCache(folder, self.cache.progress)

    def _failed(self, cell: Cell, error: Exception, *, quotable: bool) -> Outcome:
        kind = "" if quotable and isinstance(error, V2TError) else f"{type(error).__name__}: "
        line = kind + (" ".join(str(error).split()) if quotable else WITHHELD)
        log.error("cell %s (%s) failed: %s", cell.cell_id, describe_cell(cell), line)
        if quotable:
            log.debug("traceback", exc_info=error)
        self.store.write_failure(
            Failure(
                kind=cell.kind,
                cell_id=cell.cell_id,
                labels=cell.labels,
                error=line,
                traceback="".join(traceback.format_exception(error)) if quotable else "",
            )
        )
        return Outcome(cell, "failed", reason=line)

    def _store(self, result: Result, tables: dict[str, pa.Table], corpus: Corpus) -> Result:
        """Store a finished cell with as much of the texts as the corpus allows."""
        if corpus.restricted:
            if self.restricted is not None:
                for file, table in tables.items():
                    self.restricted.write(result.cell_id, file, table)
            tables = {file: self._pseudonyms.table(table) for file, table in tables.items()}
        may_hold_text = (corpus.redistributable or self.keep_text) and not corpus.restricted
        return self.store.write(result, tables, may_hold_text=may_hold_text)

    @cached_property
    def _teacher(self) -> Teacher:
        return Teacher(self.registry, self.context, self.cache, self.tell)

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms() if self.restricted is None else self.restricted.pseudonyms()

    # ---------------------------------------------------------------- utility
    def _utility(self, cell: Cell, stage: Stage) -> Result:
        started = time.monotonic()
        if not stage.prepared.query_ids:
            raise Skipped(
                f"{stage.scene.corpus.name} has no queries, and no document of more than two "
                "pieces to make one of, so that search cannot be measured"
            )
        released = stage.released(cell.defense_text, cell.secret_seed)
        ranking, tie_rate = stage.ranking(released)
        table, scores = score_retrieval(retrieval_table(ranking, stage.prepared.judgements))
        result = self._result(cell, stage, started).model_copy(
            update={
                "scores": scores,
                "facts": {
                    "n_documents": len(stage.scene.corpus.documents),
                    "n_pieces": len(stage.prepared.pieces),
                    "n_cut_documents": stage.prepared.n_cut_documents,
                    "n_cut_queries": stage.prepared.n_cut_queries,
                    "tie_rate": tie_rate,
                    **released.signal(stage.scene.embedder.space),
                },
            }
        )
        return self._store(result, {RETRIEVAL: table}, stage.scene.corpus)

    # ---------------------------------------------------------------- leakage
    def _leakage(self, cell: Cell, stage: Stage, attacks: dict[str, Attack]) -> Result:
        started = time.monotonic()
        threat = cell.threat or Threat()
        if not stage.attacked.texts:
            raise Skipped(stage.nothing_to_attack)
        attack = self._attack(cell, stage, attacks)
        released = stage.released(cell.defense_text, cell.secret_seed)
        adapted = stage.adapted(cell.defense_text, cell.secret_seed, threat)
        restored = np.ascontiguousarray(adapted.restore(released.attacked))
        embedder = stage.scene.embedder
        fast = ORACLE_ARITHMETIC in cell.identity
        keep = partial(stage.cache.vectors, embedder, fast=fast)
        oracle = oracle_of(embedder, keep=keep, fast=fast, through=_door(cell, stage, adapted))
        label = cell.labels["attack"]
        guesses, traces = answers_of(attack, restored, oracle, traced=self.trace, who=label)
        # The clean embedder judges how close a guess came, whatever the attacker saw.
        guessed = embedder.embed(guesses, "document")
        exposed = stage.exposed(cell.defense_text, cell.secret_seed, threat, restored)
        folders = weights_of(cell.attack.spelling, self.registry) if cell.attack else ()
        known = found_in_training(folders, stage.attacked.texts)
        table, scores = score_samples(
            samples_table(
                guesses=guesses,
                cosines=cosine_per_pair(guessed, stage.targets).tolist(),
                exposed={key: rows.tolist() for key, rows in exposed.items()} | known.per_text,
                **stage.attacked.described(),
            ),
            embedder.space,
        )
        tables = {SAMPLES: table}
        if traces is not None:
            tables[TRACES] = traces_table(table["id"].to_pylist(), traces)
        corpus = stage.scene.corpus
        result = self._result(cell, stage, started).model_copy(
            update={
                "scores": scores,
                "facts": {
                    "oracle_texts": oracle.texts_asked + adapted.asked,
                    **adapted.facts,
                    **known.facts,
                    "n_attacked": len(guesses),
                    "redistributable": corpus.redistributable,
                },
                "signatures": bleu_signatures(),
            }
        )
        return self._store(result, tables, corpus)

    def _attack(self, cell: Cell, stage: Stage, attacks: dict[str, Attack]) -> Attack:
        """Return the cell's attack, trained first where that is still to be done."""
        if cell.attack is None:
            raise BadInput(f"cell {cell.cell_id} has no attack")
        if cell.attack.label not in attacks:
            for folder, lesson in cell.attack.lessons.items():
                self._teacher.teach(
                    lesson,
                    folder,
                    embedder=stage.scene.embedder,
                    embedder_text=stage.scene.embedder_text,
                )
            attacks[cell.attack.label] = self.registry.build(
                "attacks", cell.attack.spelling, self.context
            )
        return attacks[cell.attack.label]

    def _result(self, cell: Cell, stage: Stage, started: float) -> Result:
        return Result(
            kind=cell.kind,
            cell_id=cell.cell_id,
            identity=cell.identity,
            labels=cell.labels,
            scores={},
            references=dict(cell.references),
            notices=[without_folders(line) for line in stage.scene.corpus.notices],
            environment={
                **describe(self.context.device),
                "batch_size": self.context.batch_size,
            },
            seconds={"cell": round(time.monotonic() - started, 3)},
        )


def _door(cell: Cell, stage: Stage, adapted: Adapted) -> Callable[[Answer], Answer]:
    """Return what changes the embedder's answers into those of whom the attacker may ask."""
    if cell.threat is None or cell.threat.oracle == "clean":
        return lambda answer: answer
    stolen = stage.stolen(cell.defense_text, cell.secret_seed)

    def through(answer: Answer) -> Answer:
        return lambda texts, role: np.ascontiguousarray(
            adapted.restore(stolen.answered(answer(texts, role), texts, role))
        )

    return through


def describe_cell(cell: Cell) -> str:
    """Return corpus, defense and attack of a cell for a log line."""
    parts = [cell.labels["corpus"], cell.labels["defense"], cell.labels.get("attack", "retrieval")]
    if cell.threat is not None and cell.threat != Threat():
        parts.append(str(cell.threat))
    return " / ".join(parts)
