"""What leaves the owner under one defense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2t_bench.composition import keeps_ranking
from v2t_bench.contracts import Defense, Role, Space, Vectors, check_vectors
from v2t_bench.rooms import BLOCK_ROWS, blocks, room_for


@dataclass(frozen=True)
class Released:
    """What leaves the owner under one defense.

    Args:
        defense: Fitted.
        documents: (n, d'), a row a piece.
        queries: (n_q, d').
        attacked: Those of the attacked texts, (n_a, d').
        snr_db: 10 log10 of clean power over the power of the change, of documents as they are
            lifted; None where nothing can be lifted or nothing changed.
    """

    defense: Defense
    documents: Vectors
    queries: Vectors
    attacked: Vectors
    snr_db: float | None

    def signal(self, space: Space) -> dict[str, float | int | str | bool | None]:
        """Return what is told of it whatever attacks it, as facts of a cell."""
        dim = self.documents.shape[1]
        return {
            "released_dim": dim,
            "bytes_per_vector": self.defense.bytes_per_vector(dim),
            "snr_db": self.snr_db,
            "similarity": self.defense.similarity or space.similarity,
            "opaque": self.defense.opaque,
            "ranking_kept": keeps_ranking(self.defense, space),
        }


def release(
    defense: Defense,
    *,
    documents: Vectors,
    document_ids: Sequence[str],
    queries: Vectors,
    query_ids: Sequence[str],
    attacked_rows: NDArray[np.int64] | None,
    attacked: Callable[[], Vectors],
    attacked_ids: Sequence[str],
    who: str,
    folder: Path | None,
) -> Released:
    """Return what a fitted defense releases, computed block by block.

    Args:
        defense: Fitted to the documents.
        documents, queries: Clean vectors, (n, d) and (n_q, d).
        attacked_rows: Of the documents, (n_a,); None where other texts are attacked.
        attacked: Returns the clean vectors of those, (n_a, d).
        document_ids, query_ids, attacked_ids: One for each.
        who: Names the defense in errors.
        folder: Where more than fits into memory may lie; None: nowhere.

    Raises:
        BrokenPromise: the defense returned something else than vectors.
    """

    def protect(clean: Vectors, role: Role, ids: Sequence[str], dim: int | None) -> Vectors:
        released = defense.protect(clean, role=role, ids=ids)
        return check_vectors(released, rows=len(clean), dim=dim, who=who)

    power = _Power(defense)
    n = len(documents)
    first = slice(0, min(n, BLOCK_ROWS))
    released = protect(documents[first], "document", document_ids[first], None)
    power.count(documents[first], released)
    dim = released.shape[1]
    if len(released) < n:
        first_rows, released = released, room_for(n, dim, folder)
        released[first] = first_rows
        for rows in blocks(n, start=BLOCK_ROWS):
            released[rows] = protect(documents[rows], "document", document_ids[rows], dim)
            power.count(documents[rows], released[rows])
    if attacked_rows is None:
        stolen = protect(attacked(), "document", attacked_ids, dim)
    else:
        stolen = np.asarray(released[attacked_rows])
    return Released(
        defense=defense,
        documents=released,
        queries=protect(queries, "query", query_ids, dim),
        attacked=stolen,
        snr_db=power.snr_db,
    )


class _Power:
    """Sums up how much a defense changed vectors, a block at a time."""

    def __init__(self, defense: Defense) -> None:
        self._defense = defense
        self._clean = self._changed = 0.0
        self._lifted = True

    def count(self, clean: Vectors, released: Vectors) -> None:
        """Take a block of clean vectors and what they were released as."""
        lifted = self._defense.lift(released) if self._lifted else None
        if lifted is None or lifted.shape != clean.shape:
            self._lifted = False
            return
        self._changed += float(np.square(lifted - clean, dtype=np.float64).sum())
        self._clean += float(np.square(clean, dtype=np.float64).sum())

    @property
    def snr_db(self) -> float | None:
        """The power of what was over that of the change, once lifted, in dB."""
        if not self._lifted or self._changed == 0:
            return None
        return 10 * float(np.log10(self._clean / self._changed))
