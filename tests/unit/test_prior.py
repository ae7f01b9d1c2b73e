"""The floor of a learned attack: one guess, from the mean training vector."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from v2t_bench.contracts import BuildContext, Vectors
from v2t_bench.errors import CorruptArtifact, Skipped, SpaceMismatch
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.prior import MEAN, Prior


class Rounded:
    """Says the numbers it is given."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        return [" ".join(f"{number:.1f}" for number in row) for row in vectors]


MakePrior = Callable[..., Prior]


@pytest.fixture
def make(context: BuildContext) -> MakePrior:
    """Return what makes the prior of `Rounded`, given the folder of its checkpoint."""

    def build(kind: str, spelling: Spelling) -> Any:
        assert (kind, spelling.name) == ("attacks", "rounded")
        return Rounded()

    def make(folder: Path | None) -> Prior:
        named = {} if folder is None else {"checkpoint": str(folder)}
        spelling = Spelling("rounded", (), named)
        return Prior(attack=spelling, context=replace(context, build=build))

    return make


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_file({"mean": np.array([[0.5, -1.0]], np.float32)}, tmp_path / MEAN)
    return tmp_path


VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_every_row_gets_the_guess_for_the_mean(
    make: MakePrior, checkpoint: Path, oracle: Oracle
) -> None:
    assert make(checkpoint).invert(VECTORS, oracle) == ["0.5 -1.0"] * 3


def test_the_vectors_do_not_matter(make: MakePrior, checkpoint: Path, oracle: Oracle) -> None:
    prior = make(checkpoint)
    assert prior.invert(VECTORS, oracle) == prior.invert(VECTORS[::-1] * 7, oracle)


def test_no_vectors_give_no_guesses(make: MakePrior, checkpoint: Path, oracle: Oracle) -> None:
    assert make(checkpoint).invert(VECTORS[:0], oracle) == []


def test_an_attack_without_a_checkpoint_is_skipped(make: MakePrior, oracle: Oracle) -> None:
    with pytest.raises(Skipped, match="rounded has no checkpoint"):
        make(None).invert(VECTORS, oracle)


def test_a_checkpoint_without_a_mean_is_skipped(
    make: MakePrior, tmp_path: Path, oracle: Oracle
) -> None:
    with pytest.raises(Skipped, match="holds no mean training vector"):
        make(tmp_path).invert(VECTORS, oracle)


def test_a_truncated_mean_is_a_corrupt_artifact(
    make: MakePrior, checkpoint: Path, oracle: Oracle
) -> None:
    path = checkpoint / MEAN
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CorruptArtifact, match="train again"):
        make(checkpoint).invert(VECTORS, oracle)


def test_a_mean_that_is_no_number_is_a_corrupt_artifact(
    make: MakePrior, checkpoint: Path, oracle: Oracle
) -> None:
    save_file({"mean": np.array([[0.5, np.nan]], np.float32)}, checkpoint / MEAN)
    with pytest.raises(CorruptArtifact, match="holds NaN or infinity; train again"):
        make(checkpoint).invert(VECTORS, oracle)


def test_vectors_of_another_dimension_are_refused(
    make: MakePrior, checkpoint: Path, oracle: Oracle
) -> None:
    with pytest.raises(SpaceMismatch, match="2 dimensions, these have 3"):
        make(checkpoint).invert(np.zeros((1, 3), np.float32), oracle)
