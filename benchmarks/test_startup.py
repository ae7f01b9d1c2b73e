"""How long the command line takes to answer, against Python and click alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchmarks.conftest import Measure

ROOT = Path(__file__).parents[1]
ROUNDS = 10


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("peer", ["-c", "pass"]),
        ("import click", ["-c", "import click"]),
        ("v2t-bench --help", ["-m", "v2t_bench", "--help"]),
        ("v2t-bench list", ["-m", "v2t_bench", "list"]),
    ],
)
def test_start_up(measure: Measure, name: str, arguments: list[str]) -> None:
    path = os.pathsep.join([str(ROOT / "bench"), str(ROOT / "plugins")])
    environment = os.environ | {"PYTHONPATH": path}

    def start() -> None:
        subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    measure("start-up", name, start, rounds=ROUNDS)
