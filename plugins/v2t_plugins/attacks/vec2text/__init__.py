"""Guess the text behind a vector, then correct the guess by embedding it again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Recipe,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import BadParameter, MissingCheckpoint, SpaceMismatch
from v2t_bench.threat import Oracle

if TYPE_CHECKING:
    from v2t_plugins.attacks.vec2text.search import Networks

# Enough to rank defenses on the demo corpora after minutes on two processor cores.
DEMO_TRAINING: Mapping[str, Any] = {
    "size": "tiny",
    "steps": 1600,
    "batch_size": 64,
    "options": {
        "vocabulary": "6000",
        "pseudo_tokens": "8",
        "hypotheses": "4000",
        "corrector_steps": "200",
        "learning_rate": "0.004",
    },
}


@dataclass(frozen=True, kw_only=True)
class Vec2Text:
    """A trained guess, corrected ``steps`` times; of all texts tried the closest is kept.

    The clean embedder is asked once a step for each vector that is still changing. Vectors
    of a space whose vectors have length 1 are brought to length 1 first.

    Args:
        steps: Corrections; 0 gives the base model's own text.
        beam: Guesses followed at a time; only 1 is built.
        checkpoint: The folder that `train` filled.
    """

    steps: int = 20
    beam: int = 1
    checkpoint: Path | None = None
    context: BuildContext
    _loaded: dict[str, Networks] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.steps < 0:
            raise BadParameter(f"vec2text: steps must be 0 or more, not {self.steps}")
        if self.beam != 1:
            raise BadParameter(f"vec2text: beam must be 1, not {self.beam}; wider is not built yet")

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Train both networks into ``context.folder``; options are those of `train.Choices`."""
        from v2t_plugins.attacks.vec2text.train import train

        return train(texts, oracle, context)

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the closest text found for each row of ``vectors`` (n, d)."""
        if not len(vectors):
            return []
        from v2t_plugins.attacks.vec2text.search import BATCH_SIZE, search

        networks = self._networks()
        if vectors.shape[1] != networks.config.dim:
            raise SpaceMismatch(
                f"vec2text was trained on vectors of {networks.config.dim} dimensions and is "
                f"given {vectors.shape[1]}; train it on this embedder"
            )
        if oracle.space.normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
        size = self.context.batch_size or BATCH_SIZE
        return search(networks, vectors, oracle, steps=self.steps, batch_size=size)

    def _networks(self) -> Networks:
        if self.checkpoint is None:
            raise MissingCheckpoint("vec2text has no checkpoint; train one, or give checkpoint=")
        if "networks" not in self._loaded:
            from v2t_plugins.attacks.vec2text.search import Networks

            self._loaded["networks"] = Networks.load(self.checkpoint, self.context.device)
        return self._loaded["networks"]


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the paper's attack."""
    yield Recipe(
        name="vec2text",
        build=Vec2Text,
        source="Morris et al. 2023, sections 4-5",
        learned=True,
        demo=DEMO_TRAINING,
    )
