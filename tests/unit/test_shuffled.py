"""The control of an attack: it is given the vectors of other texts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from v2t_bench.contracts import BuildContext, Vectors
from v2t_bench.errors import BadParameter, Skipped
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.shuffled import Shuffled, derangement

VECTORS = np.arange(10, dtype=np.float32).reshape(5, 2)


class FirstNumber:
    """Says the first number it is given."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        return [f"{row[0]:.0f}" for row in vectors]


MakeShuffled = Callable[..., Shuffled]


@pytest.fixture
def make(context: BuildContext) -> MakeShuffled:
    """Return what makes the control of `FirstNumber`."""

    def build(kind: str, spelling: Spelling) -> Any:
        assert (kind, spelling.name) == ("attacks", "first")
        return FirstNumber()

    def make(seed: int = 0) -> Shuffled:
        nested = replace(context, build=build)
        return Shuffled(attack=Spelling("first"), seed=seed, context=nested)

    return make


@pytest.mark.parametrize("n", [2, 3, 10, 101])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_every_row_gets_another_ones_place(n: int, seed: int) -> None:
    moved = derangement(n, seed)
    assert sorted(moved) == list(range(n))
    assert not (moved == np.arange(n)).any()


def test_another_seed_is_another_order() -> None:
    assert derangement(50, 0).tolist() != derangement(50, 1).tolist()


def test_no_text_is_guessed_from_its_own_vector(make: MakeShuffled, oracle: Oracle) -> None:
    own = FirstNumber().invert(VECTORS, oracle)
    others = make().invert(VECTORS, oracle)
    assert sorted(others) == sorted(own)
    assert not any(a == b for a, b in zip(own, others, strict=True))


def test_one_text_alone_is_skipped(make: MakeShuffled, oracle: Oracle) -> None:
    with pytest.raises(Skipped, match="one text alone"):
        make().invert(VECTORS[:1], oracle)


def test_a_seed_below_zero_is_refused(make: MakeShuffled) -> None:
    with pytest.raises(BadParameter, match="seed is -1"):
        make(seed=-1)
