"""Training texts on disk, and the vectors that what is released is compared with."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from v2t_bench.contracts import TrainContext, Vectors
from v2t_bench.errors import CorruptArtifact

# Of a defense that draws. A stored vector then has a sixteenth of the noise power of a
# target's, which is what decides which is closest.
DRAWS = 16


def expected(vectors: Vectors, texts: Sequence[str], context: TrainContext) -> Vectors:
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


def at_most(texts: list[str], limit: int | None) -> list[str]:
    """Return ``limit`` of the texts in their order, chosen by hash and not by position."""
    if limit is None or limit >= len(texts):
        return texts
    chosen = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:limit]
    kept = set(chosen)
    return [text for text in texts if text in kept]


def write_texts(texts: Sequence[str], path: Path) -> None:
    """Write the texts as compressed JSON lines."""
    import zstandard

    lines = "".join(json.dumps(text) + "\n" for text in texts)
    path.write_bytes(zstandard.compress(lines.encode(), 10))


def read_texts(path: Path) -> list[str]:
    """Return what `write_texts` wrote.

    Raises:
        CorruptArtifact: the file is missing or damaged.
    """
    import zstandard

    try:
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw:
            return [str(json.loads(line)) for line in io.TextIOWrapper(raw, encoding="utf-8")]
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
