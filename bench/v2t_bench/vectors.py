"""Vectors on disk: every list of texts is embedded once per space and role.

A list is stored in shards of fixed composition, so that a killed run goes on where it
stopped and ends with the same bytes. The full key stands in each shard's header and is
compared on read; a shard that is damaged is embedded again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from v2t_bench.canonical import canonical_json, content_hash, hash_texts
from v2t_bench.contracts import Embedder, Role, Vectors, check_vectors
from v2t_bench.shards import SHARD_ROWS, Shards
from v2t_bench.texts import cut
from v2t_bench.threat import Answer, Oracle

KEY_VERSION = 1

MAPPED_ROWS = 131_072
"""Of 384 dimensions 200 MB, which may as well lie in memory."""

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
        folder: Where they are kept; made when first needed. None: nowhere, as of texts of which
            nothing may outlive the run.
        progress: Called with (texts done, texts in all) after every shard that was embedded.
    """

    def __init__(self, folder: Path | None, progress: Progress | None = None) -> None:
        self.folder = folder
        self.progress = progress

    def vectors(
        self, embedder: Embedder, texts: Sequence[str], role: Role, *, fast: bool = False
    ) -> Vectors:
        """Return the vectors of ``texts``, (n, d), embedding only what is not stored yet.

        Those of more than `MAPPED_ROWS` texts are read from disk where they are used: they are
        put together in one file, which is mapped.

        ``fast`` embeds in bfloat16; such vectors are kept apart from the others.
        """
        embed = partial(embed_fast, embedder) if fast else embedder.embed
        n, dim = len(texts), embedder.dim
        shards = self._shards(embedder, texts, role, fast=fast)
        mapped = shards if n > MAPPED_ROWS else None
        if mapped is not None:
            joined = mapped.joined(n, dim)
            if joined is not None:
                return joined
        kept: list[Vectors] = []
        for start in range(0, n, SHARD_ROWS):
            part = texts[start : start + SHARD_ROWS]
            vectors = None if shards is None else shards.read(start, len(part), dim)
            if vectors is None:
                vectors = check_vectors(
                    embed(part, role), rows=len(part), dim=dim, who="the embedder"
                )
                if shards is not None:
                    shards.write(start, vectors)
                if self.progress is not None:
                    self.progress(start + len(part), n)
            if mapped is None:
                kept.append(vectors)
        if mapped is not None:
            return mapped.join(n, dim)
        return np.concatenate(kept) if kept else np.empty((0, dim), np.float32)

    def missing(self, embedder: Embedder, texts: Sequence[str], role: Role) -> int:
        """Return how many of ``texts`` have no stored vector; damage is not looked for."""
        shards = self._shards(embedder, texts, role)
        if shards is None:
            return len(texts)
        return 0 if shards.whole.exists() else shards.missing(len(texts))

    def _shards(
        self, embedder: Embedder, texts: Sequence[str], role: Role, *, fast: bool = False
    ) -> Shards | None:
        if self.folder is None:
            return None
        key = self._key(embedder, texts, role, fast=fast)
        return Shards(self.folder / content_hash(key), key)

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
