"""Answer with the closest text of a public collection.

The floor for everything that generates: it needs no network, and it only ever finds a text
it was given. What it scores on a collection that lacks the targets is resemblance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Recipe,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import CorruptArtifact
from v2t_bench.search import tie_keys, top_k
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.text_store import at_most, expected, read_texts, write_texts
from v2t_plugins.attacks.trained import check_dim, folder_of, only_number

TEXTS, VECTORS = "texts.jsonl.zst", "vectors.safetensors"


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The closest of the training texts, by cosine.

    Training stores texts and their vectors; the option ``limit`` keeps that many of them,
    chosen by their content. Stored vectors are memory-mapped. Trained against a defense, it
    stores released vectors: those are what like is compared with; of one that draws, the
    mean of many draws.

    Args:
        checkpoint: The folder that training filled.
        context: Where to search.
    """

    checkpoint: Path | None = None
    context: BuildContext

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Store the distinct ``texts`` and their vectors."""
        from safetensors.numpy import save_file

        limit = only_number(context.options, "limit", "nearest")
        known = at_most(list(dict.fromkeys(texts)), limit)
        vectors = expected(oracle.embed(known, keep=True), known, context)
        save_file({"vectors": vectors}, context.folder / VECTORS)
        write_texts(known, context.folder / TEXTS)
        return TrainReport(recipe={"texts": len(known), "limit": limit})

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the closest stored text of each row of ``vectors``, (n, d).

        Raises:
            MissingCheckpoint: built without one.
            SpaceMismatch: the stored vectors have another dimension.
            CorruptArtifact: a file of the checkpoint is damaged.
        """
        texts, stored = self._stored
        check_dim(vectors, stored.shape[1], "nearest")
        if not len(vectors):
            return []
        hits = top_k(
            vectors,
            stored,
            k=1,
            similarity="cosine",
            tie_keys=tie_keys(texts, seed=0),
            device=self.context.device,
        )
        return [texts[row] for row in hits.indices[:, 0].tolist()]

    @cached_property
    def _stored(self) -> tuple[list[str], Vectors]:
        """The texts, and their vectors as a memory map, (n, d)."""
        from v2t_plugins.networks import load_tensors

        folder = folder_of(self.checkpoint, "nearest")
        texts = read_texts(folder / TEXTS)
        tensor = load_tensors(folder / VECTORS).get("vectors")
        if tensor is None or tensor.ndim != 2 or len(tensor) != len(texts) or not texts:
            raise CorruptArtifact(
                f"{folder}: {VECTORS} does not hold one vector for each of the "
                f"{len(texts)} texts; train again"
            )
        return texts, tensor.numpy()


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the closest public text."""
    yield Recipe(name="nearest", build=Nearest, source="this project", learned=True)
