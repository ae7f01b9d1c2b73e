"""Which examples a step sees, and how they are divided over processes and slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from v2t_bench.contracts import ALONE, Processes
from v2t_bench.errors import BadParameter
from v2t_plugins.seeds import derive_seed

Collate = Callable[[list[Any]], Mapping[str, torch.Tensor]]
Terms = Callable[[Mapping[str, torch.Tensor]], int]


def n_examples(batch: Mapping[str, torch.Tensor]) -> int:
    """Return how many examples ``batch`` holds."""
    return len(next(iter(batch.values())))


@dataclass(frozen=True, kw_only=True)
class Division:
    """How the examples of one step are divided; the sum over all parts is the whole step.

    Args:
        processes: Each computes its share.
        slices: Into how many parts a process cuts its share, one after another in memory.
        terms: How many terms the loss of a batch is the mean of: what a part weighs.
    """

    processes: Processes = ALONE
    slices: int = 1
    terms: Terms = n_examples

    @property
    def whole(self) -> bool:
        """Whether nothing is divided."""
        return self.processes.count * self.slices == 1

    def check(self, n: int, stage: str) -> None:
        """Refuse to divide ``n`` examples into more parts than there are.

        Raises:
            BadParameter: some part would be empty.
        """
        parts = self.processes.count * self.slices
        if n < parts:
            raise BadParameter(
                f"{stage}: {n} examples a step cannot be divided into {parts} parts "
                f"({self.processes.count} processes, accumulate={self.slices}); give a larger "
                "--batch-size, or fewer parts"
            )

    def share(self, rows: list[int]) -> list[int]:
        """Return those of a step's ``rows`` that this process computes."""
        return _part(rows, self.processes.rank, self.processes.count)

    def cut(self, collate: Collate) -> Callable[[list[Any]], Any]:
        """Return a collate that makes a list of slices of a share."""
        if self.whole:
            return collate

        def collate_slices(examples: list[Any]) -> list[Mapping[str, torch.Tensor]]:
            return [collate(_part(examples, number, self.slices)) for number in range(self.slices)]

        return collate_slices


def _part(items: list[Any], number: int, count: int) -> list[Any]:
    """Return one of ``count`` consecutive parts; their lengths differ by at most one."""
    return items[len(items) * number // count : len(items) * (number + 1) // count]


class Rows(Dataset[int]):
    """The numbers 0 to n - 1: a batch is cut from whole tensors, not put together."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        return index


# Batches that are sorted together: enough for little padding, few enough to stay mixed.
_TOGETHER = 16


class Batches(Sampler[list[int]]):
    """The examples of every step: each pass is a permutation drawn from (seed, stage, pass).

    Args:
        n: How many examples there are.
        batch_size: Of a step.
        steps: Of the whole plan.
        start: The step to begin with.
        names: What the order is drawn from.
        division: Which of them this process computes.
        alike: One number an example, (n,), such as its length: some consecutive batches are
            sorted by it and dealt out anew, so that a batch holds much the same ones.
    """

    def __init__(
        self,
        *,
        n: int,
        batch_size: int,
        steps: int,
        start: int,
        names: tuple[Any, ...],
        division: Division,
        alike: NDArray[np.int64] | None = None,
    ) -> None:
        self.alike = alike
        self.n, self.batch_size, self.steps, self.start = n, min(batch_size, n), steps, start
        self.names, self.division = names, division

    def __len__(self) -> int:
        return self.steps  # the whole plan: Trainer counts what a resumed run has behind it

    def __iter__(self) -> Iterator[list[int]]:
        a_pass = self.n // self.batch_size
        order: list[int] = []
        drawn = -1
        for step in range(self.start, self.steps):
            number, place = divmod(step, a_pass)
            if number != drawn:
                seed = derive_seed(*self.names, "order", number)
                order = self._order(np.random.Generator(np.random.PCG64(seed)))
                drawn = number
            rows = order[place * self.batch_size : (place + 1) * self.batch_size]
            yield self.division.share(rows)

    def _order(self, generator: np.random.Generator) -> list[int]:
        order = generator.permutation(self.n)
        if self.alike is None:
            return list(order.tolist())
        width = self.batch_size
        used = len(order) // width * width
        for start in range(0, used, _TOGETHER * width):
            part = order[start : min(start + _TOGETHER * width, used)]
            part = part[np.argsort(self.alike[part], kind="stable")].reshape(-1, width)
            order[start : start + part.size] = generator.permutation(part).ravel()
        return list(order.tolist())
