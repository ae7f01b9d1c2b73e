"""What a defense promises, one check a promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, TypeAlias, get_args

import numpy as np

from v2t_bench.conformance.promise import (
    TOLERANCE,
    close,
    expect,
    expect_no_global_randomness,
    expect_no_global_seed,
    name_of,
    promise,
)
from v2t_bench.conformance.world import random_vectors
from v2t_bench.contracts import Defense, Role, Secret, Similarity, Vectors, check_vectors
from v2t_bench.search import tie_keys, top_k

MakeDefense: TypeAlias = Callable[[Secret], Defense]

ROLES: tuple[Role, ...] = get_args(Role)
SIDES = ("documents", "queries", "both")
SIDE_OF: dict[Role, str] = {"document": "documents", "query": "queries"}

SECRET = Secret.from_seed(1)
OTHER_SECRET = Secret.from_seed(2)


class DefenseCheck(Protocol):
    """Raises `BrokenPromise` unless the defenses that ``make`` builds keep one promise.

    ``vectors`` are what is protected, (n, d) with n of at least 3; default: random ones.
    """

    def __call__(  # noqa: D102  the class says it
        self, make: MakeDefense, vectors: Vectors | None = None
    ) -> None: ...


def _input(vectors: Vectors | None) -> tuple[Vectors, list[str]]:
    """Return a copy to protect, and the name of each row."""
    given = random_vectors() if vectors is None else vectors.copy()
    return given, [f"text-{row}" for row in range(len(given))]


def _fitted(make: MakeDefense, vectors: Vectors, secret: Secret = SECRET) -> Defense:
    return make(secret).fit(vectors.copy())


def _release(defense: Defense, vectors: Vectors, role: Role, ids: list[str]) -> Vectors:
    released = defense.protect(vectors, role=role, ids=ids)
    who = f"{name_of(defense)}.protect, given {len(vectors)} {role} vectors,"
    return check_vectors(released, rows=len(vectors), who=who)


@promise
def declares_its_flags(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """The flags stochastic, keyed, on and similarity hold what the contract allows."""
    defense = make(SECRET)
    who = name_of(defense)
    for flag in ("stochastic", "keyed"):
        value = getattr(defense, flag)
        expect(isinstance(value, bool), f"{who}.{flag} is {value!r}; expected True or False")
    expect(defense.on in SIDES, f"{who}.on is {defense.on!r}; expected one of {SIDES}")
    expect(
        defense.similarity is None or defense.similarity in get_args(Similarity),
        f"{who}.similarity is {defense.similarity!r}; expected None or one of "
        f"{get_args(Similarity)}",
    )
    expect(
        defense.stochastic or not defense.keyed or getattr(defense, "key", None) is not None,
        f"{who} is keyed and not stochastic; expected both: what needs the secret to be undone "
        "gives other vectors under another secret, but where a key file gives it",
    )


@promise
def gives_one_finite_row_a_vector(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Vectors give a finite float32 array with one row a vector, be they many, one or none."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    for role in ROLES:
        for n in (len(given), 1, 0):
            _release(defense, given[:n], role, ids[:n])


@promise
def releases_one_dimension(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Queries and documents, many or none, are released in the same dimension."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    dims = {
        _release(defense, given[:n], role, ids[:n]).shape[1]
        for role in ROLES
        for n in (len(given), 0)
    }
    expect(
        len(dims) == 1,
        f"{name_of(defense)} releases vectors of {sorted(dims)} dimensions; expected one number "
        "for both roles and for an empty array, since queries are compared with documents",
    )


@promise
def returns_a_new_array(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """What protect returns shares no memory with what it was given."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    for role in ROLES:
        released = _release(defense, given, role, ids)
        expect(
            not np.shares_memory(released, given),
            f"{name_of(defense)}.protect returned (a view of) the vectors it was given for a "
            f"{role}; expected a new array; return vectors.copy()",
        )


