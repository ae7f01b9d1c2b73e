"""Every check passes what is sound and catches what is broken."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from contract.sound import Chooses, Draws, Halves, Plain, Turns
from v2t_bench import hookimpl
from v2t_bench.conformance import (
    ATTACK_CHECKS,
    DEFENSE_CHECKS,
    EMBEDDER_CHECKS,
    RECIPE_CHECKS,
    LetterPairs,
    check_attack,
    check_defense,
    check_embedder,
    check_recipe,
)
from v2t_bench.contracts import Kind, Recipe, Role, Space, Vectors
from v2t_bench.errors import BrokenPromise
from v2t_bench.registry import Origin, Registry
from v2t_bench.threat import Oracle

# Never starts again: what draws from it is never the same twice.
COUNTER = itertools.count(1)
# ruff: noqa: NPY002  the broken components are broken on purpose


@contextmanager
def secretly_global() -> Iterator[None]:
    """Put the global state back, as a component does that hides what it drew from it."""
    state = np.random.get_state()
    yield
    np.random.set_state(state)


# ------------------------------------------------------------------------- embedders
def embedder(**members: Any) -> Callable[[], LetterPairs]:
    """Return a maker of embedders that differ from a sound one in ``members``."""
    return type("Broken", (LetterPairs,), members)


def embedding(change: Callable[[Vectors, Sequence[str], Role], Any]) -> Callable[[], LetterPairs]:
    """Return a maker of embedders whose vectors are changed before they are returned."""

    def embed(self: LetterPairs, texts: Sequence[str], role: Role) -> Any:
        return change(LetterPairs.embed(self, texts, role), texts, role)

    return embedder(embed=embed)


def of_space(**fields: Any) -> Callable[[], LetterPairs]:
    """Return a maker of embedders that declare another space than they have."""
    return embedder(space=property(lambda self: replace(LetterPairs().space, **fields)))


def spans(change: Callable[[str], Any]) -> Callable[[], LetterPairs]:
    """Return a maker of embedders with other token spans."""
    return embedder(token_spans=lambda self, texts: [change(text) for text in texts])


def reads_on() -> LetterPairs:
    """Return an embedder that declares 100 tokens and reads 512."""
    sound = LetterPairs()
    space = replace(sound.space, max_tokens=100)
    members = {"space": space, "embed": lambda self, texts, role: sound.embed(texts, role)}
    return embedder(**members)()


def prompts_in_secret(self: LetterPairs, texts: Sequence[str], role: Role) -> Vectors:
    return LetterPairs.embed(self, [f"{role}: {text}" for text in texts], role)


def sorts_in_place(vectors: Vectors, texts: Any, role: Role) -> Vectors:
    texts.sort()
    return vectors


def seeds_torch(vectors: Vectors, texts: Sequence[str], role: Role) -> Vectors:
    import torch

    torch.manual_seed(0)
    return vectors


def seeds_numpy(vectors: Vectors, texts: Sequence[str], role: Role) -> Vectors:
    np.random.seed(0)
    return vectors


def shakes(vectors: Vectors, *_: Any) -> Vectors:
    with secretly_global():
        return vectors + np.random.rand(*vectors.shape).astype(np.float32)


def draws_with_random(vectors: Vectors, *_: Any) -> Vectors:
    state = random.getstate()
    drawn = random.random()
    random.setstate(state)
    return vectors + np.float32(drawn)


def fails_on_blank(vectors: Vectors, texts: Sequence[str], role: Role) -> Vectors:
    return vectors * np.float32(min(1 / len(text.split()) for text in texts))


EMBEDDER_BREAKERS: dict[str, list[tuple[Callable[[], LetterPairs], str]]] = {
    "gives_one_finite_row_a_text": [
        (embedding(lambda v, *_: v.astype(np.float64)), "float64"),
        (embedding(lambda v, *_: v * np.float32("nan")), "NaN"),
        (embedding(lambda v, *_: v[:1]), r"asked for 7 texts, returned shape \(1, 32\)"),
        (embedding(lambda v, *_: v.tolist()), "returned list"),
    ],
    "takes_no_texts": [
        (embedding(lambda v, *_: np.stack(list(v))), "raised ValueError"),
        (embedding(lambda v, *_: v[0] if not len(v) else v), "raised IndexError"),
        (embedding(lambda v, t, _: v if t else v[:, :3]), r"shape \(0, 3\)"),
        (embedder(token_spans=lambda self, texts: None), "expected an empty list"),
    ],
    "takes_odd_texts": [(embedding(fails_on_blank), "raised ZeroDivisionError")],
    "declares_its_dimension": [(embedding(lambda v, *_: v[:, :31]), "dim=32 .* 31 dimensions")],
    "declares_a_space": [
        (of_space(similarity="angular"), "angular"),
        (of_space(blind_to=("whitespace", "case")), "sorted"),
        (of_space(blind_to=("colour",)), "sorted tuple"),
        (of_space(max_tokens=0), "room"),
        (of_space(weights=""), "weights is empty"),
        (of_space(normalize=1), "normalize is 1"),
        (embedder(space="mine"), "not a v2t_bench.contracts.Space"),
    ],
    "is_of_one_space": [
        (
            embedder(
                space=property(
                    lambda self: replace(LetterPairs().space, weights=f"{next(COUNTER)}")
                )
            ),
            "another space",
        )
    ],
    "gives_the_same_again": [
        (embedding(lambda v, *_: v + np.float32(next(COUNTER))), "differently when asked again")
    ],
    "embeds_each_text_alone": [
        (embedding(lambda v, *_: v - v.mean(axis=0)), "split"),
        (embedding(lambda v, *_: v + np.arange(len(v), dtype="f4")[:, None]), "another order"),
        (embedding(lambda v, t, _: v * np.float32(1 + max(map(len, t)) / 99)), "split"),
    ],
    "leaves_texts_alone": [(embedding(sorts_in_place), "modified the list")],
    "leaves_global_randomness_alone": [
        (embedding(seeds_numpy), "changed a global random state"),
        (embedding(seeds_torch), "changed a global random state"),
        (embedding(lambda v, *_: v + np.float32(random.random())), "changed a global"),
    ],
    "ignores_the_global_seed": [
        (embedding(shakes), "under another global seed"),
        (embedding(draws_with_random), "under another global seed"),
    ],
    "has_length_one_if_declared": [(embedding(lambda v, *_: v * np.float32(2)), "2.0000")],
    "declares_what_its_roles_change": [(embedder(embed=prompts_in_secret), "same prompt")],
    "counts_its_special_tokens": [
        (embedder(special_tokens=-1), "is -1"),
        (embedder(special_tokens=True), "is True"),
    ],
    "says_where_its_tokens_are": [
        (spans(lambda text: [(0, len(text.encode()))]), "not bytes"),
        (spans(lambda text: [(0, min(2, len(text))), (0, len(text))]), "none overlapping"),
        (spans(lambda text: [(at, at + 1) for at in reversed(range(len(text)))]), "in order"),
        (embedder(token_spans=lambda self, texts: []), "one entry for each"),
    ],
    "cuts_no_token_spans": [
        (spans(lambda text: [(at, at + 1) for at in range(len(text))][:512]), "truncation"),
        (spans(lambda text: []), "truncation"),
    ],
    "reads_no_more_than_it_says": [(reads_on, "token 101")],
    "cannot_see_what_it_says": [
        (of_space(blind_to=("case",)), "cosine"),
        (of_space(blind_to=("accents",)), "cosine"),
        (of_space(blind_to=("whitespace",)), "cosine"),
    ],
    "normalizes_text_once": [(of_space(blind_to=("punctuation_spacing",)), "declare both")],
}


# ------------------------------------------------------------------------- defenses
def defense(base: type[Plain] = Plain, **members: Any) -> Callable[..., Plain]:
    """Return a maker of defenses that differ from a sound one in ``members``."""
    on = members.pop("on", "both")
    return lambda secret: type("Broken", (base,), members)(secret=secret, on=on)


def protecting(
    change: Callable[..., Any], base: type[Plain] = Plain, **members: Any
) -> Callable[..., Plain]:
    """Return a maker of defenses that release ``change(self, vectors, role, ids)``."""

    def protect(self: Plain, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Any:
        return change(self, vectors, role, ids)

    return defense(base, protect=protect, **members)


@dataclass(kw_only=True)
class Thawed:
    """Like `Plain` and not frozen."""

    secret: Any
    stochastic = False
    keyed = False
    on = "both"
    similarity = None
    fit, protect, lift = Plain.fit, Plain.protect, Plain.lift


def empties(self: Plain, vectors: Vectors, role: Role, ids: list[str]) -> Vectors:
    released = vectors.copy()
    ids.clear()
    return released


def adds_in_place(self: Plain, vectors: Vectors, *_: Any) -> Vectors:
    vectors += 1
    return vectors.copy()


def centres_in_place(self: Plain, vectors: Vectors) -> Plain:
    vectors -= vectors.mean(axis=0)
    return self


def lifts_in_place(self: Plain, released: Vectors) -> Vectors:
    released += 1
    return released.copy()


def counts_twins(self: Plain, vectors: Vectors, role: Role, ids: Sequence[str]) -> Vectors:
    seen = [f"{name} {ids[:row].count(name)}" for row, name in enumerate(ids)]
    return vectors + self.secret.normal(vectors.shape, role, seen)


def by_position(self: Plain, vectors: Vectors, role: Role, ids: Sequence[str]) -> Vectors:
    drawn = self.secret.generator("noise").standard_normal(vectors.shape, dtype=np.float32)
    released: Vectors = vectors + drawn
    return released


def remembers_its_fit(self: Plain, vectors: Vectors) -> Plain:
    object.__setattr__(self, "mean", vectors.mean(axis=0))
    return self


DEFENSE_BREAKERS: dict[str, list[tuple[Callable[..., Any], str]]] = {
    "declares_its_flags": [
        (defense(stochastic=0), "stochastic is 0"),
        (defense(keyed=None), "keyed is None"),
        (defense(on="all"), "'all'"),
        (defense(similarity="l2"), "'l2'"),
        (defense(keyed=True), "keyed and not stochastic"),
    ],
    "gives_one_finite_row_a_vector": [
        (protecting(lambda self, v, *_: v.astype(np.float64)), "float64"),
        (protecting(lambda self, v, *_: v[0] if len(v) == 1 else v.copy()), r"\(32,\)"),
        (protecting(lambda self, v, *_: v / v.max()), "raised ValueError"),
        (protecting(lambda self, v, *_: np.log(v - 9)), "NaN"),
    ],
    "releases_one_dimension": [
        (protecting(lambda self, v, role, _: v[:, :3] if role == "query" else v), r"\[3, 32\]")
    ],
    "returns_a_new_array": [
        (protecting(lambda self, v, *_: v), "view"),
        (protecting(lambda self, v, *_: v[:, ::2]), "view"),
    ],
    "leaves_its_input_alone": [
        (protecting(adds_in_place), "protect modified the vectors"),
        (protecting(empties), "list of ids"),
        (defense(fit=centres_in_place), "fit modified"),
        (defense(lift=lifts_in_place), "lift modified"),
    ],
    "gives_the_same_again": [
        (protecting(lambda self, v, *_: v + np.float32(next(COUNTER))), "when asked again")
    ],
    "protects_each_row_alone": [
        (protecting(by_position), "another order"),
        (protecting(lambda self, v, *_: v - v.mean(axis=0)), "split"),
    ],
    "repeats_the_draw_of_an_id": [(protecting(counts_twins), "under one id")],
    "leaves_global_randomness_alone": [
        (
            protecting(lambda self, v, *_: v + np.random.rand(*v.shape).astype("f4")),
            "changed a global random state",
        )
    ],
    "ignores_the_global_seed": [
        (protecting(lambda self, v, *_: shakes(v)), "under another global seed")
    ],
    "is_stochastic_as_declared": [
        (defense(stochastic=True), "the same vectors"),
        (defense(Draws, stochastic=False), "other vectors"),
    ],
    "is_frozen": [(lambda secret: Thawed(secret=secret), "Thawed.secret could be set")],
    "stays_itself_when_fitted": [
        (
            protecting(lambda self, v, *_: v - self.mean, fit=remembers_its_fit),
            "after a second fit",
        ),
        (defense(fit=lambda self, vectors: SimpleNamespace()), "expected a defense"),
    ],
    "lifts_to_the_embedding": [
        (defense(lift=lambda self, released: released[:, :3]), r"expected .*\(24, 32\)"),
        (defense(lift=lambda self, released: released * np.float32("inf")), "infinity"),
        (defense(lift=lambda self, released: released + np.float32(next(COUNTER))), "again"),
    ],
    "changes_only_its_side": [
        (protecting(lambda self, v, *_: -v, on="documents"), "changes a query"),
        (protecting(lambda self, v, *_: -v, on="queries"), "changes a document"),
    ],
    "releases_the_dimension_it_says": [
        (protecting(lambda self, v, *_: v[:, :5].copy()), "says 32 dimensions and releases 5")
    ],
    "has_the_length_it_says": [
        (
            protecting(lambda self, v, *_: v * np.float32(2), gives_unit=lambda self, unit: unit),
            "the lengths are 2.000",
        )
    ],
    "keeps_the_rankings_it_says": [
        (defense(Draws, keeps=("cosine",)), "keeps names cosine"),
        (
            protecting(lambda self, v, *_: v - v.mean(axis=0), keeps=("euclidean", "dot")),
            "keeps names dot",
        ),
    ],
}


# ------------------------------------------------------------------------- attacks
def attack(change: Callable[[Vectors, Oracle], Any]) -> Callable[[], Any]:
    """Return a maker of attacks that guess ``change(vectors, oracle)``."""
    return type("Broken", (), {"invert": lambda self, vectors, oracle: change(vectors, oracle)})


def words(vectors: Vectors) -> list[str]:
    """Return a word for each row that depends on the row alone."""
    return [str(int(row.argmax())) for row in vectors]


def scales_in_place(vectors: Vectors, oracle: Oracle) -> list[str]:
    vectors *= 2
    return words(vectors)


def goes_round_the_oracle(vectors: Vectors, oracle: Oracle) -> list[str]:
    oracle._answer(["Is it this?"], "document")
    return words(vectors)


def resets_the_count(vectors: Vectors, oracle: Oracle) -> list[str]:
    oracle.embed(["Is it this?"])
    oracle.texts_asked = 0
    return words(vectors)


ASKED: list[str] = []


def asks_once_in_its_life(vectors: Vectors, oracle: Oracle) -> list[str]:
    if not ASKED:
        oracle.embed(["Is it this?"])
        ASKED.append("Is it this?")
    return words(vectors)


WEIGHTS = np.ones((32, 5), dtype=np.float32)

ATTACK_BREAKERS: dict[str, list[tuple[Callable[[], Any], str]]] = {
    "gives_one_guess_a_vector": [
        (attack(lambda v, _: words(v)[1:]), "6 guesses for 7 vectors"),
        (attack(lambda v, _: tuple(words(v))), "list of strings"),
        (attack(lambda v, _: [None] * len(v)), "list of strings"),
    ],
    "takes_no_vectors": [
        (attack(lambda v, _: words(v) or [""]), "1 guesses for 0 vectors"),
        (attack(lambda v, _: [str(v.max())] * len(v)), "raised ValueError"),
    ],
    "takes_odd_vectors": [
        (attack(lambda v, _: ["abc"[int(row.max())] for row in v]), "raised IndexError")
    ],
    "leaves_vectors_alone": [(attack(scales_in_place), "modified the vectors")],
    "gives_the_same_again": [
        (attack(lambda v, _: [str(next(COUNTER)) for _ in v]), "when asked again")
    ],
    "guesses_each_vector_alone": [
        (attack(lambda v, _: [str(row) for row in range(len(v))]), "another order"),
        (attack(lambda v, _: words(v - v.mean(axis=0))), "split"),
    ],
    "leaves_global_randomness_alone": [
        (attack(lambda v, _: [random.choice("ab") for _ in v]), "changed a global random state")
    ],
    "ignores_the_global_seed": [
        (attack(lambda v, _: words(shakes(v * 0))), "under another global seed")
    ],
    "asks_through_the_oracle": [
        (attack(goes_round_the_oracle), "1 texts embedded, and the oracle counted 0"),
        (attack(resets_the_count), "the oracle counted 0"),
        (attack(asks_once_in_its_life), "1 texts at first and 0"),
    ],
    "survives_another_dimension": [
        (attack(lambda v, _: words(v @ WEIGHTS)), "raised ValueError.*SpaceMismatch"),
        (attack(lambda v, _: words(v.reshape(-1, 32))[: len(v) - 1]), "raised|guesses"),
    ],
}


# ------------------------------------------------------------------------- recipes
def offering(recipe: Recipe[Any], kind: Kind = "defenses", module: str = "json") -> Registry:
    """Return a registry that holds one stranger's recipe."""

    @hookimpl
    def offer() -> Iterator[Recipe[Any]]:
        yield recipe

    registry = Registry(strict=True)
    registry.add(SimpleNamespace(**{f"v2t_{kind}": offer}), Origin("toy", "1.0", module))
    return registry


