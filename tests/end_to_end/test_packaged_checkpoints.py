"""A package that carries trained attacks: they are used, named, listed, and told when damaged."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from end_to_end.commands import ROOT, Invoke, command, environment, refused
from v2t_bench.canonical import hash_texts
from v2t_bench.corpora.demo import demo_training_texts

PROJECT = ROOT / "plugins" / "v2t-minilm-inverters"
HASHED = ("--embedder", "hashed", "--device", "cpu")
CARRIER = "v2t-toys==1.2"
MODULE = """
from pathlib import Path
from v2t_bench import hookimpl
from v2t_bench.checkpoints import checkpoints_in

@hookimpl
def v2t_checkpoints():
    yield from checkpoints_in(Path(__file__).parent / "weights")
"""


def carry(source: Path, folder: Path, **changes: Any) -> Path:
    """Copy what ``train`` left, its record changed, and return the copy."""
    shutil.copytree(source, folder)
    record = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps(record | changes))
    return folder


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "leaderboard.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def source(trained: None, cache: Path) -> Path:
    return next((cache / "checkpoints").glob("nearest-*"))


@pytest.fixture
def weights(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what an installed package carries; no other cache has anything trained."""
    site = tmp_path / "site"
    info = site / "v2t_toys-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: v2t-toys\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[v2t_bench]\ntoys = toys_of_v2t\n")
    (site / "toys_of_v2t.py").write_text(MODULE)
    texts = {"sha256": hash_texts(demo_training_texts())}
    carry(source, site / "weights" / "toy-wiki-32", min_tokens=4, trained_on="wiki")
    carry(source, site / "weights" / "toy-demo", trained_on="demo", texts=texts)
    monkeypatch.delitem(sys.modules, "toys_of_v2t", raising=False)
    monkeypatch.syspath_prepend(site)
    return site / "weights"


