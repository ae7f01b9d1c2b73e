"""The wheel holds the two packages: all of them and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from architecture.conftest import Run

PACKAGES = {"bench/v2t_bench": "v2t_bench", "plugins/v2t_plugins": "v2t_plugins"}


@pytest.fixture(scope="module")
def wheel(root: Path, run_python: Run, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    done = run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def info(wheel: zipfile.ZipFile, name: str) -> str:
    """Return the text of one file of the wheel's metadata."""
    (path,) = (n for n in wheel.namelist() if n.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_holds_the_tracked_files_of_both_packages(
    wheel: zipfile.ZipFile, tracked: list[Path]
) -> None:
    expected = {
        name + path.as_posix().removeprefix(folder)
        for path in tracked
        for folder, name in PACKAGES.items()
        if path.is_relative_to(folder)
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert sorted(expected - held) == []
    assert sorted(held - expected) == []


def test_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert {"v2t_bench/py.typed", "v2t_plugins/py.typed"} <= set(wheel.namelist())


def test_installs_one_command(wheel: zipfile.ZipFile) -> None:
    lines = info(wheel, "entry_points.txt").split("\n")

    assert "v2t-bench = v2t_bench.cli:main" in lines


def test_carries_its_licence(wheel: zipfile.ZipFile, root: Path) -> None:
    assert "License-Expression: Apache-2.0" in info(wheel, "METADATA").splitlines()
    assert info(wheel, "licenses/LICENSE") == (root / "LICENSE").read_text()
