"""The aligner that is trained against critics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clouds import cloud, rotated, rotation
from v2t_bench.contracts import TrainContext, Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.attacks.aligner.measured import facts_of
from v2t_plugins.attacks.aligner.translator import Translator
from v2t_plugins.attacks.aligner.vec2vec import (
    NETWORK,
    SETTINGS,
    Axes,
    TranslatedMap,
    fit_vec2vec,
)


def budget(folder: Path, steps: int) -> TrainContext:
    for name in ("made", "work"):
        (folder / name).mkdir(parents=True)
    return TrainContext(
        folder=folder / "made", work=folder / "work", max_tokens=16, size="tiny", steps=steps
    )


@pytest.fixture
def sides() -> tuple[Vectors, Vectors]:
    """Two clouds of other texts, of unequal dimensions."""
    return cloud(250, 12, seed=1), cloud(240, 8, seed=2)


def test_the_networks_do_not_learn_from_the_loss_of_their_critics() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        translator = Translator(dims=(4, 3), hidden=8)
        ours, theirs = torch.randn(5, 4), torch.randn(5, 3)
    latents, made = translator.made(ours, theirs)
    translator.judgement(ours, theirs, latents, made).backward()  # type: ignore[no-untyped-call]
    learned = {name for name, p in translator.named_parameters() if p.grad is not None}
    critics = {name for name, _ in translator.named_parameters() if name.startswith("critics.")}
    assert learned == critics


def test_every_loss_is_nothing_for_what_is_perfect_but_that_of_the_critics() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        translator = Translator(dims=(4, 4), hidden=8)
        rows = torch.nn.functional.normalize(torch.randn(5, 4), dim=1)
    for block in (*translator.into, translator.backbone, *translator.out):
        torch.nn.init.zeros_(block.layers[-1].weight)
    losses = translator(rows, rows, *translator.made(rows, rows))
    for name in ("reconstruction", "cycle", "space"):
        assert float(losses[name].detach()) == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(losses["loss"], losses["critics"], atol=1e-5, rtol=0)


def test_axes_are_principal_skewed_to_one_side_and_undone(sides: tuple[Vectors, Vectors]) -> None:
    vectors = sides[0]
    axes = Axes.of(vectors)
    rows = (vectors - axes.centre) @ axes.axes
    covariance = rows.T @ rows
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-4)
    assert (np.diff(np.diag(covariance)) <= 1e-6).all()
    assert ((rows**3).mean(axis=0) >= 0).all()
    back = axes.back(axes.along(vectors)) - axes.centre
    cosines = (back * (vectors - axes.centre)).sum(axis=1) / (
        np.linalg.norm(back, axis=1) * np.linalg.norm(vectors - axes.centre, axis=1)
    )
    np.testing.assert_allclose(cosines, 1, atol=1e-5)


def test_a_few_vectors_are_refused(sides: tuple[Vectors, Vectors], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="250 and 5 vectors are too few"):
        fit_vec2vec(sides[0], sides[1][:5], number=0, context=budget(tmp_path, 1))


def test_starts_differ_and_each_can_be_repeated(
    sides: tuple[Vectors, Vectors], tmp_path: Path
) -> None:
    mapped = [
        fit_vec2vec(*sides, number=number, context=budget(tmp_path / name, 2))[0].apply(sides[0])
        for name, number in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert mapped[0].shape == (250, 8)
    np.testing.assert_array_equal(mapped[0], mapped[1])
    assert np.abs(mapped[0] - mapped[2]).max() > 1e-3


class TestOnDisk:
    @pytest.fixture
    def found(self, sides: tuple[Vectors, Vectors], tmp_path: Path) -> TranslatedMap:
        found = TranslatedMap(
            sides=(Axes.of(sides[0]), Axes.of(sides[1])),
            translator=Translator(dims=(12, 8), hidden=16).eval(),
        )
        found.save(tmp_path)
        return found

    def test_a_map_comes_back(
        self, found: TranslatedMap, sides: tuple[Vectors, Vectors], tmp_path: Path
    ) -> None:
        again = TranslatedMap.load(tmp_path)
        np.testing.assert_allclose(again.apply(sides[0]), found.apply(sides[0]), atol=1e-5)

    @pytest.mark.parametrize("name", [NETWORK, SETTINGS])
    def test_a_truncated_file_is_a_corrupt_artifact(
        self, found: TranslatedMap, tmp_path: Path, name: str
    ) -> None:
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-6])
        with pytest.raises(CorruptArtifact, match="train again"):
            TranslatedMap.load(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_unpaired_among_8192_nine_of_ten_are_found(tmp_path: Path) -> None:
    known, dim = 4000, 24
    a = cloud(2 * known + 8192, dim, seed=1)
    b = rotated(a, rotation(dim, seed=3), noise=0.05, seed=5)
    context = budget(tmp_path, 3000)
    found, untrained, _, _ = fit_vec2vec(a[:known], b[known : 2 * known], number=0, context=context)
    held, targets = a[-8192:], b[-8192:]
    assert facts_of(untrained.apply(held), held, targets)["top1"] < 0.5
    assert facts_of(found.apply(held), held, targets)["top1"] >= 0.9
