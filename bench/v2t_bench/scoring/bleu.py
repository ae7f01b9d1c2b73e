"""BLEU, three ways that give three different numbers; each is named and signed.

sacrebleu is called directly: the ``evaluate`` package gives the same numbers but
fetches a script from the Hub at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BadInput
from v2t_bench.scoring.pairs import check_pairs

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU


def bleu_per_text(references: Sequence[str], guesses: Sequence[str]) -> NDArray[np.float64]:
    """Return the BLEU of each pair as the Vec2Text paper computes it, (n,), 0-100.

    This is sacrebleu's corpus BLEU of a corpus of one sentence: 13a tokens,
    exponential smoothing, no effective order. A guess of fewer than 4 tokens has
    no 4-grams and so scores 0, even where it equals its reference
    (`bleu_eff_per_text` gives 100 there). An empty guess scores 0.
    Source: Morris et al. 2023, ``vec2text/trainers/base.py``.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    return _per_text(_metric(effective_order=False), references, guesses)


def bleu_eff_per_text(references: Sequence[str], guesses: Sequence[str]) -> NDArray[np.float64]:
    """Return the sentence BLEU of each pair with effective order, (n,), 0-100.

    Orders the guess is too short to have are left out of the geometric mean, so
    an exact guess scores 100 however short. Two empty strings score 0.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    return _per_text(_metric(effective_order=True), references, guesses)


def bleu_corpus(references: Sequence[str], guesses: Sequence[str]) -> float:
    """Return the BLEU of all pairs taken as one corpus, 0-100.

    n-gram counts are summed over the texts before precisions are formed, so long
    texts weigh more; it is not the mean of `bleu_per_text`.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
        BadInput: there are no texts.
    """
    check_pairs(references, guesses)
    if not guesses:
        raise BadInput("corpus BLEU is not defined for no texts; give at least one")
    score = _metric(effective_order=False).corpus_score(guesses, [references]).score
    return min(float(score), 100.0)


def bleu_signatures() -> dict[str, str]:
    """Return sacrebleu's signature of each column: `bleu`, `bleu_eff`, `bleu_corpus`.

    `bleu` and `bleu_corpus` share one, as they differ only in what is averaged.
    """
    plain = _signature(effective_order=False)
    return {"bleu": plain, "bleu_eff": _signature(effective_order=True), "bleu_corpus": plain}


def _metric(*, effective_order: bool) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    # force only silences the warning about guesses that end in " ."
    return BLEU(effective_order=effective_order, force=True)


def _per_text(
    metric: BLEU, references: Sequence[str], guesses: Sequence[str]
) -> NDArray[np.float64]:
    check_pairs(references, guesses)
    pairs = zip(references, guesses, strict=True)
    # corpus_score of one pair is what sentence_score computes, without a warning per call.
    scores = [metric.corpus_score([guess], [[reference]]).score for reference, guess in pairs]
    # Through exp and log sacrebleu returns 100.00000000000004 for an exact guess.
    return np.minimum(np.array(scores, dtype=np.float64), 100.0)


def _signature(*, effective_order: bool) -> str:
    metric = _metric(effective_order=effective_order)
    # The number of references is part of the signature and known only after a call.
    metric.corpus_score(["a"], [["a"]])
    return str(metric.get_signature())