@pytest.fixture
def empty(weights: Path, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing is trained."""
    folder = tmp_path / "empty"
    monkeypatch.setenv("V2T_BENCH_CACHE", str(folder))
    return folder


class TestInverting:
    def test_uses_it_at_every_length_that_it_serves(
        self, invoke: Invoke, empty: Path, texts_file: Path
    ) -> None:
        known = texts_file.read_text().splitlines()[0]
        for length in (4, 32):
            done = invoke("invert", known, "--attack", "nearest", "--max-tokens", length, "--json",
                          *HASHED)  # fmt: skip
            assert done.status == 0, done.err
            assert f" of {CARRIER}\n" in done.err
            assert 'nearest:checkpoint="toy-wiki-32@' in json.loads(done.out)["attack"]
        assert json.loads(done.out)["answers"][0]["recovered"] == known

    def test_beyond_those_lengths_is_refused_with_them(self, invoke: Invoke, empty: Path) -> None:
        done = invoke("invert", "text", "--attack", "nearest", "--max-tokens", 33, *HASHED)
        refused(done, "v2t-bench train nearest --texts FILE --embedder hashed --max-tokens 33",
                f"toy-wiki-32 of {CARRIER} serves 4-to-32 tokens")  # fmt: skip

    def test_uses_the_one_that_is_named(self, invoke: Invoke, empty: Path) -> None:
        done = invoke("invert", "text", "--attack", "nearest:checkpoint=toy-demo", *HASHED)
        assert done.status == 0, done.err
        assert 'nearest:checkpoint="toy-demo@' in done.err

    def test_by_a_name_that_is_not_there_lists_those_that_are(
        self, invoke: Invoke, empty: Path
    ) -> None:
        done = invoke("invert", "text", "--attack", "nearest:checkpoint=toy-wiki", *HASHED)
        refused(done, "'toy-wiki'", "did you mean 'toy-wiki-32'", "toy-demo")

    def test_with_a_damaged_one_names_its_package(
        self, invoke: Invoke, empty: Path, weights: Path
    ) -> None:
        file = weights / "toy-wiki-32" / "vectors.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
        done = invoke("invert", "text", "--attack", "nearest", *HASHED)
        refused(done, f"toy-wiki-32 of {CARRIER}", "vectors.safetensors is missing, truncated")
        # Nobody who does not want it is troubled.
        assert invoke("invert", "text", "--attack", "silent", *HASHED).err.count("toy") == 0

    def test_with_a_damaged_record_names_its_package(
        self, invoke: Invoke, empty: Path, weights: Path
    ) -> None:
        (weights / "toy-demo" / "checkpoint.json").write_text("{")
        done = invoke("invert", "text", "--attack", "nearest", *HASHED)
        assert done.status == 0
        (line,) = [line for line in done.err.splitlines() if line.startswith("WARNING")]
        assert f"plugin {CARRIER} " in line
        assert "toy-demo" in line


class TestARun:
    def words(self, beir_folder: Path, out: Path) -> list[object]:
        return ["run", "--dataset", f"beir:{beir_folder}", "--attack", "nearest", "--limit", 3,
                *HASHED, "-o", out]  # fmt: skip

    def test_uses_it_and_credits_its_package(
        self, invoke: Invoke, empty: Path, beir_folder: Path, tmp_path: Path
    ) -> None:
        done = invoke(*self.words(beir_folder, tmp_path / "out"), "--max-tokens", 16)
        assert done.status == 0, done.err
        (row,) = [r for r in rows_of(tmp_path / "out") if r["attack"].startswith("nearest")]
        assert row["attack"].startswith('nearest:checkpoint="toy-wiki-32@')
        assert CARRIER in row["plugins"].split()
        assert "trained-on" not in row["flags"]

    def test_prefers_the_users_own_and_says_so_once(
        self, invoke: Invoke, weights: Path, beir_folder: Path, source: Path, tmp_path: Path
    ) -> None:
        done = invoke(*self.words(beir_folder, tmp_path / "out"))
        assert done.status == 0, done.err
        (line,) = [line for line in done.err.splitlines() if "toy-wiki-32" in line]
        assert line.startswith(f"nearest uses your own checkpoint {source}, not toy-wiki-32 of ")
        labels = {row["attack"] for row in rows_of(tmp_path / "out")}
        assert any(source.name in label for label in labels)
        assert not any("toy" in label for label in labels)


class TestADemoRun:
    def words(self, out: Path) -> list[object]:
        return ["run", "--dataset", "demo-nq", "--dataset", "demo-beir", "--attack", "nearest",
                "--limit", 3, *HASHED, "-o", out]  # fmt: skip

    def labels(self, out: Path) -> set[str]:
        return {row["attack"].partition("@")[0] for row in rows_of(out)} - {"silent"}

    def test_uses_the_packaged_one_and_trains_nothing(
        self, invoke: Invoke, empty: Path, tmp_path: Path
    ) -> None:
        done = invoke(*self.words(tmp_path / "out"))
        assert done.status == 0, done.err
        assert self.labels(tmp_path / "out") == {'nearest:checkpoint="toy-demo'}
        assert not list(empty.rglob("demo-nearest-*"))
        stored = [json.loads(p.read_text()) for p in tmp_path.glob("out/cells/*/result.json")]
        identities = [cell["identity"] for cell in stored if "nearest" in str(cell["labels"])]
        assert identities
        for identity in identities:
            assert identity["attack"].startswith('nearest:checkpoint="toy-demo@')
            assert identity["plugins"]["v2t-toys"] == "1.2"

    def test_of_other_texts_than_the_packaged_one_learned_trains_and_warns_once(
        self, invoke: Invoke, empty: Path, weights: Path, source: Path, tmp_path: Path
    ) -> None:
        shutil.rmtree(weights / "toy-demo")
        carry(source, weights / "toy-demo", trained_on="demo", texts={"sha256": "0" * 64})
        done = invoke(*self.words(tmp_path / "out"))
        assert done.status == 0, done.err
        assert done.err.count("warning: toy-demo of") == 1
        assert self.labels(tmp_path / "out") == {'nearest:checkpoint="demo'}
        assert len(list(empty.glob("checkpoints/demo-nearest-*"))) == 1


class TestAsking:
    def test_lists_the_carried_and_the_users_own(
        self, invoke: Invoke, weights: Path, source: Path
    ) -> None:
        listed = json.loads(invoke("list", "checkpoints", "--json").out)["checkpoints"]
        expected = {"name": "toy-wiki-32", "attack": "nearest", "embedder": "hashed",
                    "lengths": "4-to-32", "trained on": "wiki", "from": CARRIER}  # fmt: skip
        assert expected in listed
        own = {"name": source.name, "lengths": "32", "trained on": "texts.txt", "from": str(source)}
        assert expected | own in listed
        assert "toy-demo" in invoke("list", "checkpoints").out

    def test_tells_the_card(self, invoke: Invoke, empty: Path, weights: Path) -> None:
        card = weights / "toy-wiki-32" / "README.md"
        card.write_text(card.read_text() + "\x1b[2J\n")
        done = invoke("info", "checkpoints", "toy-wiki-32")
        assert done.status == 0, done.err
        for words in (f"from {CARRIER}", "4-to-32 tokens", "nearest:checkpoint=toy-wiki-32",
                      "# nearest for hashed", "\\x1b[2J"):  # fmt: skip
            assert words in done.out
        refused(invoke("info", "checkpoints", "toy-wik"), "did you mean 'toy-wiki-32'")

    def test_the_doctor_compares_every_file(
        self, invoke: Invoke, empty: Path, weights: Path
    ) -> None:
        def said() -> str:
            lines = invoke("doctor").out.splitlines()
            return next(line for line in lines if " inverters: " in line)

        assert said().startswith("ok ")
        assert f"toy-demo of {CARRIER}, toy-wiki-32 of {CARRIER}" in said()
        (weights / "toy-demo" / "vectors.safetensors").unlink()
        assert said().startswith(f"WRONG inverters: checkpoint toy-demo of {CARRIER}: ")


class TestTheInvertersOfMinilm:
    """The real project with a toy checkpoint in the place of its weights."""

    @pytest.fixture
    def project(self, source: Path, tmp_path: Path) -> Path:
        ignored = shutil.ignore_patterns("weights", "__pycache__")
        folder = Path(shutil.copytree(PROJECT, tmp_path / "project", ignore=ignored))
        carry(source, folder / "v2t_minilm_inverters" / "weights" / "minilm-wiki-32")
        return folder

    def check(self, python: str | Path, path: str, tmp_path: Path) -> None:
        """Check that the checkpoint is listed and used by that Python."""
        variables = environment(tmp_path / "cache") | {"PYTHONPATH": path}
        said = []
        for words in (
            ("list", "checkpoints", "--json"),
            ("invert", "text", "--attack", "nearest", *HASHED),
        ):
            done = subprocess.run(
                [python, *command(*words)[1:]],
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            said.append(done)
        (found,) = json.loads(said[0].stdout)["checkpoints"]
        assert (found["name"], found["from"]) == ("minilm-wiki-32", "v2t-minilm-inverters==0.1.0")
        assert 'nearest:checkpoint="minilm-wiki-32@' in said[1].stderr

    def test_work_installed_from_a_wheel(self, project: Path, tmp_path: Path) -> None:
        site = tmp_path / "site"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
             "--no-build-isolation", "--disable-pip-version-check", "--target", site, project],
            check=True,
        )  # fmt: skip
        shutil.rmtree(project)
        path = [site, ROOT / "bench", ROOT / "plugins"]
        self.check(sys.executable, os.pathsep.join(map(str, path)), tmp_path)

    def test_work_installed_editable(self, project: Path, tmp_path: Path) -> None:
        folder = tmp_path / "venv"
        venv.create(folder, with_pip=False, symlinks=True)
        python = folder / "bin" / "python"
        (site,) = folder.glob("lib/python3*/site-packages")
        # What everything needs is there already; the path file is read at each start.
        here = [path for path in sys.path if path.endswith("site-packages")]
        (site / "here.pth").write_text("\n".join(here) + "\n")
        path = os.pathsep.join([str(ROOT / "bench"), str(ROOT / "plugins")])
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
             "--no-index", "--no-build-isolation", "--disable-pip-version-check", "-e", project],
            check=True,
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        assert not (site / "v2t_minilm_inverters").exists()
        self.check(python, path, tmp_path)
