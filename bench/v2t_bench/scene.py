"""What the cells of one corpus under one embedder share, each made when first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from v2t_bench.adaptation import Adapted, Stolen, pair_rows
from v2t_bench.attacked import Attacked, attacked_elsewhere, attacked_pieces
from v2t_bench.cells import Scene
from v2t_bench.composition import build_defense
from v2t_bench.contracts import BuildContext, Secret, Vectors
from v2t_bench.corpora.records import ids_of
from v2t_bench.exposure import exposure_scores
from v2t_bench.pieces import Prepared, prepare
from v2t_bench.ranking import rank_documents
from v2t_bench.registry import Registry
from v2t_bench.releasing import Released, release
from v2t_bench.scorecard import PerText
from v2t_bench.search import tie_keys
from v2t_bench.shown import shown_composition
from v2t_bench.texts import cut
from v2t_bench.threat import Threat
from v2t_bench.vectors import VectorCache

T = TypeVar("T")

# Ties are broken the same way in every run, whatever its seeds.
TIE_SEED = 0


class Latest(Generic[T]):
    """Keeps what was made last, and makes it anew for another key."""

    def __init__(self) -> None:
        self._kept: tuple[Any, T] | None = None

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return what ``key`` stands for; the one before is let go of before it is made."""
        if self._kept is None or self._kept[0] != key:
            self._kept = None
            self._kept = (key, make())
        return self._kept[1]


