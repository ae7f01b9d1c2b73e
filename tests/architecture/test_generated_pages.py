"""The pages in docs/ that are made from the code say what the code says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from v2t_bench.cli import VERBS

if TYPE_CHECKING:
    from architecture.conftest import Run

PAGES = ("api.md", "cli.md", "components.md")

# Runs the script as its own name would, then tells what it imported.
TELL = """
import runpy, sys
sys.argv[:] = ["generate.py", "--check"]
try:
    runpy.run_path("docs/generate.py", run_name="__main__")
except SystemExit as stop:
    print("status:", stop.code)
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
HEAVY = {"pandas", "pyarrow", "scipy", "sklearn", "tokenizers", "torch", "transformers"}


@pytest.fixture
def copies(root: Path, tmp_path: Path) -> Path:
    """Return a folder with a copy of each page."""
    for name in PAGES:
        shutil.copy(root / "docs" / name, tmp_path)
    return tmp_path


def test_the_committed_pages_are_current(run_python: Run) -> None:
    done = run_python("docs/generate.py", "--check")

    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_each_page_that_is_stale_is_named_and_left_as_it_is(run_python: Run, copies: Path) -> None:
    (copies / "api.md").unlink()
    page = copies / "cli.md"
    page.write_text(changed := page.read_text().replace("the", "teh", 1))

    done = run_python("docs/generate.py", "--check", "-o", str(copies))

    assert done.returncode == 1, done.stderr
    mend = "is not what the code says; run python docs/generate.py"
    assert sorted(done.stdout.splitlines()) == [f"api.md {mend}", f"cli.md {mend}"]
    assert page.read_text() == changed
    assert not (copies / "api.md").exists()


def test_writing_mends_what_is_stale(root: Path, run_python: Run, copies: Path) -> None:
    for name in PAGES:
        (copies / name).write_text("old\n")

    assert run_python("docs/generate.py", "-o", str(copies)).returncode == 0

    assert [(copies / name).read_text() for name in PAGES] == [
        (root / "docs" / name).read_text() for name in PAGES
    ]


def test_a_narrow_terminal_changes_no_page(
    run_python: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "31")
    monkeypatch.setenv("V2T_BENCH_RUN_ATTACK", "bow")

    done = run_python("docs/generate.py", "--check")

    assert done.stdout == "", done.stderr


def test_nothing_heavy_is_imported_for_them(run_python: Run) -> None:
    done = run_python("-c", TELL)

    status, imported = done.stdout.splitlines()
    assert status == "status: 0"
    assert set(imported.split()) & HEAVY == set()


def test_every_verb_has_a_section(root: Path) -> None:
    lines = (root / "docs" / "cli.md").read_text().splitlines()

    assert {f"## `v2t-bench {verb}`" for verb in VERBS} - set(lines) == set()


def test_every_variable_is_named_after_its_option(root: Path) -> None:
    told = re.findall(
        r"^\| .*?`--([a-z-]+)`.* \| `V2T_BENCH_([A-Z_]+)` \|",
        (root / "docs" / "cli.md").read_text(),
        re.MULTILINE,
    )

    assert len(told) > 60
    named = [(option.replace("-", "_").upper(), variable) for option, variable in told]
    assert [(option, variable) for option, variable in named if not variable.endswith(option)] == []


def test_an_option_stands_with_its_default_and_its_variable(root: Path) -> None:
    (line,) = (
        line
        for line in (root / "docs" / "cli.md").read_text().splitlines()
        if "`V2T_BENCH_TRAIN_MAX_TOKENS`" in line
    )

    assert line.startswith("| `--max-tokens` `INTEGER x>=1` | `32` | `V2T_BENCH_TRAIN_MAX_TOKENS`")
