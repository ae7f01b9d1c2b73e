"""Learning what the search knows, in closed form: counts, a regression and the texts themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from v2t_bench.contracts import TrainContext, TrainReport
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.oracle_search.effects import Effects
from v2t_plugins.attacks.oracle_search.kneser_ney import MOST_WORDS, KneserNey
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.oracle_search.ridge import Ridge
from v2t_plugins.attacks.oracle_search.saving import Learned, half
from v2t_plugins.attacks.text_store import at_most, expected
from v2t_plugins.attacks.trained import whole_numbers
from v2t_plugins.attacks.words import Words

MAX_WORDS = 60_000


def train(texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
    """Fill ``context.folder`` with what is learned of ``texts``.

    Raises:
        BadInput: no word occurs in two texts.
        BadParameter: an option is unknown or out of range.
    """
    options = whole_numbers(context.options, ("words", "limit"), "search")
    most = min(options.get("words", MAX_WORDS), MOST_WORDS)
    words = Words.of(texts, oracle.space, most=most, who="search")
    lexicon = Lexicon(words.said, oracle.space)
    read = [lexicon.read(text).astype(np.int32) for text in texts]
    context.progress(f"search: {len(lexicon):,} words")
    unknown = len(lexicon)
    order = KneserNey.fit((np.where(ids < 0, unknown, ids) for ids in read), len(lexicon))
    context.progress(f"search: {len(order.triples):,} runs of three words")
    vectors = expected(oracle.embed(texts, keep=True), texts, context)
    ridge = Ridge.fit(vectors, read, len(lexicon))
    context.progress("search: asking about words alone, and trying what they do in texts")
    effects = Effects.measure(oracle, lexicon, read, vectors, ridge.share)
    distinct = list(dict.fromkeys(texts))
    kept = at_most(distinct, options.get("limit"))
    places = {text: row for row, text in enumerate(texts)}
    stored = half(vectors, [places[text] for text in kept])
    most_words = max(len(ids) for ids in read)
    Learned(
        said=words.said,
        order=order,
        ridge=ridge,
        effects=effects,
        texts=kept,
        vectors=stored,
        most_words=most_words,
    ).save(context.folder)
    return TrainReport(
        recipe={
            "words": len(lexicon),
            "triples": len(order.triples),
            "texts": len(texts),
            "stored": len(kept),
            "limit": options.get("limit"),
            "dim": ridge.dim,
        }
    )