class Stage:
    """The vectors of a scene, clean and released.

    Args:
        scene: What is shown.
        registry: Builds defenses.
        context: Builds defenses.
        cache: Keeps clean vectors.
        tell: Called with a line worth telling.
    """

    def __init__(
        self,
        scene: Scene,
        registry: Registry,
        context: BuildContext,
        cache: VectorCache,
        tell: Callable[[str], None],
    ) -> None:
        self.scene = scene
        self.cache = cache
        self._registry = registry
        self._context = context
        self._tell = tell
        self._released: Latest[Released] = Latest()
        self._exposed: Latest[PerText] = Latest()
        self._adapted: Latest[Adapted] = Latest()

    @cached_property
    def prepared(self) -> Prepared:
        """The texts as they are embedded."""
        grid = self.scene.grid
        return prepare(
            self.scene.corpus, self.scene.embedder, track=grid.track, max_tokens=grid.max_tokens
        )

    @cached_property
    def documents(self) -> Vectors:
        """Clean vectors of every piece, (n, d)."""
        self._tell(f"{self.scene.corpus.name}: vectors of {len(self.prepared.pieces)} texts")
        return self.cache.vectors(self.scene.embedder, self.prepared.pieces, "document")

    @cached_property
    def queries(self) -> Vectors:
        """Clean vectors of every judged query, (n_q, d)."""
        return self.cache.vectors(self.scene.embedder, self.prepared.queries, "query")

    @cached_property
    def attacked(self) -> Attacked:
        """The texts that are attacked."""
        corpus, grid, n_texts = self.scene.corpus, self.scene.grid, self.scene.n_texts
        if not corpus.attacked:
            return attacked_pieces(corpus, self.prepared, n_texts, grid.sample_seed)
        return attacked_elsewhere(
            corpus,
            self.scene.embedder,
            track=grid.track,
            max_tokens=grid.max_tokens,
            n_texts=n_texts,
            seed=grid.sample_seed,
        )

    @property
    def nothing_to_attack(self) -> str:
        """Why no text is attacked."""
        corpus = self.scene.corpus
        named = "that still names somebody in full when it is cut" if corpus.only_named else ""
        return " ".join((f"{corpus.name} has no text to attack", named)).strip()

    @cached_property
    def targets(self) -> Vectors:
        """Clean vectors of the attacked texts, (n_a, d)."""
        if self.attacked.rows is not None:
            return np.ascontiguousarray(self.documents[self.attacked.rows])
        return self.cache.vectors(self.scene.embedder, self.attacked.texts, "document")

    @cached_property
    def public(self) -> list[str]:
        """Texts that attackers have besides, cut as those they attack, each once; none of those."""
        texts = cut(self.scene.embedder, self.scene.public, self.scene.grid.max_tokens).texts
        seen_as = self.scene.embedder.space.normalize_text
        attacked = {seen_as(text) for text in self.attacked.texts}
        distinct = list(dict.fromkeys(text for text in texts if text.strip()))
        kept = [text for text in distinct if seen_as(text) not in attacked]
        if len(kept) < len(distinct):
            self._tell(f"{len(distinct) - len(kept)} public texts are attacked ones; left out")
        return kept

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """Rows of which an attacker may have pairs, the same under every defense."""
        return pair_rows(
            self.prepared.pieces,
            self.prepared.piece_ids,
            self.attacked.texts,
            space=self.scene.embedder.space,
            sample_seed=self.scene.grid.sample_seed,
        )

    def released(self, defense_text: str, secret_seed: int) -> Released:
        """Return what the defense releases; only the latest one is kept."""
        key = (defense_text, secret_seed)
        return self._released.get(key, lambda: self._release(*key))

    def _release(self, defense_text: str, secret_seed: int) -> Released:
        secret = Secret.from_seed(secret_seed)
        defense = build_defense(self._registry, defense_text, self._context, secret)
        return release(
            defense.fit(self.documents),
            documents=self.documents,
            document_ids=self.prepared.piece_ids,
            queries=self.queries,
            query_ids=self.prepared.query_ids,
            attacked_rows=self.attacked.rows,
            attacked=lambda: self.targets,
            attacked_ids=self.attacked.ids,
            who=defense_text,
            folder=self.cache.folder,
        )

    def stolen(self, defense_text: str, secret_seed: int) -> Stolen:
        """Return the release of the defense as an attacker finds it."""
        released = self.released(defense_text, secret_seed)
        embedder = self.scene.embedder
        return Stolen(
            registry=self._registry,
            context=self._context,
            defense_text=defense_text,
            shown=shown_composition(defense_text),
            defense=released.defense,
            space=embedder.space,
            clean=self.documents,
            released=released.documents,
            ids=self.prepared.piece_ids,
            known=lambda: self.known,
            public=self.public,
            ask=lambda texts: self.cache.vectors(embedder, texts, "document"),
        )

    def adapted(self, defense_text: str, secret_seed: int, threat: Threat) -> Adapted:
        """Return what the attacker does with what is released; only the latest is kept.

        Raises:
            Skipped: it can do nothing with it.
        """
        return self._adapted.get(
            (defense_text, secret_seed, threat),
            lambda: self.stolen(defense_text, secret_seed).adapted(threat),
        )

    def ranking(self, released: Released) -> tuple[dict[str, list[str]], float]:
        """Return the first ten documents of each query, best first, and the tie rate."""
        ids = ids_of(self.scene.corpus.documents)
        return rank_documents(
            self.prepared,
            ids,
            queries=released.queries,
            pieces=released.documents,
            similarity=released.defense.similarity or self.scene.embedder.space.similarity,
            keys=tie_keys(ids, TIE_SEED),
            queries_are_documents=self.scene.corpus.queries_are_documents,
            device=self._context.device,
        )

    def exposed(
        self, defense_text: str, secret_seed: int, threat: Threat, lifted: Vectors
    ) -> PerText:
        """Return what the attacked texts' restored vectors, (n, d), tell by themselves.

        The same for every attack, so only the latest is kept.
        """
        return self._exposed.get((defense_text, secret_seed, threat), lambda: self._expose(lifted))

    def _expose(self, lifted: Vectors) -> PerText:
        return exposure_scores(
            lifted,
            self.documents,
            self.attacked.rows,
            keys=tie_keys(self.prepared.piece_ids, TIE_SEED),
            labels=self.attacked.labels,
            documents=self.attacked.documents,
            device=self._context.device,
        )
