"""What an attack promises, one check a promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from v2t_bench.conformance.promise import (
    expect,
    expect_no_global_randomness,
    expect_no_global_seed,
    name_of,
    promise,
)
from v2t_bench.conformance.world import TEXTS, LetterPairs
from v2t_bench.contracts import Attack, Embedder, Role, Vectors, check_guesses
from v2t_bench.errors import V2TError
from v2t_bench.threat import Oracle

MakeAttack: TypeAlias = Callable[[], Attack]


class AttackCheck(Protocol):
    """Raises `BrokenPromise` unless the attacks that ``make`` builds keep one promise.

    ``embedder`` is what the attack inverts; default: one that needs no weights.
    """

    def __call__(  # noqa: D102  the class says it
        self, make: MakeAttack, embedder: Embedder | None = None
    ) -> None: ...


class _World:
    """An embedder, vectors of it, and oracles that keep a second count."""

    def __init__(self, embedder: Embedder | None) -> None:
        self.embedder: Embedder = embedder or LetterPairs()
        self.vectors = self.embedder.embed(TEXTS, "document")
        self.texts_answered = 0

    def answer(self, texts: Sequence[str], role: Role) -> Vectors:
        self.texts_answered += len(texts)
        return self.embedder.embed(texts, role)

    def oracle(self) -> Oracle:
        self.texts_answered = 0
        return Oracle(self.answer, space=self.embedder.space, dim=self.embedder.dim)

    def guesses(self, attack: Attack, vectors: Vectors) -> list[str]:
        guesses = attack.invert(vectors, self.oracle())
        who = f"{name_of(attack)}.invert"
        return check_guesses(guesses, rows=len(vectors), who=who)


def _depends_on_batch(attack: Attack) -> bool:
    """Whether it is a control that is about the other vectors of the batch, and says so."""
    return getattr(attack, "depends_on_batch", False) is True


@promise
def gives_one_guess_a_vector(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Vectors give a list of strings, one a vector."""
    world = _World(embedder)
    attack = make()
    world.guesses(attack, world.vectors)
    if not _depends_on_batch(attack):
        world.guesses(attack, world.vectors[:1])


@promise
def takes_no_vectors(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """An array of shape (0, d) gives an empty list."""
    world = _World(embedder)
    world.guesses(make(), world.vectors[:0])


@promise
def takes_odd_vectors(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Zeros, and vectors far longer and shorter than any embedding, give guesses."""
    world = _World(embedder)
    two = world.vectors[:2]
    world.guesses(make(), np.concatenate([two * 0, two * 1000, two / 1000]))


@promise
def leaves_vectors_alone(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """The array of vectors is not modified."""
    world = _World(embedder)
    attack = make()
    given = world.vectors.copy()
    world.guesses(attack, given)
    expect(
        bool((given == world.vectors).all()),
        f"{name_of(attack)}.invert modified the vectors; expected them untouched; work on a copy, "
        "never with += or out=",
    )


@promise
def gives_the_same_again(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """The same vectors give the same guesses, from one attack and from two built alike."""
    world = _World(embedder)
    first, second = make(), make()
    guesses = world.guesses(first, world.vectors)
    for again in (world.guesses(first, world.vectors), world.guesses(second, world.vectors)):
        expect(
            guesses == again,
            f"{name_of(first)} guesses differently when asked again; expected the same guesses; "
            "switch dropout off, and seed what is drawn",
        )


@promise
def guesses_each_vector_alone(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """A guess depends neither on the order of the batch nor on who else is in it."""
    world = _World(embedder)
    attack = make()
    if _depends_on_batch(attack):
        return
    who = name_of(attack)
    vectors = world.vectors
    together = world.guesses(attack, vectors)
    backwards = world.guesses(attack, vectors[::-1].copy())[::-1]
    expect(
        together == backwards,
        f"{who} guesses differently when the vectors are in another order; expected the same "
        "guesses; draw from the vector itself, not from its position",
    )
    middle = len(vectors) // 2
    apart = [
        guess
        for part in (vectors[:middle], vectors[middle : middle + 1], vectors[middle + 1 :])
        for guess in world.guesses(attack, part)
    ]
    expect(
        together == apart,
        f"{who} guesses differently when the batch is split; expected the same guesses; learn in "
        "train, and never from the vectors under attack",
    )


@promise
def leaves_global_randomness_alone(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Building and inverting do not change a global random state."""
    world = _World(embedder)
    expect_no_global_randomness(
        lambda: make().invert(world.vectors.copy(), world.oracle()), name_of(make())
    )


@promise
def ignores_the_global_seed(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Guesses do not depend on a global seed."""
    world = _World(embedder)
    expect_no_global_seed(
        lambda: make().invert(world.vectors.copy(), world.oracle()), name_of(make())
    )


@promise
def asks_through_the_oracle(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Every text that the embedder answers was asked through, and counted by, the oracle."""
    world = _World(embedder)
    counts = []
    for attack in (make(), make()):
        oracle = world.oracle()
        attack.invert(world.vectors.copy(), oracle)
        expect(
            oracle.texts_asked == world.texts_answered,
            f"{name_of(attack)} had {world.texts_answered} texts embedded, and the oracle counted "
            f"{oracle.texts_asked}; expected the same; ask by oracle.embed and by nothing else",
        )
        counts.append(oracle.texts_asked)
    expect(
        counts[0] == counts[1],
        f"{name_of(attack)} asked {counts[0]} texts at first and {counts[1]} when it was built "
        "again; expected the same: what an attack costs is part of its row",
    )


@promise
def survives_another_dimension(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Vectors of another dimension are refused with a V2TError, or guessed as any others."""
    world = _World(embedder)
    longer = np.concatenate([world.vectors, world.vectors[:, :1]], axis=1)
    attack = make()
    try:
        guesses = attack.invert(longer, world.oracle())
    except V2TError:
        return
    except Exception as error:
        expect(
            False,
            f"{name_of(attack)}.invert, given vectors of {longer.shape[1]} dimensions instead of "
            f"{world.embedder.dim}, raised {type(error).__name__}: {error}; expected "
            "v2t_bench.errors.SpaceMismatch; compare vectors.shape[1] first",
        )
    check_guesses(guesses, rows=len(longer), who=f"{name_of(attack)}.invert")


ATTACK_CHECKS: tuple[AttackCheck, ...] = (
    gives_one_guess_a_vector,
    takes_no_vectors,
    takes_odd_vectors,
    leaves_vectors_alone,
    gives_the_same_again,
    guesses_each_vector_alone,
    leaves_global_randomness_alone,
    ignores_the_global_seed,
    asks_through_the_oracle,
    survives_another_dimension,
)


def check_attack(make: MakeAttack, embedder: Embedder | None = None) -> None:
    """Check every promise of the attacks that ``make`` builds.

    Raises:
        BrokenPromise: the first one that is not kept.
    """
    for check in ATTACK_CHECKS:
        check(make, embedder)
