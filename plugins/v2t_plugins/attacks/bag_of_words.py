"""Guess which words a text has, not their order (Song and Raghunathan 2020, section 4.1).

A network gives every word of a vocabulary a probability; the words are said from the
likeliest down, so BLEU measures little here and token F1 is the score to read. Theirs draws
its words from a tokenizer and says those above a threshold; ours takes the most frequent
words of the training text and says as many as promise the best F1.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
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
    Space,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import check_dim, folder_of, only_number

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
# A word of one text alone cannot be told from that text's other words.
MIN_TEXTS = 2
# Held back, to see what the network is worth on texts it has not read.
VALIDATED, VALIDATED_SHARE = 500, 20

# A word with its apostrophes, or one mark of punctuation.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


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

        words = _Words.of(
            texts, oracle.space, most=only_number(context.options, "words", "bow") or MAX_WORDS
        )
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


@dataclass(frozen=True)
class _Words:
    """A vocabulary: what is said for each word, and its number by how the space sees it."""

    said: tuple[str, ...]
    numbers: Mapping[str, int]
    space: Space

    @classmethod
    def of(cls, texts: Sequence[str], space: Space, *, most: int) -> _Words:
        """Return the most frequent words; each is said in its most frequent form."""
        written = Counter(word for text in texts for word in set(_WORD.findall(text)))
        forms: dict[str, list[str]] = {}
        # Ties are broken by spelling, so that the order of the texts decides nothing.
        for form in sorted(written, key=lambda form: (-written[form], form)):
            forms.setdefault(space.normalize_text(form), []).append(form)
        counts = {key: sum(written[form] for form in forms[key]) for key in forms if key}
        frequent = [key for key in counts if counts[key] >= MIN_TEXTS]
        keys = sorted(frequent, key=lambda key: (-counts[key], key))[:most]
        if not keys:
            raise BadInput("bow: no word occurs in two training texts; give it more of them")
        said = tuple(forms[key][0] for key in keys)
        return cls(said, {key: number for number, key in enumerate(keys)}, space)

    def numbers_of(self, text: str) -> list[int]:
        """Return the numbers of the words that ``text`` has, each once."""
        keys = {self.space.normalize_text(word) for word in _WORD.findall(text)}
        return sorted(self.numbers[key] for key in keys if key in self.numbers)


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
