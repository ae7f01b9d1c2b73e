"""What is to be taught: the attack, its texts, and what decides the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from v2t_bench.canonical import hash_texts
from v2t_bench.contracts import Embedder, Size
from v2t_bench.registry import Registry
from v2t_bench.shown import shown_composition
from v2t_bench.training_text import Titles


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What an attack is to be taught, and with what budget.

    Args:
        attack: Name of a learned attack.
        texts: Training texts; cut, freed of blanks and of duplicates before use.
        trained_on: What the texts are called in tables.
        max_tokens: The embedder's tokens kept of each text, special ones included.
        min_tokens: A third of the texts are cut at ``max_tokens``, a third at half of it, the
            others at a number drawn evenly from here on; None: all at ``max_tokens``.
        fast_vectors: Whether what is trained on is embedded in bfloat16, on a device that is
            faster so.
        size, steps, minutes, seed, batch_size, tokenizer, options: See `TrainContext`.
        defense: The defense it is trained against, or empty for clean vectors.
        defense_seed: Of the secret that the attacker makes up for it.
        dev: Texts of another origin to measure on as the training goes; they decide nothing.
        titles: Whether the texts were read with their titles; recorded.
        text_licence, text_source: What the texts may be used for and where they are from;
            recorded.
        ngrams: Whether hashes of runs of the texts are kept, see `contamination`. Whoever
            guesses 13 words in a row can confirm by them that the texts hold these.
    """

    attack: str
    texts: Sequence[str]
    trained_on: str
    max_tokens: int = 32
    min_tokens: int | None = None
    fast_vectors: bool = False
    size: Size = "small"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch_size: int | None = None
    tokenizer: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    defense: str = ""
    defense_seed: int = 0
    dev: Sequence[str] = ()
    titles: Titles = "with"
    text_licence: str = ""
    text_source: str = ""
    ngrams: bool = True

    def identity(self, embedder: Embedder) -> dict[str, Any]:
        """Return everything that decides what is learned, as plain JSON values."""
        defended: dict[str, Any] = {}
        if self.defense:
            defended["defense"] = shown_composition(self.defense)
            defended["defense_seed"] = self.defense_seed
        unusual: dict[str, Any] = {}
        if self.min_tokens is not None:
            unusual["min_tokens"] = self.min_tokens
        if self.fast_vectors:
            unusual["fast_vectors"] = True
        return {
            **defended,
            **unusual,
            "attack": self.attack,
            "space": asdict(embedder.space),
            "dim": embedder.dim,
            "texts": hash_texts(self.texts),
            "n_texts": len(self.texts),
            "max_tokens": self.max_tokens,
            "size": self.size,
            "steps": self.steps,
            "minutes": self.minutes,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "tokenizer": self.tokenizer,
            "options": dict(self.options),
        }


def demo_lesson(registry: Registry, attack: str, texts: Sequence[str], max_tokens: int) -> Lesson:
    """Return the training on the demo corpora's own training texts, as the recipe sets it."""
    settings = dict(registry.entry("attacks", attack).recipe.demo)
    return Lesson(attack=attack, texts=texts, trained_on="demo", max_tokens=max_tokens, **settings)
