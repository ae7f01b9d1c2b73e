"""Asking what there is costs no second: nothing heavy is imported for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from architecture.conftest import Run

HEAVY = {
    "datasets",
    "nltk",
    "openai",
    "pandas",
    "pyarrow",
    "sacrebleu",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
}

TELL = """
import runpy, sys
sys.argv[0] = "v2t-bench"
status = 0
try:
    runpy.run_module("v2t_bench", run_name="__main__", alter_sys=True)
except SystemExit as stop:
    status = stop.code or 0
print("\\nimported:", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(status)
"""


def imported(output: str) -> set[str]:
    """Return the top-level modules told by the last line."""
    return set(output.splitlines()[-1].removeprefix("imported:").split())


def test_importing_the_package_imports_nothing_heavy(run_python: Run) -> None:
    done = run_python("-c", "import sys, v2t_bench; print('imported:', *sys.modules)")

    assert done.returncode == 0, done.stderr
    assert imported(done.stdout) & HEAVY == set()


def test_offering_the_carried_inverters_imports_nothing_heavy(root: Path, run_python: Run) -> None:
    script = "import sys, v2t_minilm_inverters as it; [*it.v2t_checkpoints()]"
    folders = ("bench", "plugins", "plugins/v2t-minilm-inverters")
    path = tuple(root / folder for folder in folders)
    done = run_python("-c", f"{script}; print('imported:', *sys.modules)", path=path)

    assert done.returncode == 0, done.stderr
    assert "v2t_bench.checkpoints" in done.stdout.split()
    assert imported(done.stdout) & HEAVY == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["info", "embedders", "gtr-base"],
        ["list", "checkpoints"],
        ["info", "embedders", "openai"],
        ["run", "--help"],
        ["invert", "--help"],
        ["data", "--help"],
        ["data", "list"],
        ["leaderboard", "--help"],
        ["leaderboard", "build", "--help"],
    ],
)
def test_a_question_imports_nothing_heavy(run_python: Run, arguments: list[str]) -> None:
    done = run_python("-c", TELL, *arguments)

    assert done.returncode == 0, done.stderr
    assert imported(done.stdout) & HEAVY == set()
