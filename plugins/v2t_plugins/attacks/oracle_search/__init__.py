"""Search for the text that lands on a vector, by asking the embedder about one edit after another.

The idea of optimising a text's words against its embedding is that of Song and Raghunathan
2020, section 4, who follow the gradient of a white box; here the embedder answers and nothing
else. Words are those that a regression reads out of the vector and those that lie its way when
they are embedded alone; how far a word takes a text is fitted to trials; an n-gram model says
what order is likely. No network is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Recipe,
    Trace,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import BadParameter
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import (
    answers_of_another,
    check_dim,
    folder_of,
    unit_length,
)

if TYPE_CHECKING:
    from v2t_plugins.attacks.oracle_search.saving import Learned

# Rows that are advanced together: enough to ask the embedder for thousands of texts at a time.
BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class OracleSearch:
    """A beam of edits of nearby texts, kept by where they land and how they read.

    A guess is worth the logarithm of the distance left, times -1, and ``fluency`` times the
    mean log probability of its words by a Kneser-Ney trigram model. Training, in closed form,
    takes the options ``words``, the largest vocabulary (60000), and ``limit``, how many of
    the texts are kept to begin at.

    Args:
        queries: Texts that the embedder is asked for each vector, at most.
        beam: Guesses that edits are made of, at a time.
        fluency: What a nat a word counts; 0: the closest wins.
        restarts: How often the search of a text that brings nothing better begins anew, at
            other texts.
        init: Another attack, at whose answers the search begins too. What it asks for itself
            is counted, but is not part of ``queries``.
        checkpoint: The folder that training filled.
        context: Where to compute.
    """

    queries: int = 1000
    beam: int = 6
    fluency: float = 0.3
    restarts: int = 2
    init: Spelling | None = None
    checkpoint: Path | None = None
    context: BuildContext
    _loaded: dict[str, Learned] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        for name, least in {"queries": 1, "beam": 1, "restarts": 0}.items():
            value = getattr(self, name)
            if value < least:
                raise BadParameter(f"search: {name} must be {least} or more, not {value}")
        if not 0 <= self.fluency < math.inf:
            raise BadParameter(f"search: fluency must be a number from 0, not {self.fluency:g}")

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Count words and their order, fit the regressions, and keep the texts."""
        from v2t_plugins.attacks.oracle_search.train import train

        return train(texts, oracle, context)

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the text found for each row of ``vectors`` (n, d).

        Raises:
            MissingCheckpoint: built without one.
            SpaceMismatch: trained on vectors of another dimension.
            CorruptArtifact: a file of the checkpoint is damaged.
        """
        return [trace.text for trace in self._search(vectors, oracle, trace=False)]

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        """Return the text found for each row of ``vectors`` (n, d), and the best of each round."""
        return self._search(vectors, oracle, trace=True)

    def _search(self, vectors: Vectors, oracle: Oracle, *, trace: bool) -> list[Trace]:
        from v2t_plugins.attacks.oracle_search.climb import Climb
        from v2t_plugins.attacks.oracle_search.proposals import Proposer
        from v2t_plugins.attacks.oracle_search.starts import Starts

        learned = self._learned()
        check_dim(vectors, learned.ridge.dim, "search")
        if not len(vectors):
            return []
        lexicon = learned.lexicon(oracle.space)
        starts = Starts(learned=learned, lexicon=lexicon, device=self.context.device)
        climb = Climb(
            proposer=Proposer.of(learned, lexicon),
            lexicon=lexicon,
            oracle=oracle,
            queries=self.queries,
            beam=self.beam,
            fluency=self.fluency,
            restarts=self.restarts,
            trace=trace,
        )
        given = self._given(vectors, oracle)
        size = self.context.batch_size or BATCH_SIZE
        found: list[Trace] = []
        rows = starts.rows(unit_length(vectors), given, self.queries)
        for place in range(0, len(rows), size):
            found += climb.run(rows[place : place + size])
        return found

    def _given(self, vectors: Vectors, oracle: Oracle) -> list[list[str]]:
        """Return what the other attack says of each row, as a list of one or no text."""
        if self.init is None:
            return [[] for _ in vectors]
        return [[text] for text in answers_of_another(self.context, self.init, vectors, oracle)]

    def _learned(self) -> Learned:
        if "learned" not in self._loaded:
            from v2t_plugins.attacks.oracle_search.saving import Learned

            self._loaded["learned"] = Learned.load(folder_of(self.checkpoint, "search"))
        return self._loaded["learned"]


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the search."""
    yield Recipe(
        name="search",
        build=OracleSearch,
        source="this project; after Song and Raghunathan 2020, section 4",
        learned=True,
        tested={"queries": "100"},
    )
