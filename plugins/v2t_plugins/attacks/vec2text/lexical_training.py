"""Fitting what lexical scores come from, before either network takes a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from v2t_plugins.attacks.vec2text.lexical import fit_ridge
from v2t_plugins.attacks.word_classifier import ABSENT, n_words, new_classifier
from v2t_plugins.batches import Rows
from v2t_plugins.loop import Record
from v2t_plugins.training import fit

if TYPE_CHECKING:
    from v2t_plugins.attacks.vec2text.train import Training

# A second pass over the texts still helps, a fifth makes it know them by heart.
_PASSES = 2
_BATCH_SIZE, _LEARNING_RATE = 512, 2e-3


def fit_lexical(training: Training) -> tuple[dict[str, Tensor], list[Record]]:
    """Return the tensors of `Lexical.set_fitted`, and the learning curve if there is one."""
    config = training.config
    if not config.lexical_hidden:
        labels = training.labels(range(len(training.texts)))
        return {"weight": fit_ridge(training.vectors, labels, config.vocabulary_size)}, []
    vocabulary, vectors = config.vocabulary_size, training.vectors
    words = _bags(training.ids, config.end_id + 1)
    counts = torch.bincount(words[words != ABSENT], minlength=vocabulary)
    hidden, seed = config.lexical_hidden, training.context.seed
    network = new_classifier(vectors, counts, hidden=hidden, seed=seed)

    def collate(rows: list[int]) -> dict[str, Tensor]:
        index = torch.as_tensor(rows)
        return {"vectors": vectors[index], "words": words[index]}

    curve = fit(
        network,
        Rows(len(words)),
        collate=collate,
        context=training.context,
        stage="lexical",
        steps=max(1, _PASSES * len(words) // _BATCH_SIZE),
        learning_rate=_LEARNING_RATE,
        batch_size=_BATCH_SIZE,
        identity=training.base_identity,
        precision=training.choices.precision,
        terms=n_words,
    )
    inner, outer = network.to("cpu").layers[0], network.layers[-1]
    assert isinstance(inner, torch.nn.Linear)
    assert isinstance(outer, torch.nn.Linear)
    # Centring and scaling are part of the first layer from here on.
    weight = (inner.weight / network.spread).detach()
    fitted = {
        "hidden_weight": weight,
        "hidden_bias": (inner.bias - weight @ network.centre).detach(),
        "out_weight": outer.weight.detach(),
        "out_bias": outer.bias.detach(),
    }
    return fitted, curve


def _bags(ids: Tensor, first_word: int) -> Tensor:
    """Return each row's different ids from ``first_word`` on, (n, t), the rest `ABSENT`."""
    bags = ids.sort(dim=1).values
    again = torch.zeros_like(bags, dtype=torch.bool)
    again[:, 1:] = bags[:, 1:] == bags[:, :-1]
    return bags.masked_fill(again | (bags < first_word), ABSENT)
