"""The wheel holds the two packages and nothing else; the inverters are a wheel of their own."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toy_checkpoint import write_checkpoint

if TYPE_CHECKING:
    from architecture.conftest import Run

INVERTERS = Path("plugins/v2t-minilm-inverters")
PACKAGES = {"bench/v2t_bench": "v2t_bench", "plugins/v2t_plugins": "v2t_plugins"}


def build(run_python: Run, kind: str, source: Path, out: Path) -> Path:
    """Return the one file that a build of ``source`` leaves in ``out``."""
    done = run_python("-m", "build", kind, "--no-isolation", "--outdir", str(out), str(source))
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(root: Path, run_python: Run, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build(run_python, "--wheel", root, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def clone(root: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that holds the inverters' project, with one more checkpoint."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / ".git").mkdir()
    for path in [Path(".gitignore"), *tracked]:
        if path.is_relative_to(INVERTERS) or path == Path(".gitignore"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, folder / path)
    write_checkpoint(folder / INVERTERS / "v2t_minilm_inverters" / "weights" / "toy-wiki-32")
    return folder


@pytest.fixture(scope="module")
def inverters(
    clone: Path, run_python: Run, tmp_path_factory: pytest.TempPathFactory
) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("inverters")
    return zipfile.ZipFile(build(run_python, "--wheel", clone / INVERTERS, out))


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


def test_the_source_distribution_lacks_the_inverters(
    root: Path, run_python: Run, tmp_path: Path
) -> None:
    with tarfile.open(build(run_python, "--sdist", root, tmp_path)) as packed:
        names = packed.getnames()

    assert any(name.endswith("plugins/v2t_plugins/__init__.py") for name in names)
    assert [name for name in names if INVERTERS.name in name] == []


def test_the_inverters_wheel_holds_its_module_and_all_weights(
    inverters: zipfile.ZipFile, clone: Path
) -> None:
    source = clone / INVERTERS
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "v2t_minilm_inverters").rglob("*")
        if path.is_file()
    }
    held = {name for name in inverters.namelist() if ".dist-info/" not in name}

    assert held == expected
    weights = "v2t_minilm_inverters/weights/toy-wiki-32"
    assert {
        f"{weights}/{name}" for name in ("network.safetensors", "checkpoint.json", "README.md")
    } <= held
    assert "v2t_minilm_inverters/py.typed" in held


def test_the_inverters_wheel_says_where_it_is_found_and_its_licences(
    inverters: zipfile.ZipFile, root: Path
) -> None:
    points = info(inverters, "entry_points.txt").split("\n")
    assert points[:2] == ["[v2t_bench]", "minilm-inverters = v2t_minilm_inverters"]
    assert "License-Expression: Apache-2.0" in info(inverters, "METADATA").splitlines()
    assert info(inverters, "licenses/LICENSE") == (root / "LICENSE").read_text()
    assert "Attribution-ShareAlike" in info(inverters, "licenses/NOTICE").replace("\n", " ")
