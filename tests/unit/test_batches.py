"""Dividing the examples of a step."""

from __future__ import annotations

from itertools import chain
from typing import Any

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
