"""The keys that decide between documents whose scores are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BrokenPromise

RANKS = 2**32
"""One float64 holds a rounded score and a document's rank by tie key: 2^20 * 2^32 < 2^53."""

_AT_ONCE = 8192


def tie_keys(doc_ids: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """Return a key for each document from sha256 of seed and id alone, (n_docs,)."""
    keys = np.empty(len(doc_ids), dtype=np.uint64)
    ids = iter(doc_ids)
    for start in range(0, len(keys), _AT_ONCE):
        n = min(_AT_ONCE, len(keys) - start)
        digests = b"".join(
            hashlib.sha256(f"{seed}:{next(ids)}".encode("utf-8", "surrogatepass")).digest()
            for _ in range(n)
        )
        keys[start : start + n] = np.frombuffer(digests, dtype=">u8").reshape(n, 4)[:, 0]
    return keys


def tie_keys_trec(doc_ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return keys that break ties as trec_eval and BEIR do: by id, descending.

    Only for comparison with them, since names then decide the score; (n_docs,).
    """
    encoded = [doc_id.encode("utf-8", "surrogatepass") for doc_id in doc_ids]  # strcmp sees bytes
    descending = sorted(range(len(encoded)), key=encoded.__getitem__, reverse=True)
    keys = np.empty(len(encoded), dtype=np.uint64)
    keys[descending] = np.arange(len(encoded), dtype=np.uint64)
    return keys


class TieOrder:
    """The order of documents by their keys; holds 8 bytes a document beside the keys.

    Args:
        keys: One for each document, (n_docs,).
        n: How many documents there are.

    Raises:
        BrokenPromise: a key is missing, or two are equal.
    """

    def __init__(self, keys: NDArray[np.uint64], n: int) -> None:
        if keys.shape != (n,) or keys.dtype != np.uint64:
            raise BrokenPromise(
                f"tie keys are {keys.dtype} of shape {keys.shape}; expected uint64 of shape ({n},)"
            )
        if n >= RANKS:
            raise BrokenPromise(
                f"{n} documents are too many to search at once; expected below 2^32"
            )
        self._keys = keys
        self._ascending = np.sort(keys)
        if np.any(self._ascending[1:] == self._ascending[:-1]):
            raise BrokenPromise(
                "two documents have the same tie key; document ids must be different"
            )

    def bonus(self, documents: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return what sets equal scores apart, highest for the lowest key: 0 to 2^32 - 1."""
        ranks = np.searchsorted(self._ascending, self._keys[documents])
        return (RANKS - 1 - ranks).astype(np.float64)
