"""Draw words by topic and put them into sentence patterns, the same on every machine."""

import re
import tomllib
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, TypeVar

Item = TypeVar("Item")
FOLDER = files(__package__) / "demo_vocabulary"
DOUBLED = frozenset("debug unclog distil signal label enamel cancel refuel".split())
IRREGULAR = {
    "loaf": "loaves", "wolf": "wolves", "thief": "thieves", "scarf": "scarves",
    "stimulus": "stimuli", "nucleus": "nuclei", "spectrum": "spectra", "thesis": "theses",
    "prosthesis": "prostheses", "quiz": "quizzes", "potato": "potatoes", "calf": "calves",
    "tomato": "tomatoes", "mosquito": "mosquitoes", "torpedo": "torpedoes", "lens": "lenses",
    "salmon": "salmon", "deer": "deer", "species": "species", "spacecraft": "spacecraft",
    "oasis": "oases",
}  # fmt: skip


def held_out(key: str) -> bool:
    """Return whether a name, number or pair of words is kept for the test split (one in six)."""
    return zlib.crc32(key.encode()) % 6 == 0


def plural(noun: str) -> str:
    """Return the plural of a noun, or the third person of a verb."""
    head, _, last = noun.rpartition(" ")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif re.search(r"([sxz]|[cs]h)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}".lstrip()


def _stem(verb: str) -> str:
    closed = re.fullmatch(r"[^aeiou]*(qu)?[aeiou][bdgklmnprt]", verb)
    return verb + verb[-1] if closed or verb in DOUBLED else verb


def past(verb: str) -> str:
    """Return the past of a regular verb; of two words the first is inflected."""
    first, _, rest = verb.partition(" ")
    if first.endswith("e"):
        first += "d"
    elif re.search(r"[^aeiou]y$", first):
        first = first[:-1] + "ied"
    else:
        first = _stem(first) + "ed"
    return f"{first} {rest}".rstrip()


def gerund(verb: str) -> str:
    """Return the -ing form of a regular verb; of two words the first is inflected."""
    first, _, rest = verb.partition(" ")
    if first.endswith("e") and not first.endswith(("ye", "oe", "ee")):
        first = first[:-1] + "ing"
    else:
        first = _stem(first) + "ing"
    return f"{first} {rest}".rstrip()


def with_article(word: str) -> str:
    """Return the word behind "a" or "an", by its first sound."""
    vowel = re.match(r"[aeiou]|honest|hour|heir|8|11\b|18\b", word, re.IGNORECASE)
    consonant = re.match(r"uni|use|ure|ukr|eu|one", word, re.IGNORECASE)
    silent = re.match(r"unin|unim", word)
    return f"an {word}" if vowel and (silent or not consonant) else f"a {word}"


INFLECTIONS: Mapping[str, Callable[[str], str]] = {
    "s": plural,
    "ed": past,
    "ing": gerund,
    "a": with_article,
    "": str,
}


class Word(str):
    """A word that a pattern can ask for in another form: ``{thing:s}``."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        """Return the word inflected as `INFLECTIONS` says."""
        return INFLECTIONS[form](str(self))


def choose(random: Random, options: Sequence[Item]) -> Item:
    """Return one option; the first is drawn three times as often as the last."""
    # Only multiplication, so that no platform rounds differently.
    uniform = random.random()
    return options[int(len(options) * uniform * (0.5 + 0.5 * uniform))]


class Facts(dict[str, Word]):
    """What one text says: each slot is drawn when a pattern first asks for it.

    ``thing2`` draws from the same words as ``thing`` and never equals it.
    """

    def __init__(
        self, random: Random, words: Mapping[str, Sequence[str]], known: Mapping[str, Word]
    ) -> None:
        """Start from what is known already."""
        super().__init__(known)
        self.random = random
        self.words = words

    def __missing__(self, slot: str) -> Word:
        """Draw a word for a slot that has none yet."""
        options = self.words[slot.rstrip("2")]
        word = choose(self.random, options)
        while word in self.values() and len(options) > 1:
            word = choose(self.random, options)
        self[slot] = Word(word)
        return self[slot]

    def write(self, pattern: str) -> str:
        """Return the pattern filled in, with a capital letter."""
        text = pattern.format_map(self)
        return text[:1].upper() + text[1:]


@cache
def read_tables(stem: str) -> Mapping[str, Any]:
    """Return one vocabulary file as it was written."""
    return tomllib.loads((FOLDER / f"{stem}.toml").read_text(encoding="utf-8"))


def word_list(written: str) -> tuple[str, ...]:
    """Return the words of a list; an underscore joins the parts of one entry."""
    return tuple(word.replace("_", " ") for word in written.split())


@cache
def read_topics(stem: str) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return topic to slot to words of one vocabulary file; plural headings become slots."""
    slots = {"people": "person", "qualities": "quality"}
    return {
        topic: {slots.get(key, key[:-1]): word_list(text) for key, text in lists.items()}
        for topic, lists in read_tables(stem).items()
    }
