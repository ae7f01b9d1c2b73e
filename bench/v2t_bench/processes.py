"""Several processes at one training, as ``accelerate launch`` or ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from v2t_bench.errors import BadParameter

# The launcher ends all processes when one fails. This only ends what it cannot see, and must
# outlast the longest wait there is: the main process embedding all training texts.
PATIENCE = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Which of how many processes this one is; the only one unless said otherwise.

    Waiting and counting need every process to call in the same order, and do nothing where
    there is only one.

    Args:
        rank: From 0, the main process, which alone writes files.
        count: How many there are, on all machines.
        local: Number among those of this machine; also that of its GPU.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ) -> Processes:
        """Return what the launcher has set: RANK, WORLD_SIZE and LOCAL_RANK, if anything.

        Raises:
            BadParameter: they are not what a launcher sets.
        """
        if given.get("WORLD_SIZE", "1") == "1":
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        values = [given.get(name, "") for name in names]
        numbers = [int(value) if value.isdecimal() else -1 for value in values]
        rank, count, local = numbers
        known = bool(given.get("MASTER_ADDR") and given.get("MASTER_PORT"))
        if min(numbers) < 0 or rank >= count or not known:
            found = ", ".join(f"{n}={v!r}" for n, v in zip(names, values, strict=True))
            raise BadParameter(
                f"the environment speaks of several processes, but not as a launcher does ({found}"
                f"{'' if known else ', no MASTER_ADDR and MASTER_PORT'}); unset WORLD_SIZE, or "
                "start with accelerate launch or torchrun"
            )
        return cls(rank=rank, count=count, local=local)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def device(self, wanted: str) -> str:
        """Return the device of this process where the user wants ``wanted``.

        Raises:
            BadParameter: several processes cannot share what is wanted.
        """
        if self.count == 1 or wanted == "cpu":
            return wanted
        if wanted not in ("auto", "cuda"):
            raise BadParameter(
                f"{self.count} processes cannot share device {wanted!r}; use auto, cuda or cpu"
            )
        import torch

        return f"cuda:{self.local}" if wanted == "cuda" or torch.cuda.is_available() else "cpu"

    def totals(self, numbers: Sequence[float]) -> list[float]:
        """Return the sum over all processes of each of ``numbers``; equally many everywhere."""
        if self.count == 1:
            return list(numbers)
        import torch
        from torch import distributed

        if not distributed.is_initialized():
            # What is summed here lies in main memory, whatever the networks train on.
            nccl = torch.cuda.is_available() and distributed.is_nccl_available()
            distributed.init_process_group(
                "cpu:gloo,cuda:nccl" if nccl else "gloo", timeout=PATIENCE
            )
        summed = torch.tensor(list(numbers), dtype=torch.float64)
        distributed.all_reduce(summed)
        found: list[float] = summed.tolist()
        return found

    def agree(self, number: float) -> float:
        """Return the main process's ``number`` in every process."""
        return self.totals([number if self.is_main else 0.0])[0]

    def wait(self) -> None:
        """Return when every process has come here."""
        self.totals([0.0])

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Let the main process go through the block before the others."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def leave(self) -> None:
        """Part from the other processes."""
        if self.count > 1:
            from torch import distributed

            if distributed.is_initialized():
                distributed.destroy_process_group()


ALONE = Processes()
