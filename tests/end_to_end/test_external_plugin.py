"""A stranger's package, installed with pip, is found, listed, and runs in a grid."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.commands import ROOT, Finished, command, environment, install

PACKAGE = ROOT / "tests" / "external" / "v2t-echo"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed by pip, offline."""
    folder = tmp_path_factory.mktemp("site")
    install(PACKAGE, folder)
    return folder


def with_plugin(site: Path, cache: Path) -> dict[str, str]:
    variables = environment(cache)
    return {**variables, "PYTHONPATH": f"{variables['PYTHONPATH']}{os.pathsep}{site}"}


def run(*words: object, site: Path, cache: Path) -> Finished:
    done = subprocess.run(
        command(*words), env=with_plugin(site, cache), capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_it_is_listed_with_its_version(site: Path, tmp_path: Path) -> None:
    listed = json.loads(run("list", "--json", site=site, cache=tmp_path).out)
    assert {"name": "v2t-echo", "version": "0.1.0", "module": "v2t_echo"} in listed["plugins"]
    ours = {r["name"]: r["from"] for r in listed["attacks"] + listed["defenses"]}
    assert [ours[n] for n in ("echo", "crash", "echo-round")] == ["v2t-echo==0.1.0"] * 3


@pytest.mark.usefixtures("trained")
def test_its_crash_leaves_the_other_cells_intact(
    site: Path, beir_folder: Path, cache: Path, tmp_path: Path
) -> None:
    done = run(
        "run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device", "cpu",
        "--attack", "echo:text=a red door", "--attack", "crash", "--defense", "echo-round:1",
        "-o", tmp_path, site=site, cache=cache,
    )  # fmt: skip
    assert done.status == 1
    assert "this attack crashes on purpose" in done.err
    assert "Traceback" not in done.err
    with (tmp_path / "leaderboard.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    attacks = {(row["attack"].partition(":")[0], row["defense"].partition(":")[0]) for row in rows}
    assert attacks == {
        ("silent", "none"), ("nearest", "none"), ("nearest", "echo-round"),
        ("echo", "none"), ("echo", "echo-round"),
    }  # fmt: skip
    assert all("v2t-echo==0.1.0" in r["plugins"] for r in rows if r["attack"].startswith("echo"))
    failed = [json.loads(path.read_text()) for path in tmp_path.glob("cells/*/error.json")]
    assert {failure["labels"]["attack"] for failure in failed} == {"crash"}
    assert len(failed) == 2


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", PACKAGE,
         PACKAGE / "tests"],
        env=with_plugin(site, tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