def recipe(build: Callable[..., Any], **fields: Any) -> Recipe[Any]:
    """Return a recipe called ``toy`` that lacks nothing but what ``build`` lacks."""
    return Recipe(
        **{"name": "toy", "summary": "A toy.", "source": "here", **fields, "build": build}
    )


@dataclass(frozen=True, kw_only=True)
class Undocumented:
    sigma: float = 0.5


def documented(*, sigma: float = 0.5, path: Path | None = None, text: str = "") -> None:
    """A sound toy."""


def untyped(*, sigma=0.5) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001
def positional(sigma: float = 0.5, /) -> None: ...
def anything(**sigma: float) -> None: ...
def listed(*, sigmas: list[float] | None = None) -> None: ...
def default_of_text(*, sigma: float = "0.5") -> None: ...  # type: ignore[assignment]
def default_of_truth(*, count: int = True) -> None: ...
def spells_none(*, text: str | None = "none") -> None: ...
def whole_and_half(*, count: int = 2.5) -> None: ...  # type: ignore[assignment]
def loads(*, checkpoint: Path | None = None) -> None: ...
def insists(*, checkpoint: Path) -> None: ...


RECIPE_BREAKERS: dict[str, list[tuple[Registry, Kind, str, str]]] = {
    "has_a_plain_name": [
        (offering(recipe(documented, name="Loud")), "defenses", "Loud", "lower case")
    ],
    "has_a_summary": [
        (offering(recipe(Undocumented, summary="")), "defenses", "toy", "one line"),
        (offering(recipe(loads, summary="")), "defenses", "toy", "one line"),
        (offering(recipe(loads, summary="One.\nTwo.")), "defenses", "toy", "one line"),
    ],
    "names_its_source": [
        (offering(recipe(documented, source="")), "defenses", "toy", "no source"),
        (offering(recipe(documented, source=""), "attacks"), "attacks", "toy", "no source"),
    ],
    "has_named_and_typed_parameters": [
        (offering(recipe(untyped)), "defenses", "toy", "no type"),
        (offering(recipe(positional)), "defenses", "toy", "positional-only"),
        (offering(recipe(anything)), "defenses", "toy", "variadic keyword"),
        (offering(recipe(listed)), "defenses", "toy", "list"),
    ],
    "has_defaults_of_its_types": [
        (offering(recipe(default_of_text)), "defenses", "toy", "is a str"),
        (offering(recipe(default_of_truth)), "defenses", "toy", "is a bool"),
    ],
    "has_a_canonical_spelling": [
        (offering(recipe(spells_none)), "defenses", "toy", "toy"),
        (offering(recipe(whole_and_half)), "defenses", "toy", "whole number"),
    ],
    "offers_standard_spellings_of_itself": [
        (offering(recipe(documented, standard=("other",))), "defenses", "toy", "'other'"),
        (offering(recipe(documented, standard=("toy:x=1",))), "defenses", "toy", "parameter 'x'"),
    ],
    "takes_the_revision_it_offers": [
        (offering(recipe(documented, revision=True)), "defenses", "toy", "revision: str")
    ],
    "takes_a_checkpoint_if_learned": [
        (offering(recipe(documented, learned=True), "attacks"), "attacks", "toy", "checkpoint"),
        (offering(recipe(insists, learned=True), "attacks"), "attacks", "toy:x", "checkpoint"),
        (offering(recipe(loads, learned=True)), "defenses", "toy", "attacks only"),
    ],
    "is_listed_without_heavy_imports": [
        (offering(recipe(documented), module="heavy_plugin"), "defenses", "toy", "tensorflow"),
        (offering(recipe(documented), module="heavy_hook"), "defenses", "toy", "tensorflow"),
        (offering(recipe(documented), module="no_such_plugin"), "defenses", "toy", "No module"),
    ],
}

