"""What released vectors tell by themselves, whatever an attack makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.scorecard import PerText
from v2t_bench.scoring.labels import can_be_told, label_from_vectors
from v2t_bench.search import top_k

REID, LABEL_FROM_VECTOR = "reid_top1", "label_from_vector"


def exposure_scores(
    lifted: Vectors,
    clean: Vectors,
    rows: NDArray[np.int64] | None,
    *,
    keys: NDArray[np.uint64],
    labels: Sequence[str | None],
    documents: Sequence[str],
    device: str,
) -> PerText:
    """Return ``reid_top1`` and, where there are labels, ``label_from_vector``, each (n,).

    Args:
        lifted: What the attacker has of the attacked texts, (n, d).
        clean: Vectors of the whole corpus, (N, d), which this attacker has too.
        rows: Where the attacked texts stand in it, (n,); None: they do not, so that nobody is
            told from anybody, and there is no ``reid_top1``.
        keys: Decide ties, (N,): texts that are embedded alike cannot be told apart.
        labels: Of the attacked texts, None where one has none.
        documents: The document of each attacked text.
        device: As torch spells it.
    """
    scores: PerText = {}
    if rows is not None:
        hits = top_k(lifted, clean, k=1, similarity="cosine", tie_keys=keys, device=device)
        scores[REID] = (hits.indices[:, 0] == rows).astype(np.float64)
    if can_be_told(labels, documents):
        scores[LABEL_FROM_VECTOR] = label_from_vectors(lifted, labels, documents)
    return scores
