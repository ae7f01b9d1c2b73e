"""Vectors on disk: every list of texts is embedded once per space and role.

A list is stored in shards of fixed composition, so that a killed run goes on where it
stopped and ends with the same bytes. The full key stands in each shard's header and is
compared on read; a shard that is damaged is embedded again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from v2t_bench.canonical import canonical_json, content_hash, hash_texts, replacing
from v2t_bench.contracts import Embedder, Role, Vectors, check_vectors
from v2t_bench.errors import CorruptArtifact
from v2t_bench.texts import cut
from v2t_bench.threat import Answer, Oracle

log = logging.getLogger(__name__)

# Small enough that a kill costs seconds, large enough that sorting by length still pays.
SHARD_ROWS = 1024
KEY_VERSION = 1

Progress = Callable[[int, int], None]


def oracle_of(
    embedder: Embedder,
    *,
    keep: Answer | None = None,
    fast: bool = False,
    through: Callable[[Answer], Answer] = lambda answer: answer,
) -> Oracle:
    """Return the door to an embedder; ``keep`` embeds what will be asked for again.

    ``fast`` answers in bfloat16, see `embed_fast`. ``through`` changes every answer, as a
    service with a defense in front does.
    """
    return Oracle(
        through(partial(embed_fast, embedder) if fast else embedder.embed),
        keep=None if keep is None else through(keep),
        space=embedder.space,
        dim=embedder.dim,
        shorten=lambda texts, tokens: cut(embedder, texts, tokens).texts,
    )


def embed_fast(embedder: Embedder, texts: Sequence[str], role: Role) -> Vectors:
    """Return the vectors of ``texts``, (n, d), multiplied in bfloat16 where torch computes them.

    Twice as fast on a processor with bfloat16; a vector of MiniLM is then within a cosine of
    0.9999 of its own, and depends on what else is in the batch: by a cosine of 0.00002 at most
    (256 texts, alone or together). The same list gives the same vectors. Good enough to learn
    from and to search by, never for what is released or scored.
    """
    import torch

    with ExitStack() as stack:
        # An embedder does not tell where it computes.
        for kind in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(kind, dtype=torch.bfloat16))
        vectors = embedder.embed(texts, role)
    return np.ascontiguousarray(vectors, dtype=np.float32)


class VectorCache:
    """Vectors by content: space, role and texts.

    Args:
        folder: Where shards are kept; made when first needed.
        progress: Called with (texts done, texts in all) after every shard that was embedded.
    """

    def __init__(self, folder: Path, progress: Progress | None = None) -> None:
        self.folder = folder
        self.progress = progress

    def vectors(
        self, embedder: Embedder, texts: Sequence[str], role: Role, *, fast: bool = False
    ) -> Vectors:
        """Return the vectors of ``texts``, (n, d), embedding only what is not stored yet.

        ``fast`` embeds in bfloat16; such vectors are kept apart from the others.
        """
        key = self._key(embedder, texts, role, fast=fast)
        embed = partial(embed_fast, embedder) if fast else embedder.embed
        folder = self._folder(key)
        shards: list[Vectors] = []
        for start in range(0, len(texts), SHARD_ROWS):
            part = texts[start : start + SHARD_ROWS]
            path = folder / f"{start // SHARD_ROWS:06d}.safetensors"
            vectors = _read(path, key, len(part), embedder.dim)
            if vectors is None:
                vectors = check_vectors(
                    embed(part, role), rows=len(part), dim=embedder.dim, who="the embedder"
                )
                folder.mkdir(parents=True, exist_ok=True)
                _write(path, key, vectors)
                if self.progress is not None:
                    self.progress(start + len(part), len(texts))
            shards.append(vectors)
        return np.concatenate(shards) if shards else np.empty((0, embedder.dim), np.float32)

    def missing(self, embedder: Embedder, texts: Sequence[str], role: Role) -> int:
        """Return how many of ``texts`` have no stored vector; damage is not looked for."""
        folder = self._folder(self._key(embedder, texts, role))
        return sum(
            min(SHARD_ROWS, len(texts) - start)
            for start in range(0, len(texts), SHARD_ROWS)
            if not (folder / f"{start // SHARD_ROWS:06d}.safetensors").exists()
        )

    def _folder(self, key: str) -> Path:
        return self.folder / content_hash(key)

    @staticmethod
    def _key(embedder: Embedder, texts: Sequence[str], role: Role, *, fast: bool = False) -> str:
        return canonical_json(
            {
                **({"arithmetic": "bfloat16"} if fast else {}),
                "version": KEY_VERSION,
                "space": asdict(embedder.space),
                "dim": embedder.dim,
                "role": role,
                "texts": hash_texts(texts),
                "n": len(texts),
                "shard_rows": SHARD_ROWS,
            }
        )


def _write(path: Path, key: str, vectors: Vectors) -> None:
    from safetensors.numpy import save_file

    header = {"key": key, "sha256": hashlib.sha256(vectors.tobytes()).hexdigest()}
    with replacing(path) as temporary:
        save_file({"vectors": np.ascontiguousarray(vectors)}, temporary, metadata=header)


def _read(path: Path, key: str, rows: int, dim: int) -> Vectors | None:
    """Return a stored shard, or None where there is none worth using."""
    if not path.exists():
        return None
    try:
        return read_shard(path, key, rows, dim)
    except CorruptArtifact as error:
        log.warning("%s; embedding these texts again", error)
        return None


def read_shard(path: Path, key: str, rows: int, dim: int) -> Vectors:
    """Return the vectors of one shard, (rows, dim).

    Raises:
        CorruptArtifact: the file is damaged, or holds something else than ``key``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            header = stored.metadata() or {}
            vectors: Vectors = stored.get_tensor("vectors")
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise CorruptArtifact(f"cache file {path} is damaged ({error})") from error
    if header.get("key") != key or vectors.shape != (rows, dim):
        raise CorruptArtifact(f"cache file {path} holds other vectors than its name says")
    if header.get("sha256") != hashlib.sha256(vectors.tobytes()).hexdigest():
        raise CorruptArtifact(f"cache file {path} was changed after it was written")
    return vectors
