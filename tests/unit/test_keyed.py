"""Keyed defenses: what they keep, what a key file is, and that no key is ever told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from clouds import cloud
from v2t_bench.composition import build_defense
from v2t_bench.contracts import BuildContext, Defense, KeyFile, Secret, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.registry import Registry
from v2t_bench.release import KnownDefense
from v2t_bench.scoring.ndcg import ndcg_at_10
from v2t_bench.search import Similarity, tie_keys, top_k
from v2t_bench.shown import shown_composition, without_keys
from v2t_plugins.defenses.dcpe import DistanceComparisonPreserving
from v2t_plugins.defenses.permute import Permute
from v2t_plugins.defenses.rotate import Rotate
from v2t_plugins.defenses.scale import Scale

DIM = 40
DOCUMENTS, QUERIES = cloud(400, DIM, seed=1), cloud(30, DIM, seed=2)
IDS = [str(row) for row in range(400)]
SECRET = Secret.from_seed(4)
HEX = "0123456789abcdef" * 4

KEYED: list[Callable[[Secret], Defense]] = [
    lambda secret: Rotate(secret=secret),
    lambda secret: Permute(secret=secret),
    lambda secret: Scale(secret=secret),
]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "my.key"
    path.write_text(HEX + "\n")
    return path


def ranking(queries: Vectors, documents: Vectors, similarity: Similarity) -> dict[str, list[str]]:
    hits = top_k(queries, documents, k=10, similarity=similarity, tie_keys=tie_keys(IDS, 0))
    return {f"q{row}": [IDS[at] for at in found] for row, found in enumerate(hits.indices)}


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("make", KEYED)
def test_ndcg_is_kept(make: Callable[[Secret], Defense], similarity: Similarity) -> None:
    # Grades of neighbours by a projection, so that the clean ranking is not perfect.
    near = ranking(QUERIES[:, :9], DOCUMENTS[:, :9], "cosine")
    judged = {query: {doc: 10 - at for at, doc in enumerate(docs)} for query, docs in near.items()}
    defense = make(SECRET)
    documents = defense.protect(DOCUMENTS, role="document", ids=IDS)
    queries = defense.protect(QUERIES, role="query", ids=IDS[:30])
    clean = ndcg_at_10(ranking(QUERIES, DOCUMENTS, similarity), judged)
    kept = ndcg_at_10(ranking(queries, documents, similarity), judged)
    assert 0.1 < np.mean(list(clean.values())) < 0.99
    assert np.mean(list(kept.values())) == pytest.approx(np.mean(list(clean.values())), abs=1e-6)
    assert similarity in defense.keeps
    assert np.abs(documents - DOCUMENTS).max() > 0.1


def test_a_rotation_falls_to_procrustes_with_as_many_pairs_as_dimensions() -> None:
    released = Rotate(secret=SECRET).protect(DOCUMENTS, role="document", ids=IDS)
    back, _ = orthogonal_procrustes(released[:DIM], DOCUMENTS[:DIM])
    np.testing.assert_allclose(released[DIM:] @ back, DOCUMENTS[DIM:], atol=1e-4)
    back, _ = orthogonal_procrustes(released[: DIM // 2], DOCUMENTS[: DIM // 2])
    assert np.abs(released[DIM:] @ back - DOCUMENTS[DIM:]).max() > 0.1


def test_rotations_of_many_secrets_are_even() -> None:
    # An entry of an even rotation has mean 0 and variance 1/d, whichever entry it is.
    turned = [
        Rotate(secret=Secret.from_seed(seed)).protect(
            np.eye(6, dtype=np.float32), role="document", ids=IDS[:6]
        )
        for seed in range(600)
    ]
    entries = np.stack(turned)
    assert np.abs(entries.mean(axis=0)).max() < 5 / np.sqrt(6 * 600)
    assert np.abs(np.square(entries).mean(axis=0) - 1 / 6).max() < 5 * np.sqrt(2) / 6 / np.sqrt(600)


def test_scales_of_many_secrets_spread_over_their_range() -> None:
    factors = [Scale(largest=10.0, secret=Secret.from_seed(seed)).factor for seed in range(300)]
    sizes = np.log10(np.abs(factors))
    assert -1 <= sizes.min() < -0.9
    assert 0.9 < sizes.max() <= 1
    assert 100 < sum(factor < 0 for factor in factors) < 200


def test_dcpe_keeps_comparisons_of_distances_that_are_beta_apart() -> None:
    defense = DistanceComparisonPreserving(beta=0.3, secret=SECRET)
    released = defense.protect(DOCUMENTS, role="document", ids=IDS)
    rng = np.random.default_rng(0)
    x, y, z = rng.integers(400, size=(3, 20_000))

    near, far = (np.linalg.norm(DOCUMENTS[x] - DOCUMENTS[other], axis=1) for other in (y, z))
    closer = near < far - 0.3
    assert closer.sum() > 1000
    near, far = (np.linalg.norm(released[x] - released[other], axis=1) for other in (y, z))
    assert (near < far)[closer].all()


def test_a_key_file_decides_in_place_of_the_seed(
    registry: Registry, context: BuildContext, key: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.key"
    other.write_text("f" * 64)

    def release(text: str, seed: int) -> Vectors:
        defense = build_defense(registry, text, context, Secret.from_seed(seed))
        return defense.protect(DOCUMENTS, role="document", ids=IDS)

    for name in ("rotate", "permute", "scale", "dcpe:1"):
        joint = "," if ":" in name else ":"
        mine = f"{name}{joint}key={key}"
        np.testing.assert_array_equal(release(mine, 0), release(mine, 1))
        assert not np.array_equal(release(mine, 0), release(mine.replace(str(key), str(other)), 0))
        assert not np.array_equal(release(name, 0), release(name, 1))
        assert build_defense(registry, mine, context, Secret.from_seed(0)).stochastic is False


def test_an_attacker_makes_up_a_key_of_its_own(
    registry: Registry, context: BuildContext, key: Path
) -> None:
    text = f"rotate:key={key}"
    owner = build_defense(registry, text, context, Secret.from_seed(0))
    released = owner.protect(DOCUMENTS, role="document", ids=IDS)
    known = KnownDefense.build(registry, context, text, seed=0, clean=DOCUMENTS)
    assert np.abs(known(DOCUMENTS, IDS) - released).max() > 0.1
    asked = KnownDefense.build(registry, context, text, seed=0, owner_seed=0, clean=DOCUMENTS)
    np.testing.assert_array_equal(asked(DOCUMENTS, IDS), released)


def test_a_key_is_shown_by_a_keyed_hash(key: Path, tmp_path: Path) -> None:
    shown = shown_composition(f"pca:k=8+rotate:key={key}")
    assert shown.startswith("pca:k=8+rotate:key=")
    assert "my.key@" in shown
    assert HEX not in shown
    copied = tmp_path / "folder" / "my.key"
    copied.parent.mkdir()
    copied.write_text(HEX.upper())
    assert shown_composition(f"pca:k=8+rotate:key={copied}") == shown
    assert without_keys(f"pca:k=8+rotate:key={key}") == "pca:k=8+rotate"


def test_neither_a_defense_nor_a_key_file_shows_the_key(key: Path) -> None:
    secret = KeyFile(key).secret
    told = repr(Rotate(secret=secret)) + repr(secret) + repr(KeyFile(key)) + str(KeyFile(key))
    assert HEX not in told
    assert str(secret.key) not in told
    assert bytes.fromhex(HEX) == secret.key


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "does not hold a key"),
        (b"secret\n", "does not hold a key"),
        (HEX.encode() + b"00", "does not hold a key"),
        (b"\xff" * 32, "it is not text"),
    ],
)
def test_a_missing_or_wrong_key_file_is_refused(
    content: bytes | None, said: str, tmp_path: Path, registry: Registry, context: BuildContext
) -> None:
    path = tmp_path / "k"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as caught:
        build_defense(registry, f"rotate:key={path}", context, SECRET)
    assert "openssl rand -hex 32" in str(caught.value)
    if content:
        assert content.decode("latin-1").strip() not in str(caught.value)


def test_a_key_in_place_of_its_file_is_not_told(registry: Registry, context: BuildContext) -> None:
    for spelled in (HEX, f"./{HEX}"):
        with pytest.raises(BadInput, match="name the file that holds it") as caught:
            build_defense(registry, f"rotate:key={spelled}", context, SECRET)
        assert HEX not in str(caught.value)


def test_what_never_ends_is_no_key_file(registry: Registry, context: BuildContext) -> None:
    with pytest.raises(BadInput, match="no regular file"):
        build_defense(registry, "rotate:key=/dev/zero", context, SECRET)


@pytest.mark.parametrize("largest", [0.5, float("nan"), float("inf")])
def test_a_range_that_is_none_is_refused(largest: float) -> None:
    with pytest.raises(BadParameter, match=f"largest is {largest}"):
        Scale(largest=largest, secret=SECRET)
