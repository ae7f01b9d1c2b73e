"""Every score of a stored cell, computed anew from its raw outputs."""

from __future__ import annotations

from v2t_bench.contracts import Space
from v2t_bench.results import Result
from v2t_bench.samples import RETRIEVAL, SAMPLES, score_retrieval, score_samples
from v2t_bench.store import Store


def rescore(store: Store, result: Result, space: Space) -> Result:
    """Return a stored cell with every score computed anew from its raw outputs."""
    if result.kind == "utility":
        table, scores = score_retrieval(store.table(result.cell_id, RETRIEVAL))
        name = RETRIEVAL
    else:
        table, scores = score_samples(store.table(result.cell_id, SAMPLES), space)
        name = SAMPLES
        if "bleu_corpus" not in scores and "bleu_corpus" in result.scores:
            # Corpus BLEU is no mean of stored scores; without texts it stays as it was.
            scores["bleu_corpus"] = result.scores["bleu_corpus"]
    if scores == result.scores:
        return result
    others = {file: store.table(result.cell_id, file) for file in result.files if file != name}
    return store.write(
        result.model_copy(update={"scores": scores}),
        {name: table, **others},
        may_hold_text="text" in table.column_names,
    )
