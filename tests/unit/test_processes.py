"""Knowing which of several processes this one is."""

from __future__ import annotations

import pytest

from v2t_bench.errors import BadParameter
from v2t_bench.processes import ALONE, Processes

LAUNCHED = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


def test_what_a_launcher_sets_is_understood() -> None:
    assert Processes.from_environment(LAUNCHED) == Processes(rank=3, count=4, local=1)


@pytest.mark.parametrize("given", [{}, {"MASTER_ADDR": "here"}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_without_company_a_process_is_alone(given: dict[str, str]) -> None:
    assert Processes.from_environment(given) == ALONE
    assert ALONE.is_main


@pytest.mark.parametrize(
    "change",
    [{"RANK": "4"}, {"RANK": ""}, {"WORLD_SIZE": "two"}, {"LOCAL_RANK": "-1"}, {"MASTER_PORT": ""}],
)
def test_an_environment_that_no_launcher_makes_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(BadParameter, match="accelerate launch or torchrun"):
        Processes.from_environment(LAUNCHED | change)


@pytest.mark.parametrize("device", ["cuda:0", "mps"])
def test_one_device_is_not_shared_by_several(device: str) -> None:
    with pytest.raises(BadParameter, match="cannot share device"):
        Processes(count=2).device(device)
    assert ALONE.device(device) == device


def test_each_process_has_the_gpu_of_its_number() -> None:
    assert Processes(rank=5, count=8, local=1).device("cuda") == "cuda:1"
    assert Processes(rank=5, count=8, local=1).device("cpu") == "cpu"


def test_alone_there_is_nobody_to_wait_for() -> None:
    ALONE.wait()
    with ALONE.main_first():
        assert ALONE.totals([1.5, 2.0]) == [1.5, 2.0]
    assert ALONE.agree(3.0) == 3.0
