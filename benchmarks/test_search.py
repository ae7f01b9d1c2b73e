"""That ``search_peer.py`` still runs and its engines find the same; our search beside beir's."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from benchmarks.search_engines import ENGINES, PEER, World, write_world

if TYPE_CHECKING:
    from benchmarks.conftest import Measure

ROOT = Path(__file__).resolve().parent.parent
N = 2000
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            "faiss" in name and find_spec("faiss") is None,
            reason="faiss is not installed: pip install 'v2t-bench[faiss]'",
        ),
    )
    for name in ENGINES
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, N)
    return World.read(folder)


@pytest.mark.parametrize("name", NAMES)
def test_ndcg_of_every_engine_is_that_of_beir(name: str, world: World, measure: Measure) -> None:
    work = ENGINES[name](world)
    measure(f"NDCG@10 of {N} documents", "peer" if name == PEER else name, work, rounds=5)
    assert work() == pytest.approx(ENGINES[PEER](world)(), abs=1e-5)


def test_a_row_is_printed_for_each_engine_and_size(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'v2t-bench[figures]'")
    words = [sys.executable, "-m", "benchmarks.search_peer", "--documents", "300", "1500"]
    words += ["--engine", "beir", "--engine", "ours", "--rounds", "1"]
    words += ["--json", str(tmp_path / "raw.json"), "--figure", str(tmp_path / "search.svg")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:3] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [[cell.strip() for cell in row] for row in rows[1:]] == [
        ["300", "beir"], ["300", "ours"], ["1,500", "beir"], ["1,500", "ours"],
    ]  # fmt: skip
    raw = json.loads((tmp_path / "raw.json").read_text())
    assert [len(found["seconds"]) for found in raw["measured"]] == [1, 1, 1, 1]
    assert all(found["peak_mib"] > 0 for found in raw["measured"])
    assert ElementTree.parse(tmp_path / "search.svg").getroot().tag.endswith("svg")
