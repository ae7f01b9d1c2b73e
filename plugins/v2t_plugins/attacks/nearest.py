"""Answer with the closest text of a public collection.

The floor for everything that generates: it needs no network, and it only ever finds a text
it was given. What it scores on a collection that lacks the targets is resemblance.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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
from v2t_bench.errors import CorruptArtifact
from v2t_bench.search import tie_keys, top_k
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import check_dim, folder_of, only_number

# Of a defense that draws. A stored vector then has a sixteenth of the noise power of a
# target's, which is what decides which is closest.
DRAWS = 16

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
        known = _at_most(list(dict.fromkeys(texts)), limit)
        vectors = _expected(oracle.embed(known, keep=True), known, context)
        save_file({"vectors": vectors}, context.folder / VECTORS)
        _write_texts(known, context.folder / TEXTS)
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
        texts = _read_texts(folder / TEXTS)
        tensor = load_tensors(folder / VECTORS).get("vectors")
        if tensor is None or tensor.ndim != 2 or len(tensor) != len(texts) or not texts:
            raise CorruptArtifact(
                f"{folder}: {VECTORS} does not hold one vector for each of the "
                f"{len(texts)} texts; train again"
            )
        return texts, tensor.numpy()


def _expected(vectors: Vectors, texts: Sequence[str], context: TrainContext) -> Vectors:
    """Return what each of ``vectors``, (n, d), is released as, on the average over draws."""
    first = context.release(vectors, texts)
    others = (
        context.release(vectors, [f"{draw} {text}" for text in texts]) for draw in range(1, DRAWS)
    )
    second = next(others)
    if np.array_equal(first, second):  # it draws nothing
        return first
    total = np.add(first, second, dtype=np.float64)
    for another in others:
        total += another
    mean: Vectors = (total / DRAWS).astype(np.float32)
    return mean


def _at_most(texts: list[str], limit: int | None) -> list[str]:
    """Return ``limit`` of the texts in their order, chosen by hash and not by position."""
    if limit is None or limit >= len(texts):
        return texts
    chosen = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:limit]
    kept = set(chosen)
    return [text for text in texts if text in kept]


def _write_texts(texts: Sequence[str], path: Path) -> None:
    import zstandard

    lines = "".join(json.dumps(text) + "\n" for text in texts)
    path.write_bytes(zstandard.compress(lines.encode(), 10))


def _read_texts(path: Path) -> list[str]:
    import zstandard

    try:
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw:
            return [str(json.loads(line)) for line in io.TextIOWrapper(raw, encoding="utf-8")]
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the closest public text."""
    yield Recipe(name="nearest", build=Nearest, source="this project", learned=True)