@promise
def leaves_its_input_alone(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Neither fit, nor protect, nor lift modifies an array or a list that it is given."""
    given, ids = _input(vectors)
    before, names = given.copy(), list(ids)
    defense = make(SECRET)
    who = name_of(defense)
    advice = "expected it untouched; work on a copy, never with += or out="
    defense = defense.fit(given)
    expect(bool((given == before).all()), f"{who}.fit modified the vectors; {advice}")
    for role in ROLES:
        released = defense.protect(given, role=role, ids=ids)
        expect(bool((given == before).all()), f"{who}.protect modified the vectors; {advice}")
        expect(ids == names, f"{who}.protect modified the list of ids; {advice}")
        kept = released.copy()
        defense.lift(released)
        expect(bool((released == kept).all()), f"{who}.lift modified the released; {advice}")


@promise
def gives_the_same_again(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """The same vectors, ids and secret give the same release, however often it is asked for."""
    given, ids = _input(vectors)
    first, second = _fitted(make, given), _fitted(make, given)
    for role in ROLES:
        released = _release(first, given, role, ids)
        for again in (_release(first, given, role, ids), _release(second, given, role, ids)):
            expect(
                np.array_equal(released, again),
                f"{name_of(first)} releases other vectors when asked again; expected equal ones: "
                "a second draw would let an attacker average the noise away; draw from the "
                "secret, the role and the id",
            )


@promise
def protects_each_row_alone(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """A released row depends on its own vector, role and id, and on no other row."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    who = name_of(defense)
    # A matrix product rounds differently in a batch of another size; a draw does not differ
    # by so little.
    for role in ROLES:
        together = _release(defense, given, role, ids)
        backwards = _release(defense, given[::-1].copy(), role, ids[::-1])[::-1]
        expect(
            close(together, backwards),
            f"{who} releases a row differently when the rows are in another order; expected equal "
            "rows; draw noise from each row's id, not from its position",
        )
        middle = len(given) // 2
        apart = [
            _release(defense, given[part], role, ids[part])
            for part in (slice(0, middle), slice(middle, middle + 1), slice(middle + 1, None))
        ]
        expect(
            close(together, np.concatenate(apart)),
            f"{who} releases a row differently when the batch is split; expected equal rows; "
            "learn from other rows in fit, and never from the batch",
        )


@promise
def repeats_the_draw_of_an_id(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """One vector under one id is released as the same row, twice in a batch or not."""
    given, _ = _input(vectors)
    defense = _fitted(make, given)
    for role in ROLES:
        alone, twin, _other, last = _release(
            defense, given[[0, 0, 1, 0]], role, ["same", "same", "other", "same"]
        )
        expect(
            close(alone, twin) and close(alone, last),
            f"{name_of(defense)} releases one vector under one id as two rows; expected equal "
            "rows; draw from the secret, the role and the id, with no counter",
        )


@promise
def leaves_global_randomness_alone(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Building, fitting, protecting and lifting do not change a global random state."""
    given, ids = _input(vectors)

    def work() -> None:
        defense = _fitted(make, given)
        for role in ROLES:
            defense.lift(defense.protect(given, role=role, ids=ids))

    expect_no_global_randomness(work, name_of(make(SECRET)))


@promise
def ignores_the_global_seed(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Releases do not depend on a global seed."""
    given, ids = _input(vectors)

    def work() -> Vectors:
        defense = _fitted(make, given)
        return np.concatenate([defense.protect(given, role=role, ids=ids) for role in ROLES])

    expect_no_global_seed(work, name_of(make(SECRET)))


@promise
def is_stochastic_as_declared(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Another secret gives other vectors if, and only if, the defense says stochastic."""
    given, ids = _input(vectors)
    first, second = _fitted(make, given), _fitted(make, given, OTHER_SECRET)
    differ = any(
        not np.array_equal(_release(first, given, role, ids), _release(second, given, role, ids))
        for role in ROLES
    )
    expect(
        differ == first.stochastic,
        f"{name_of(first)}.stochastic is {first.stochastic}, and another secret gives "
        f"{'other' if differ else 'the same'} vectors; expected the flag to say so: it decides "
        "how many seeds are run",
    )


@promise
def is_frozen(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """No attribute of a defense can be set."""
    defense: Any = make(SECRET)
    names = [field.name for field in fields(defense)] if is_dataclass(defense) else []
    for name in (*names, "an_attribute_of_the_check"):
        try:
            setattr(defense, name, getattr(defense, name, None))
        except AttributeError:
            continue
        expect(
            False,
            f"{name_of(defense)}.{name} could be set; expected a frozen object; write "
            "@dataclass(frozen=True, kw_only=True)",
        )


@promise
def stays_itself_when_fitted(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Fitting returns a defense and leaves the first one as it was."""
    given, ids = _input(vectors)
    original = make(SECRET)
    who = name_of(original)
    once = original.fit(given)
    expect(
        hasattr(once, "protect") and hasattr(once, "fit"),
        f"{who}.fit returned {type(once).__name__}; expected a defense (itself, if there is "
        "nothing to learn)",
    )
    before = _release(once, given, "document", ids)
    other = original.fit((given + given[::-1])[: max(3, len(given) // 2)])
    _release(other, given, "document", ids)
    # The first one before it is fitted again: a defense that keeps its fit would be mended.
    after = [_release(once, given, "document", ids)]
    after.append(_release(original.fit(given), given, "document", ids))
    for again in after:
        expect(
            np.array_equal(before, again),
            f"{who} releases other vectors after a second fit to other vectors; expected fit to "
            "change nothing but what it returns; use dataclasses.replace",
        )


@promise
def lifts_to_the_embedding(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """What lift returns is None, or finite float32 vectors as long as the embedding's."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    dim = given.shape[1]
    for n in (len(given), 1, 0):
        released = _release(defense, given[:n], "document", ids[:n])
        lifted = defense.lift(released)
        if lifted is not None:
            who = f"{name_of(defense)}.lift"
            check_vectors(lifted, rows=n, dim=dim, who=who)
            expect(
                np.array_equal(lifted, _lift_again(defense, released)),
                f"{who} returns other vectors when asked again; expected equal ones",
            )


def _lift_again(defense: Defense, released: Vectors) -> Vectors:
    again = defense.lift(released)
    return np.empty((0, 0), dtype=np.float32) if again is None else again


@promise
def changes_only_its_side(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """The role that the defense is not on is released as it is."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    for role in ROLES:
        if defense.on in (SIDE_OF[role], "both"):
            continue
        expect(
            np.array_equal(_release(defense, given, role, ids), given),
            f"{name_of(defense)} is on {defense.on} and changes a {role}; expected a copy of it",
        )


@promise
def releases_the_dimension_it_says(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Released vectors have ``released_dim`` dimensions, said before it was fitted."""
    given, ids = _input(vectors)
    defense = make(SECRET)
    said = defense.released_dim(given.shape[1])
    found = _release(defense.fit(given), given, "document", ids).shape[1]
    expect(
        said == found,
        f"{name_of(defense)} says {said} dimensions and releases {found}; expected released_dim "
        "to say d' for vectors of d",
    )


@promise
def has_the_length_it_says(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Where ``gives_unit`` says so, released vectors have length 1."""
    given, ids = _input(vectors)
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    defense = _fitted(make, given)
    released = _release(defense, given, "document", ids)
    lengths = np.linalg.norm(released.astype(np.float64), axis=1)
    expect(
        not defense.gives_unit(True) or bool(np.allclose(lengths, 1, atol=TOLERANCE)),
        f"{name_of(defense)}.gives_unit says length 1, and the lengths are "
        f"{lengths.min():.3f} to {lengths.max():.3f}",
    )


@promise
def keeps_the_rankings_it_says(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """By each similarity in ``keeps``, released vectors rank as the clean ones do."""
    given, ids = _input(vectors)
    defense = _fitted(make, given)
    queries, documents = (_release(defense, given, role, ids) for role in ROLES)
    keys = tie_keys(ids, 0)
    for similarity in defense.keeps:
        clean = top_k(given, given, k=len(ids), similarity=similarity, tie_keys=keys)
        found = top_k(queries, documents, k=len(ids), similarity=similarity, tie_keys=keys).indices
        scores = np.empty_like(clean.scores)
        np.put_along_axis(scores, clean.indices, clean.scores, axis=1)
        # Scores that rounding alone tells apart may change places.
        falls = np.diff(np.take_along_axis(scores, found, axis=1), axis=1)
        expect(
            bool((falls <= TOLERANCE * max(1.0, float(np.abs(scores).max()))).all()),
            f"{name_of(defense)}.keeps names {similarity}, and the ranking by it is another one",
        )


DEFENSE_CHECKS: tuple[DefenseCheck, ...] = (
    declares_its_flags,
    gives_one_finite_row_a_vector,
    releases_one_dimension,
    returns_a_new_array,
    leaves_its_input_alone,
    gives_the_same_again,
    protects_each_row_alone,
    repeats_the_draw_of_an_id,
    leaves_global_randomness_alone,
    ignores_the_global_seed,
    is_stochastic_as_declared,
    is_frozen,
    stays_itself_when_fitted,
    lifts_to_the_embedding,
    changes_only_its_side,
    releases_the_dimension_it_says,
    has_the_length_it_says,
    keeps_the_rankings_it_says,
)


def check_defense(make: MakeDefense, vectors: Vectors | None = None) -> None:
    """Check every promise of the defenses that ``make`` builds.

    Raises:
        BrokenPromise: the first one that is not kept.
    """
    for check in DEFENSE_CHECKS:
        check(make, vectors)
