"""What attackers who know the defense make of a release, in clouds of vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from clouds import cloud
from v2t_bench import hookimpl
from v2t_bench.adaptation import Stolen, pair_rows
from v2t_bench.composition import build_defense
from v2t_bench.contracts import BuildContext, Defense, Recipe, Role, Secret, Space, Vectors
from v2t_bench.errors import Skipped
from v2t_bench.registry import Origin, Registry, discover
from v2t_bench.threat import parse_threat

DIM, N, ATTACKED = 32, 900, 100
Steal: TypeAlias = Callable[..., Stolen]
SPACE = Space(weights="cloud", pooling="none", normalize=True, max_tokens=32)


@dataclass(frozen=True, kw_only=True)
class Turned(Defense):
    """A secret rotation of vectors, of which perhaps only the first half is released."""

    secret: Secret
    half: bool = False

    stochastic = True
    keyed = True
    on = "both"
    similarity = None

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        square = self.secret.generator("turned").standard_normal((vectors.shape[1],) * 2)
        released: Vectors = vectors @ np.linalg.qr(square)[0].astype(np.float32)
        return released[:, : vectors.shape[1] // 2].copy() if self.half else released

    def lift(self, released: Vectors) -> Vectors | None:
        return None if self.half else released


class Plugin:
    @hookimpl
    def v2t_defenses(self) -> list[Recipe[Defense]]:
        return [Recipe(name="turned", build=Turned)]


@pytest.fixture(scope="module")
def known() -> Registry:
    registry = discover(strangers=())
    registry.add(Plugin(), Origin("test", "1", "test"))
    return registry


@pytest.fixture
def steal(known: Registry, context: BuildContext) -> Steal:
    """A function that returns the release of a defense by its spelling."""
    clean, public = cloud(N, DIM, seed=1), cloud(N, DIM, seed=2)
    texts, others = ([f"{kind} {row}" for row in range(N)] for kind in ("own", "public"))

    def stolen(text: str, seed: int = 0) -> Stolen:
        defense = build_defense(known, text, context, Secret.from_seed(seed)).fit(clean)
        return Stolen(
            registry=known,
            context=context,
            defense_text=text,
            shown=text,
            defense=defense,
            space=SPACE,
            clean=clean,
            released=defense.protect(clean, role="document", ids=texts),
            ids=texts,
            known=lambda: known_rows(texts),
            public=others,
            ask=lambda asked: np.stack([public[int(text.split()[1])] for text in asked]),
        )

    return stolen


def known_rows(texts: list[str], space: Space = SPACE) -> NDArray[np.int64]:
    ids = [f"own {row}" for row in range(N)]
    return pair_rows(texts, ids, texts[:ATTACKED], space=space, sample_seed=0)


def restored_cosine(stolen: Stolen, threat: str) -> float:
    adapted = stolen.adapted(parse_threat(threat))
    found = adapted.restore(stolen.released[:ATTACKED]).astype(np.float64)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return float((found * stolen.clean[:ATTACKED]).sum(axis=1).mean())


def test_the_oblivious_attacker_takes_what_is_lifted(steal: Steal) -> None:
    stolen = steal("noise:0.1")
    adapted = stolen.adapted(parse_threat("oblivious"))
    np.testing.assert_array_equal(adapted.restore(stolen.released), stolen.released)
    assert adapted.asked == 0


@pytest.mark.parametrize("sigma", ["0.1", "0.2"])
def test_denoising_comes_closer_than_being_oblivious(steal: Steal, sigma: str) -> None:
    stolen = steal(f"noise:{sigma}")
    before = restored_cosine(stolen, "oblivious")
    for threat in ("adaptive:denoise", "adaptive:denoise,oracle=protected"):
        assert restored_cosine(stolen, threat) > before + 0.02
    facts = stolen.adapted(parse_threat("adaptive:denoise"))
    assert facts.asked == N
    told = facts.facts["adapted_cosine"]
    assert isinstance(told, float)
    assert abs(told - restored_cosine(stolen, "adaptive:denoise")) < 0.05


def test_denoising_takes_more_public_texts_than_dimensions(steal: Steal) -> None:
    stolen = replace(steal("noise:0.1"), public=[f"public {row}" for row in range(DIM - 1)])
    with pytest.raises(Skipped, match=r"31 public texts are too few .* give at least 32"):
        stolen.adapted(parse_threat("adaptive:denoise"))


def test_denoising_uses_none_of_the_owners_draws(steal: Steal) -> None:
    one, other = (
        steal("noise:0.2", seed).adapted(parse_threat("adaptive:denoise")) for seed in (0, 1)
    )
    probe = cloud(20, DIM, seed=3)
    np.testing.assert_array_equal(one.restore(probe), other.restore(probe))


def test_a_key_keeps_those_out_who_release_vectors_themselves(steal: Steal) -> None:
    stolen = steal("turned")
    assert restored_cosine(stolen, "adaptive:denoise") < 0.6
    assert restored_cosine(stolen, "adaptive:denoise,oracle=protected") > 0.999


def test_a_secret_matrix_falls_with_clearly_more_pairs_than_dimensions(steal: Steal) -> None:
    stolen = steal("turned")
    assert restored_cosine(stolen, "oblivious") < 0.5
    assert restored_cosine(stolen, "adaptive:align,pairs=8") < 0.9
    assert restored_cosine(stolen, "adaptive:align,pairs=128") > 0.999
    assert stolen.adapted(parse_threat("adaptive:align,pairs=128")).asked == 128


def test_what_nobody_can_lift_is_aligned_all_the_same(steal: Steal) -> None:
    stolen = steal("turned:half=true")
    with pytest.raises(Skipped, match="nobody can bring"):
        restored_cosine(stolen, "oblivious")
    assert restored_cosine(stolen, "adaptive:align,pairs=256") > 0.8


def test_more_pairs_hold_the_fewer_ones_and_no_attacked_text(steal: Steal) -> None:
    stolen = steal("noise:0.1")
    few, many = stolen._pairs(16), stolen._pairs(128)
    assert few.tolist() == many[:16].tolist()
    assert many.min() >= ATTACKED
    assert len(set(many.tolist())) == 128


def test_a_text_the_embedder_cannot_tell_from_an_attacked_one_is_no_pair(steal: Steal) -> None:
    stolen = steal("noise:0.1")
    texts = [*stolen.ids[:-ATTACKED], *(text.upper() for text in stolen.ids[:ATTACKED])]
    space = replace(SPACE, blind_to=("case",))
    blind = replace(stolen, space=space, known=lambda: known_rows(texts, space))
    rows = blind._pairs(N - 2 * ATTACKED)
    assert rows.max() < N - ATTACKED
    with pytest.raises(Skipped, match=f"{N} pairs are more than the {N - 2 * ATTACKED} distinct"):
        blind._pairs(N)


def test_without_pairs_two_clouds_are_laid_upon_each_other(steal: Steal) -> None:
    stolen = steal("turned")
    assert restored_cosine(stolen, "adaptive:align,pairs=0") > 0.9
    with pytest.raises(Skipped, match="too few to align without pairs"):
        replace(stolen, public=stolen.public[:50]).adapted(parse_threat("adaptive:align,pairs=0"))


def test_the_owners_service_answers_a_text_alike_in_any_company(steal: Steal) -> None:
    stolen = steal("noise:0.3")
    whole = stolen.answered(stolen.clean[:6], stolen.ids[:6], "document")
    again = stolen.answered(stolen.clean[2:4], stolen.ids[2:4], "document")
    np.testing.assert_array_equal(again, whole[2:4])
    assert np.abs(whole - stolen.released[:6]).max() > 0.1  # other draws than the collection's
