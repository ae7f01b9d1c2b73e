"""The import contracts hold, and each is proved to fail where it is broken."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from architecture.conftest import Run

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

LAYERS = "v2t_bench is built in layers"
NAMELESS = "v2t_bench knows no component by name"
STRANGER = "Plugins use what a stranger may use"
INDEPENDENT = "Embedders, attacks and defenses are independent"


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """Return a folder with the packages and the contracts."""
    for package in (
        "bench/v2t_bench",
        "plugins/v2t_plugins",
        "plugins/v2t-minilm-inverters/v2t_minilm_inverters",
    ):
        ignored = shutil.ignore_patterns("__pycache__", "weights")
        shutil.copytree(root / package, tmp_path / Path(package).name, ignore=ignored)
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def lint(run_python: Run, copy: Path) -> tuple[int, str]:
    """Return exit status and output of import-linter."""
    done = run_python("-c", LINT, "--no-cache", cwd=copy, path=(copy,))
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold(run_python: Run, copy: Path) -> None:
    status, output = lint(run_python, copy)

    assert status == 0, output


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("v2t_bench/errors.py", "import v2t_bench.registry", LAYERS),
        ("v2t_bench/scoring/pairs.py", "import v2t_bench.store", LAYERS),
        ("v2t_bench/scoring/pairs.py", "import v2t_bench.search", LAYERS),
        ("v2t_bench/not_placed.py", "", LAYERS),
        ("v2t_bench/harness.py", "import v2t_plugins.defenses.noise", NAMELESS),
        ("v2t_plugins/defenses/noise.py", "import v2t_bench.store", STRANGER),
        ("v2t_plugins/training.py", "import v2t_bench.harness", STRANGER),
        ("v2t_bench/harness.py", "import v2t_minilm_inverters", NAMELESS),
        ("v2t_minilm_inverters/__init__.py", "import v2t_bench.shelves", STRANGER),
        ("v2t_plugins/attacks/silent.py", "import v2t_plugins.embedders.minilm", INDEPENDENT),
        ("v2t_plugins/defenses/noise.py", "import v2t_plugins.attacks.silent", INDEPENDENT),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    run_python: Run, copy: Path, module: str, line: str, contract: str
) -> None:
    with (copy / module).open("a") as file:
        file.write(f"\n{line}\n")

    status, output = lint(run_python, copy)

    assert status == 1, output
    if not line:
        # A module that has no place stops the run before any contract is told of.
        assert contract in output
    else:
        assert re.findall(r"^(.+) BROKEN", output, re.MULTILINE) == [contract]
