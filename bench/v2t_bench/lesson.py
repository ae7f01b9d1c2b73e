"""What is to be taught: the attack, its texts, and what decides the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from v2t_bench.canonical import hash_texts
from v2t_bench.contracts import Embedder, Size
from v2t_bench.errors import BadParameter
from v2t_bench.registry import Registry
from v2t_bench.shown import shown_composition, without_paths
from v2t_bench.spelling import Spelling, Value
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
        taught: The parameters that training decides, see `Recipe.taught`; canonical.
        embedder: Of an attack nested in one that brings vectors to another space: how its
            embedder is spelled. Empty: the one that is attacked.
        size, steps, minutes, seed, batch_size, tokenizer, options: See `TrainContext`.
        defense: The defense it is trained against, or empty for clean vectors.
        defense_seed: Of the secret that the attacker makes up for it.
        owner_seed: Of the owner's secret, where the owner's own service releases what is
            trained on; None: the attacker does.
        dev: Texts of another origin to measure on as the training goes; they decide nothing.
        titles: Whether the texts were read with their titles; recorded.
        text_licence, text_source: What the texts may be used for and where they are from;
            recorded.
        ngrams: Whether hashes of the texts and of their runs are kept, see `text_hashes`.
            Whoever guesses a text, or 13 words in a row, can confirm by them that it is there.
    """

    attack: str
    texts: Sequence[str]
    trained_on: str
    max_tokens: int = 32
    min_tokens: int | None = None
    fast_vectors: bool = False
    taught: Mapping[str, Value] = field(default_factory=dict)
    embedder: str = ""
    size: Size = "small"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch_size: int | None = None
    tokenizer: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    defense: str = ""
    defense_seed: int = 0
    owner_seed: int | None = None
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
            if self.owner_seed is None:
                defended["defense_seed"] = self.defense_seed
            else:
                defended["owner_seed"] = self.owner_seed
        unusual: dict[str, Any] = {}
        if self.min_tokens is not None:
            unusual["min_tokens"] = self.min_tokens
        if self.fast_vectors:
            unusual["fast_vectors"] = True
        if self.taught:
            unusual["taught"] = shown_taught(self.taught)
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


def taught_by(registry: Registry, attack: Spelling) -> dict[str, Value]:
    """Return the parameters of ``attack`` that training decides, canonical, defaults filled in.

    Raises:
        UnknownComponent, BadParameter: it cannot be bound as spelled.
    """
    names = registry.entry("attacks", attack.name).recipe.taught
    if not names:
        return {}
    canonical = registry.canonical("attacks", attack).named
    return {name: canonical[name] for name in names if name in canonical}


def to_be_taught(registry: Registry, attack: Spelling) -> dict[str, Value]:
    """Return `taught_by` of an attack spelled for its training.

    Raises:
        UnknownComponent, BadParameter: as `taught_by`, or a parameter is given that training
            does not decide.
    """
    taught = taught_by(registry, attack)
    if attack.positional or attack.named:
        given = registry.canonical("attacks", attack).named
        usual = registry.canonical("attacks", Spelling(attack.name, (), taught)).named
        for name in given:
            if given[name] != usual.get(name):
                names = registry.entry("attacks", attack.name).recipe.taught
                raise BadParameter(
                    f"train {attack.name}: {name} is for run, training does not decide it; leave "
                    f"it out (parameters of training: {', '.join(names) or 'none'})"
                )
    return taught


def shown_taught(taught: Mapping[str, Value]) -> dict[str, str]:
    """Return the values of parameters that training decides, as results show them."""
    shown = without_paths(Spelling("taught", (), taught)).named
    return {name: str(value) for name, value in sorted(shown.items())}
