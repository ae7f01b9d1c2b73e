"""Dividing the examples of a step."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch

from v2t_bench.contracts import Processes
from v2t_bench.errors import BadParameter
from v2t_plugins.batches import Batches, Division


def planned(division: Division) -> list[list[int]]:
    names = (0, "stage")
    batches = Batches(n=50, batch_size=10, steps=7, start=0, names=names, division=division)
    return list(batches)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_shares_of_all_processes_are_the_step_of_one(count: int) -> None:
    shares = [
        planned(Division(processes=Processes(rank=rank, count=count))) for rank in range(count)
    ]
    together = [list(chain(*parts)) for parts in zip(*shares, strict=True)]
    assert together == planned(Division())
    lengths = {len(part) for share in shares for part in share}
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("slices", [2, 3, 5])
def test_slices_together_are_the_share(slices: int) -> None:
    def collate(examples: list[Any]) -> dict[str, torch.Tensor]:
        return {"x": torch.tensor(examples)}

    cut = Division(slices=slices).cut(collate)(list(range(8)))
    assert len(cut) == slices
    assert torch.cat([part["x"] for part in cut]).tolist() == list(range(8))


def test_more_parts_than_examples_are_refused() -> None:
    division = Division(processes=Processes(rank=0, count=2), slices=3)
    division.check(6, "base")
    with pytest.raises(BadParameter, match=r"5 examples a step cannot be divided into 6 parts"):
        division.check(5, "base")


ALIKE = np.random.Generator(np.random.PCG64(0)).integers(100, size=1003)


def sorted_into(start: int = 0, **more: Any) -> list[list[int]]:
    """Return the batches of two passes over 1003 examples, 200 batches of 5 each."""
    settings: dict[str, Any] = {"alike": ALIKE, "division": Division(), "names": (0, "stage")}
    plan = Batches(n=1003, batch_size=5, steps=400, start=start, **settings | more)
    return list(plan)


def test_batches_of_what_is_alike_are_still_a_permutation_each_pass() -> None:
    batches = sorted_into()
    assert {len(batch) for batch in batches} == {5}
    one, other = list(chain(*batches[:200])), list(chain(*batches[200:]))
    for seen in (one, other):
        assert len(seen) == len(set(seen)) == 1000
        assert set(seen) < set(range(1003))
    assert one != other
    # What is left out of a pass is drawn, and no matter of length.
    assert set(range(1003)) - set(one) != set(range(1003)) - set(other)


def test_batches_of_what_is_alike_are_much_the_same_and_come_in_no_order() -> None:
    def spans(batches: list[list[int]]) -> list[int]:
        return [int(np.ptp(ALIKE[batch])) for batch in batches]

    # Five of a hundred numbers span 67 by chance; sorted among eighty, six.
    assert np.mean(spans(sorted_into(alike=None))) > 60
    assert np.mean(spans(sorted_into())) < 10
    first = [ALIKE[batch].mean() for batch in sorted_into()[:16]]
    assert first not in (sorted(first), sorted(first, reverse=True))
    # Sorted among themselves only: batches far apart are of all kinds.
    means = [np.mean([ALIKE[batch].mean() for batch in sorted_into()[k : k + 16]]) for k in (0, 96)]
    assert means == [pytest.approx(50, abs=15)] * 2


def test_batches_of_what_is_alike_are_drawn_from_the_names() -> None:
    assert sorted_into() == sorted_into()
    assert sorted_into() != sorted_into(names=(1, "stage"))


@pytest.mark.parametrize("start", [1, 137, 200, 333])
def test_batches_of_what_is_alike_go_on_from_any_step(start: int) -> None:
    assert sorted_into(start) == sorted_into()[start:]


def test_shares_of_what_is_alike_are_the_step_of_one() -> None:
    shares = [
        sorted_into(division=Division(processes=Processes(rank=rank, count=2))) for rank in (0, 1)
    ]
    assert [one + other for one, other in zip(*shares, strict=True)] == sorted_into()


def test_fewer_examples_than_a_batch_are_one_batch_of_all() -> None:
    plan = Batches(n=3, batch_size=8, steps=4, start=0, names=(0,), division=Division(),
                   alike=np.array([5, 1, 3]))  # fmt: skip
    assert [sorted(batch) for batch in plan] == [[0, 1, 2]] * 4
