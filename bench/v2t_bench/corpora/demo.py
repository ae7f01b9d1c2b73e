"""Four small collections in the shape of NQ, MSMARCO, BEIR and MIMIC, made by our own grammar.

Nothing in them is true and nobody in them exists. Names, numbers and certain pairs of
words of the test split never occur in a training split, so nothing can be recited.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, cycle, islice
from random import Random
from typing import Any

from v2t_bench.corpora.demo_grammar import (
    Facts,
    Word,
    choose,
    held_out,
    read_tables,
    read_topics,
    word_list,
)
from v2t_bench.corpora.records import Corpus, Document
from v2t_bench.errors import UnknownComponent
from v2t_bench.scoring.names import Name

DEMO_NAMES = ("demo-nq", "demo-msmarco", "demo-beir", "demo-mimic")
SEED = "v2t-bench demo 1"
N_DOCUMENTS = 300
# Of five subjects one has three documents, and queries about it have three answers.
FAMILY_SIZES = (1, 1, 1, 1, 3)
N_SINGLE_QUERIES, N_FAMILY_QUERIES = 45, 15
TOPICS = {
    "demo-nq": "music sea farm war theatre art railway mine weaving books building church "
    "animals court space travel garden sport weather geology kitchen",
    "demo-msmarco": "kitchen home garden car computer money court school travel sport weather "
    "weaving animals nutrition music building sea farm books theatre medicine railway",
    "demo-beir": "cells chemistry physics ecology mind nutrition geology space machines "
    "medicine weather computer farm sea animals garden kitchen money school mine car sport "
    "building music",
    "demo-mimic": "music sea farm war theatre art railway mine weaving books building church "
    "animals garden kitchen home school court money sport travel computer car weather space "
    "cells chemistry ecology geology machines physics nutrition mind",
}
# What all documents of one family have in common.
SUBJECT = ("quality", "thing")
PATIENT = ("first", "last", "gender", "age", "elder", "person", "condition")

# The second word of each pair is drawn for the first such that together they
# occur in one split only.
PAIRS = (
    ("thing", "quality"),
    ("thing", "verb"),
    ("thing2", "quality2"),
    ("person", "nation"),
)

Words = Mapping[str, Sequence[str]]


@cache
def demo_corpus(name: str, *, n_training: int = 4000) -> Corpus:
    """Return one demo collection; a longer training split starts with the shorter one.

    Raises:
        UnknownComponent: the name is not one of `DEMO_NAMES`.
    """
    if name not in DEMO_NAMES:
        raise UnknownComponent(
            f"no demo corpus is called {name!r} (known: {', '.join(DEMO_NAMES)})"
        )
    random = Random(f"{SEED}/{name}/test")
    families = list(_families(name, random))
    documents = tuple(chain.from_iterable(family.documents for family in families))
    asked = [
        *_spread([one for one in families if len(one.documents) == 1], N_SINGLE_QUERIES),
        *_spread([one for one in families if len(one.documents) == 3], N_FAMILY_QUERIES),
    ]
    return Corpus(
        name=name,
        split="test",
        documents=documents,
        queries={f"q{index:02d}": family.query for index, family in enumerate(asked)},
        judgements={f"q{index:02d}": family.grades for index, family in enumerate(asked)},
        names={key: person for family in families for key, person in family.names.items()},
        training_texts=tuple(islice(_training_texts(name), n_training)),
    )


@cache
def demo_training_texts() -> tuple[str, ...]:
    """Return the training splits of all four, one text of each in turn."""
    splits = [demo_corpus(name).training_texts for name in DEMO_NAMES]
    return tuple(chain.from_iterable(zip(*splits, strict=True)))


@dataclass(frozen=True)
class _Family:
    """Documents on one subject and the query that asks for them."""

    documents: Sequence[Document]
    query: str
    grades: Mapping[str, int]
    names: Mapping[str, Name]


def _families(name: str, random: Random) -> Iterator[_Family]:
    """Yield families until there are enough documents; no two share a subject."""
    style = _style(name)
    seen: set[tuple[str, ...]] = set()
    count = 0
    for size in cycle(FAMILY_SIZES):
        size = min(size, N_DOCUMENTS - count)
        if size == 0:
            return
        words = _pick_words(name, random, test=True)
        first = _draw_facts(name, random, words, {}, test=True)
        shared = {slot: first[slot] for slot in (PATIENT if name == "demo-mimic" else SUBJECT)}
        if tuple(shared.values()) in seen:
            continue
        seen.add(tuple(shared.values()))
        ids = [f"{name}-{count + offset:03d}" for offset in range(size)]
        count += size
        documents, names = [], {}
        used: list[Mapping[str, str]] = []
        for key in ids:
            pattern = choose(random, style["patterns"])
            # A page about a person would not be about the family's subject.
            while pattern in used or (size > 1 and "title" in pattern):
                pattern = choose(random, style["patterns"])
            used.append(pattern)
            facts = first if size == 1 else _draw_facts(name, random, words, shared, test=True)
            title, text = _write(style, pattern, facts)
            documents.append(Document(key, title, text))
            if "first" in facts:
                names[key] = Name(str(facts["first"]), str(facts["last"]))
        asked = used[0]["query"] if size == 1 else choose(random, style["family"])
        best = 2 if name == "demo-beir" else 1
        grades = {key: best if key == ids[0] else 1 for key in ids}
        yield _Family(documents, facts.write(asked).lower(), grades, names)


def _training_texts(name: str) -> Iterator[str]:
    """Yield distinct texts without end; none has a name, number or pair of the test split."""
    random = Random(f"{SEED}/{name}/training")
    style = _style(name)
    seen: set[str] = set()
    while True:
        words = _pick_words(name, random, test=False)
        facts = _draw_facts(name, random, words, {}, test=False)
        text = " ".join(_write(style, choose(random, style["patterns"]), facts)).strip()
        if text not in seen:
            seen.add(text)
            yield text


def _write(style: Mapping[str, Any], pattern: Mapping[str, str], facts: Facts) -> tuple[str, str]:
    """Return title and text of one document."""
    title = pattern.get("title", style.get("title", ""))
    return facts.write(title), facts.write(pattern["text"])


def _draw_facts(
    name: str, random: Random, words: Words, known: Mapping[str, Word], *, test: bool
) -> Facts:
    """Return facts whose pairs of words belong to this split and no other."""
    while True:
        facts = Facts(random, words, known)
        if name == "demo-mimic":
            _add_patient(facts)
        for anchor, partner in (("condition", "sign"), *PAIRS) if "sign" in words else PAIRS:
            if partner in facts:
                continue
            options = [
                word
                for word in words[partner.rstrip("2")]
                if word not in facts.values() and held_out(f"{word} {facts[anchor]}") == test
            ]
            if not options:
                break
            facts[partner] = Word(choose(random, options))
        else:
            if "sign" in facts:
                facts["plain"] = Word(_plain_words()[facts["sign"]])
            return facts


def _add_patient(facts: Facts) -> None:
    """Draw who the note is about, where that is not known yet."""
    if "first" not in facts:
        facts["gender"] = Word(choose(facts.random, ("woman", "man")))
        facts["first"] = Word(choose(facts.random, facts.words[facts["gender"]]))
    age = int(facts["age"])
    facts["elder"] = Word("elderly" if age >= 65 else "young" if age < 35 else "middle-aged")


@cache
def _plain_words() -> Mapping[str, str]:
    """Return what a layman calls each clinical sign."""
    pairs = chain.from_iterable(system["sign"] for system in read_topics("clinic").values())
    return dict(pair.split("=") for pair in pairs)


def _pick_words(name: str, random: Random, *, test: bool) -> Words:
    """Return the words of one topic, and for a clinical note of one body system too."""
    topic = _topics()[choose(random, TOPICS[name].split())]
    if name != "demo-mimic":
        return {**_shared_words(test), **topic}
    systems = read_topics("clinic")
    system = dict(systems[choose(random, tuple(systems))])
    system["sign"] = tuple(pair.partition("=")[0] for pair in system["sign"])
    # What a patient already had or took may concern any part of the body.
    for slot in ("condition", "drug"):
        system[slot] = tuple(chain.from_iterable(one[slot] for one in systems.values()))
    return {**_shared_words(test), **topic, **system}


@cache
def _topics() -> Mapping[str, Words]:
    return {**read_topics("crafts"), **read_topics("living"), **read_topics("science")}


@cache
def _style(name: str) -> Mapping[str, Any]:
    style: Mapping[str, Any] = read_tables("patterns")[name.removeprefix("demo-")]
    return style


@cache
def _shared_words(test: bool) -> Words:
    """Return what every topic may draw from; names and numbers are those of one split."""
    shared = {key.removesuffix("s"): word_list(text) for key, text in read_tables("shared").items()}
    surnames = [head + tail for head in shared["surname_head"] for tail in shared["surname_tail"]]
    own = {
        "woman": shared["women"],
        "man": shared["men"],
        "first": [*shared["women"], *shared["men"]],
        "last": surnames,
        "number": [str(number) for number in range(12, 99)],
        "age": [str(age) for age in range(21, 89)],
        "year": [str(year) for year in range(1100, 1960)],
    }
    return shared | {
        slot: tuple(word for word in words if held_out(word) == test) for slot, words in own.items()
    }


def _spread(families: Sequence[_Family], count: int) -> list[_Family]:
    """Return so many families at equal distances."""
    return [families[index * len(families) // count] for index in range(count)]