# What `offering` registers above, as modules that a new process can import.
MODULES = {
    "tensorflow.py": "",
    "heavy_plugin.py": "import tensorflow\n",
    "heavy_hook.py": "def v2t_defenses():\n    import tensorflow\n    yield tensorflow\n",
}


# ------------------------------------------------------------------------- the tests
ALL: dict[str, tuple[Sequence[Any], dict[str, Any]]] = {
    "embedders": (EMBEDDER_CHECKS, EMBEDDER_BREAKERS),
    "defenses": (DEFENSE_CHECKS, DEFENSE_BREAKERS),
    "attacks": (ATTACK_CHECKS, ATTACK_BREAKERS),
    "recipes": (RECIPE_CHECKS, RECIPE_BREAKERS),
}


def cases(of: str) -> list[Any]:
    """Return every check of a list with each of its breakers."""
    checks, breakers = ALL[of]
    named = {check.__name__: check for check in checks}
    return [
        pytest.param(named[name], *breaker, id=f"{name}-{number}")
        for name, some in breakers.items()
        for number, breaker in enumerate(some)
    ]


@pytest.mark.parametrize("of", ALL)
def test_every_check_has_something_broken_that_it_catches(of: str) -> None:
    checks, breakers = ALL[of]
    assert [check.__name__ for check in checks] == list(breakers)


