"""Prints, at the end, how each measured thing compares with its peer in the same run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

# Before any library reads them; nothing is fetched while something is timed.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

PEER = "peer"
Medians = dict[str, dict[str, float]]
Measure = Callable[..., object]

_medians = pytest.StashKey[Medians]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_medians] = {}


@pytest.fixture
def measure(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Iterator[Measure]:
    """Return a function that times ``work`` as ``name`` of a group; one name is ``peer``."""
    medians = request.config.stash[_medians]
    told: list[tuple[str, str]] = []

    def run(group: str, name: str, work: Callable[[], object], *, rounds: int) -> object:
        benchmark.group = group
        told.append((group, name))
        timed: object = benchmark.pedantic(work, rounds=rounds, warmup_rounds=1)  # type: ignore[no-untyped-call]
        return timed

    yield run
    # Without --benchmark-disable there are figures.
    if benchmark.stats is not None:
        for group, name in told:
            medians.setdefault(group, {})[name] = benchmark.stats.stats.median


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for group, medians in config.stash[_medians].items():
        peer = medians.get(PEER)
        for name, median in medians.items():
            if peer is not None and name != PEER:
                terminalreporter.write_line(
                    f"{group}: {name} takes {median / peer:.3g} times its peer "
                    f"({median * 1e3:.3g} ms to {peer * 1e3:.3g} ms, medians)"
                )
