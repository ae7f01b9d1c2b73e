"""Vectors as an attacker who knows the defense releases them itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Defense, Recipe, Role, Secret, Vectors
from v2t_bench.errors import BadParameter, UnknownComponent
from v2t_bench.registry import Origin, Registry, discover
from v2t_bench.release import KnownDefense, attacker_secret, trained_against


@dataclass(frozen=True, kw_only=True)
class Centred(Defense):
    """Vectors less the mean of those it was fitted to; perhaps with nothing that lifts them."""

    liftable: bool = True
    mean: float | None = None

    stochastic = False
    keyed = False
    on = "both"
    similarity = None

    def fit(self, vectors: Vectors) -> Centred:
        return Centred(liftable=self.liftable, mean=float(vectors.mean()))

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        assert self.mean is not None
        return (vectors - np.float32(self.mean))[:, :8]

    def lift(self, released: Vectors) -> Vectors | None:
        if not self.liftable:
            return None
        return np.pad(released, ((0, 0), (0, 56)))


class Plugin:
    @hookimpl
    def v2t_defenses(self) -> list[Recipe[Defense]]:
        return [Recipe(name="centred", build=Centred)]


@pytest.fixture
def known() -> Registry:
    registry = discover(strangers=())
    registry.add(Plugin(), Origin("test", "1", "test"))
    return registry


def build(
    registry: Registry, context: BuildContext, text: str, clean: Vectors, seed: int = 0
) -> KnownDefense:
    return KnownDefense.build(registry, context, text, seed=seed, clean=clean)


def test_no_owner_has_the_secret_of_an_attacker() -> None:
    owners = {Secret.from_seed(seed).key for seed in range(10)}
    attackers = {attacker_secret(seed).key for seed in range(10)}
    assert len(attackers) == 10
    assert owners.isdisjoint(attackers)


def test_the_draws_are_the_attackers_and_not_the_owners(
    registry: Registry, context: BuildContext, vectors: Vectors, ids: list[str]
) -> None:
    released = build(registry, context, "noise:0.3", vectors)(vectors, ids)
    noise = (released - vectors) / np.float32(0.3)
    for seed in range(10):
        owners = Secret.from_seed(seed).normal(vectors.shape, "document", ids)
        assert abs(np.corrcoef(noise.ravel(), owners.ravel())[0, 1]) < 0.2
    own = attacker_secret(0).normal(vectors.shape, "document", ids)
    np.testing.assert_allclose(noise, own, atol=1e-5)


def test_a_row_is_released_alike_in_any_company(
    registry: Registry, context: BuildContext, vectors: Vectors, ids: list[str]
) -> None:
    release = build(registry, context, "noise:0.3", vectors)
    whole = release(vectors, ids)
    np.testing.assert_array_equal(release(vectors[5:7], ids[5:7]), whole[5:7])
    another = build(registry, context, "noise:0.3", vectors, seed=1)(vectors, ids)
    assert not np.array_equal(another, whole)


def test_a_defense_is_fitted_to_the_attackers_vectors_and_lifted(
    known: Registry, context: BuildContext, vectors: Vectors, ids: list[str]
) -> None:
    released = build(known, context, "centred", vectors)(vectors, ids)
    assert released.shape == vectors.shape
    np.testing.assert_allclose(released[:, :8], vectors[:, :8] - vectors.mean(), atol=1e-6)
    assert not released[:, 8:].any()


def test_parts_of_a_composition_are_released_in_turn(
    known: Registry, context: BuildContext, vectors: Vectors, ids: list[str]
) -> None:
    text = trained_against(known, "noise:0.001+centred")
    assert text == "noise:on=both,sigma=0.001+centred:liftable=true"
    released = build(known, context, text, vectors)(vectors, ids)
    plain = build(known, context, "centred", vectors)(vectors, ids)
    change = np.abs(released - plain)[:, :8]
    assert 0 < change.max() < 0.01


def test_what_nobody_can_lift_is_refused_before_anything_is_trained(
    known: Registry, context: BuildContext, vectors: Vectors
) -> None:
    with pytest.raises(BadParameter, match="no attack can be trained against centred:liftable"):
        build(known, context, "centred:liftable=false", vectors)


def test_no_defense_is_clean_vectors(registry: Registry) -> None:
    assert trained_against(registry, "") == trained_against(registry, "none") == ""
    with pytest.raises(UnknownComponent, match="did you mean 'noise'"):
        trained_against(registry, "noyse:1")
