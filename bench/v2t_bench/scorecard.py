"""From raw outputs to the scores of a cell; needs no model, so it can be done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Space
from v2t_bench.results import Measured
from v2t_bench.scoring.bleu import bleu_corpus, bleu_eff_per_text, bleu_per_text
from v2t_bench.scoring.intervals import bootstrap_mean, wilson
from v2t_bench.scoring.labels import can_be_told, label_by_majority, label_from_texts
from v2t_bench.scoring.names import Name, names_found_per_text
from v2t_bench.scoring.overlap import exact_per_text, token_overlap_per_text

PerText = dict[str, NDArray[np.float64]]

# Proportions of texts: a bootstrap of zeros alone would claim certainty.
PROPORTIONS = frozenset({
    "exact", "exact_norm", "names_first", "names_last", "names_full", "reid_top1",
    "label_from_vector", "label_from_text", "label_by_majority", "contaminated",
})  # fmt: skip
# Intervals must not depend on the run's seeds, or scoring again would move them.
RESAMPLING_SEED = 0


def per_text_scores(
    texts: Sequence[str],
    guesses: Sequence[str],
    space: Space,
    names: Sequence[Name | None] | None = None,
) -> PerText:
    """Return every score that a text and its guess decide, each (n,), by column name.

    The names columns are NaN where the text names nobody.
    """
    seen = [space.normalize_text(text) for text in texts]
    guessed = [space.normalize_text(guess) for guess in guesses]
    overlap = token_overlap_per_text(texts, guesses)
    scores: PerText = {
        "bleu": bleu_per_text(texts, guesses),
        "bleu_norm": bleu_per_text(seen, guessed),
        "bleu_eff": bleu_eff_per_text(texts, guesses),
        "token_f1": overlap.f1,
        "token_precision": overlap.precision,
        "token_recall": overlap.recall,
        "exact": exact_per_text(texts, guesses),
        "exact_norm": exact_per_text(seen, guessed),
    }
    named = [row for row, name in enumerate(names or ()) if name is not None]
    if names is not None and named:
        found = names_found_per_text(
            [name for name in names if name is not None], [guesses[row] for row in named]
        )
        for part in ("first", "last", "full"):
            scores[f"names_{part}"] = np.full(len(texts), np.nan)
            scores[f"names_{part}"][named] = getattr(found, part)
    return scores


def label_scores(
    guesses: Sequence[str], labels: Sequence[str | None], documents: Sequence[str]
) -> PerText:
    """Return whether each label is told by the guess, and by the most common label, each (n,).

    Empty where there is nothing to tell; NaN where a text has no label.
    """
    if not can_be_told(labels, documents):
        return {}
    return {
        "label_from_text": label_from_texts(guesses, labels, documents),
        "label_by_majority": label_by_majority(labels, documents),
    }


def leakage_scores(
    per_text: Mapping[str, NDArray[np.float64]], *, clusters: Sequence[str] | None = None
) -> dict[str, Measured]:
    """Return the mean of each per-text score with its interval.

    Args:
        per_text: Score name to values, (n,); NaN where the score does not apply to a text.
        clusters: The document each text is from, where several come from one.
    """
    return {name: _mean(name, values, clusters) for name, values in per_text.items()}


def _mean(name: str, values: NDArray[np.float64], clusters: Sequence[str] | None) -> Measured:
    counted = ~np.isnan(values)
    values = values[counted]
    if clusters is not None:
        clusters = [cluster for cluster, kept in zip(clusters, counted, strict=True) if kept]
        if len(set(clusters)) == len(clusters):
            clusters = None
    if name in PROPORTIONS and clusters is None:
        interval = wilson(int(values.sum()), len(values))
    else:
        interval = bootstrap_mean(values, clusters=clusters, seed=RESAMPLING_SEED)
    return Measured(
        value=float(np.mean(values)),
        low=interval.low,
        high=interval.high,
        n=len(values),
        method=interval.method,
    )


def corpus_bleu(texts: Sequence[str], guesses: Sequence[str]) -> Measured:
    """Return corpus BLEU, 0-100; it is no mean over texts and has no interval here."""
    return Measured(value=bleu_corpus(texts, guesses), n=len(texts))


def utility_scores(per_query: Sequence[float]) -> dict[str, Measured]:
    """Return NDCG@10 averaged over judged queries, 0-1, with its interval."""
    return {"ndcg_at_10": _mean("ndcg_at_10", np.asarray(per_query, np.float64), None)}
