"""The project that docs/plugin-guide.md writes is installed, passes its tests, and runs."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from end_to_end.commands import ROOT, Finished, command, environment, install

GUIDE = ROOT / "docs" / "plugin-guide.md"
EMPTY = "v2t_guide/__init__.py"


def files_of_the_guide() -> dict[str, str]:
    """Return the blocks of code whose first line names their file."""
    found = {}
    for token in MarkdownIt().parse(GUIDE.read_text(encoding="utf-8")):
        if token.type == "fence" and token.info in ("python", "toml"):
            name, _, content = token.content.partition("\n")
            assert name.startswith("# "), f"a block names no file: {name}"
            found[name.removeprefix("# ")] = content
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the guide, and the empty one that it speaks of."""
    folder = tmp_path_factory.mktemp("guide") / "v2t-guide"
    for name, content in {**files_of_the_guide(), EMPTY: ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project installed by pip, offline."""
    folder = tmp_path_factory.mktemp("site")
    install(project, folder)
    return folder


def run(words: Sequence[object], site: Path, cache: Path) -> Finished:
    """Run Python with these arguments, the project installed."""
    variables = environment(cache)
    variables["PYTHONPATH"] += f"{os.pathsep}{site}"
    variables["V2T_BENCH_STRICT_PLUGINS"] = "1"
    done = subprocess.run(
        [*map(str, words)], env=variables, capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_the_guide_holds_every_file_of_its_tree(project: Path) -> None:
    tree = GUIDE.read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0]
    listed = {line.split()[0] for line in tree.splitlines()[1:]}

    assert listed == {
        path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()
    }


def test_its_own_tests_pass(project: Path, site: Path, tmp_path: Path) -> None:
    done = run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", project,
         project / "tests"],
        site, tmp_path,
    )  # fmt: skip

    assert done.status == 0, done.out
    assert "skipped" not in done.out


def test_what_it_offers_runs_in_a_grid(
    site: Path, beir_folder: Path, texts_file: Path, tmp_path: Path
) -> None:
    weights = site / "v2t_guide" / "weights" / "letters-words"
    weights.parent.mkdir(exist_ok=True)
    lesson: list[object] = ["--texts", texts_file, "--embedder", "letters", "--device", "cpu"]
    for attack, place in (("word-means", ["-o", weights]), ("nearest", [])):
        trained = run(command("train", attack, *lesson, *place), site, tmp_path)
        assert trained.status == 0, trained.err

    done = run(
        command("run", "--dataset", f"beir:{beir_folder}", "--embedder", "letters", "--attack",
                "word-means", "--defense", "rounding:1", "--device", "cpu", "-o", tmp_path / "out"),
        site, tmp_path,
    )  # fmt: skip

    assert done.status == 0, done.err
    with (tmp_path / "out" / "leaderboard.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = {(row["attack"].partition(":")[0], row["defense"]) for row in rows}
    rounding = "rounding:decimals=1"
    assert {("word-means", "none"), ("word-means", rounding), ("prior", "none")} <= found
    (row,) = (r for r in rows if (r["attack"][:10], r["defense"]) == ("word-means", "none"))
    assert "letters-words@" in row["attack"]
    assert "v2t-guide==0.1.0" in row["plugins"].split()
    # It reads words: without the vector it says the same of every text.
    assert float(row["token_f1"]) > 0
    listed = json.loads(run(command("list", "checkpoints", "--json"), site, tmp_path).out)
    carried = {one["name"]: one["from"] for one in listed["checkpoints"]}
    assert carried["letters-words"] == "v2t-guide==0.1.0"