@pytest.mark.parametrize(("check", "make", "reason"), cases("embedders"))
def test_a_broken_embedder_is_caught(check: Any, make: Any, reason: str) -> None:
    with pytest.raises(BrokenPromise, match=reason):
        check(make)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(("check", "make", "reason"), cases("defenses"))
def test_a_broken_defense_is_caught(check: Any, make: Any, reason: str) -> None:
    with pytest.raises(BrokenPromise, match=reason):
        check(make)


@pytest.mark.parametrize(("check", "make", "reason"), cases("attacks"))
def test_a_broken_attack_is_caught(check: Any, make: Any, reason: str) -> None:
    with pytest.raises(BrokenPromise, match=reason):
        check(make)


@pytest.mark.parametrize(("check", "registry", "kind", "example", "reason"), cases("recipes"))
def test_a_broken_recipe_is_caught(
    check: Any,
    registry: Registry,
    kind: Kind,
    example: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, source in MODULES.items():
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrokenPromise, match=reason):
        check(registry, kind, example)


class LowerCased(LetterPairs):
    """Cannot see case, and says so."""

    @property
    def space(self) -> Space:
        return replace(LetterPairs().space, weights="lower", blind_to=("case",))

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        return super().embed([text.lower() for text in texts], role)


@pytest.mark.parametrize("make", [LetterPairs, LowerCased])
def test_a_sound_embedder_passes_every_check(make: Callable[[], LetterPairs]) -> None:
    check_embedder(make)


@pytest.mark.parametrize("make", [Plain, Draws, Turns, Halves])
def test_a_sound_defense_passes_every_check(make: type[Plain]) -> None:
    check_defense(lambda secret: make(secret=secret))


def test_a_sound_defense_of_one_side_passes_every_check() -> None:
    check_defense(lambda secret: Draws(secret=secret, on="documents"))


def test_a_sound_attack_passes_every_check() -> None:
    check_attack(Chooses)


def test_a_sound_recipe_passes_every_check() -> None:
    check_recipe(offering(recipe(documented)), "defenses", "toy:0.25,text=a b")


def test_the_checks_put_the_global_random_state_back() -> None:
    before = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    check_attack(Chooses)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # type: ignore[index]
