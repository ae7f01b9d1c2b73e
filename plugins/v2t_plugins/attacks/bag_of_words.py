"""Guess which words a text has, not their order (Song and Raghunathan 2020, section 4.1).

A network gives every word of a vocabulary a probability; the words are said from the
likeliest down, so BLEU measures little here and token F1 is the score to read. Theirs draws
its words from a tokenizer and says those above a threshold; ours takes the most frequent
words of the training text and says as many as promise the best F1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Recipe,
    Size,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import check_dim, folder_of, only_number
from v2t_plugins.attacks.words import Words

if TYPE_CHECKING:
    from v2t_plugins.attacks.word_classifier import WordClassifier

NETWORK, SETTINGS = "network.safetensors", "bag_of_words.json"

HIDDEN: Mapping[Size, int] = {"tiny": 256, "small": 768, "base": 2048}
LEARNING_RATE = 2e-3
BATCH_SIZE = 512
# With more passes over the texts the network learns them by heart.
PASSES = 5
FEWEST_STEPS, MOST_STEPS = 200, 20_000
MAX_WORDS = 10_000
# Held back, to see what the network is worth on texts it has not read.
VALIDATED, VALIDATED_SHARE = 500, 20


@dataclass(frozen=True, kw_only=True)
class BagOfWords:
    """The likeliest words of a text, in order of probability.

    Training takes the option ``words``, the largest vocabulary (10000).

    Args:
        checkpoint: The folder that training filled.
        context: Where to compute.
    """

    checkpoint: Path | None = None
    context: BuildContext

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Choose the vocabulary and fit the network.

        Raises:
            BadInput: no word occurs in two texts.
            BadParameter: an option is unknown or out of range.
        """
        from v2t_bench.scoring.overlap import token_f1_per_text
        from v2t_plugins.attacks.word_classifier import Examples, collate, n_words, new_classifier
        from v2t_plugins.training import fit, save_network, write_json

        most = only_number(context.options, "words", "bow") or MAX_WORDS
        words = Words.of(texts, oracle.space, most=most, who="bow")
        labels = [words.numbers_of(text) for text in texts]
        vectors = context.release(oracle.embed(texts, keep=True), texts)
        known, held_back = _split(texts)
        examples = Examples(vectors[known], [labels[row] for row in known])
        counts = examples.counts(len(words.said))
        network = new_classifier(
            examples.vectors, counts, hidden=HIDDEN[context.size], seed=context.seed
        )
        truth = [texts[row] for row in held_back]

        def evaluate() -> dict[str, float]:
            guesses = network.guess(vectors[held_back], words.said)
            return {"token_f1": float(token_f1_per_text(truth, guesses).mean())}

        batch_size = context.batch_size or BATCH_SIZE
        steps = context.steps
        if steps is None and context.minutes is None:
            steps = min(MOST_STEPS, max(FEWEST_STEPS, PASSES * len(known) // batch_size))
        curve = fit(
            network,
            examples,
            collate=collate,
            context=context,
            stage="bow",
            steps=steps,
            minutes=context.minutes,
            learning_rate=LEARNING_RATE,
            batch_size=batch_size,
            identity=_digest("\n".join(words.said)),
            evaluate=evaluate,
            evaluate_every=max(1, (steps or 4000) // 4),
            terms=n_words,
        )
        shape = {"dim": vectors.shape[1], "hidden": HIDDEN[context.size]}
        save_network(context.folder / NETWORK, network)
        write_json(context.folder / SETTINGS, {**shape, "words": list(words.said)})
        recipe = {
            **shape,
            "words": len(words.said),
            "steps": steps,
            "minutes": context.minutes,
            "batch_size": batch_size,
            "learning_rate": LEARNING_RATE,
            "texts": len(known),
        }
        return TrainReport(recipe=recipe, curve=curve)

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the words read out of each row of ``vectors``, (n, d), likeliest first.

        Raises:
            MissingCheckpoint: built without one.
            SpaceMismatch: trained on vectors of another dimension.
            CorruptArtifact: a file of the checkpoint is damaged.
        """
        network, said = self._trained
        check_dim(vectors, len(network.centre), "bow")
        return network.guess(vectors, said)

    @cached_property
    def _trained(self) -> tuple[WordClassifier, list[str]]:
        """The network and its vocabulary."""
        import torch

        from v2t_plugins.attacks.word_classifier import WordClassifier
        from v2t_plugins.networks import load_network, read_json

        folder = folder_of(self.checkpoint, "bow")
        settings = read_json(folder / SETTINGS)
        try:
            said = [str(word) for word in settings["words"]]
            # What it draws at first is overwritten; the caller's randomness stays as it was.
            with torch.random.fork_rng(devices=[]):
                network = WordClassifier(
                    dim=int(settings["dim"]), hidden=int(settings["hidden"]), words=len(said)
                )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifact(
                f"{folder / SETTINGS} lacks or misstates {error}; train again"
            ) from error
        load_network(folder / NETWORK, network)
        return network.eval().to(self.context.device), said


def _split(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to learn and those held back, chosen by hash and not by position."""
    n = min(VALIDATED, len(texts) // VALIDATED_SHARE)
    order = np.argsort([_digest(text) for text in texts], kind="stable")
    return np.sort(order[n:]), order[:n]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the bag of words."""
    yield Recipe(
        name="bow",
        build=BagOfWords,
        source="Song and Raghunathan 2020, section 4.1",
        learned=True,
        demo={"size": "small", "steps": 400, "batch_size": 128},
    )
