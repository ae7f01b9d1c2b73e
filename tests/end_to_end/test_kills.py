"""A small grid that is killed, anywhere, ends after a restart with the same bytes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.commands import ROOT, environment, run_process

KILLER = ROOT / "tests" / "end_to_end" / "killer.py"


class World:
    """One place where the small grid is run: a cache, a checkpoint and a results folder."""

    def __init__(self, folder: Path, beir_folder: Path, texts_file: Path) -> None:
        self.cache = folder / "cache"
        self.results = folder / "results"
        # bow learns by the one training loop; its checkpoint and nearest's lie in the cache.
        self.commands = [
            ["train", name, "--texts", texts_file, "--embedder", "hashed", "--steps", 40,
             "--size", "tiny", "--device", "cpu"]
            for name in ("nearest", "bow")
        ]  # fmt: skip
        self.commands.append(
            ["run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--attack", "bow",
             "--defense", "noise:0.1", "--defense", "noise:0.2,on=documents", "--device", "cpu",
             "-o", self.results]
        )  # fmt: skip

    def run(self) -> bytes:
        for words in self.commands:
            done = run_process(*words, cache=self.cache)
            if words[0] == "train" and "exists already" in done.err:
                continue  # trained before the kill
            assert done.status == 0, done.err
        return (self.results / "leaderboard.csv").read_bytes()

    def run_until_killed(self, moment: str, n: int) -> None:
        for words in self.commands:
            done = subprocess.run(
                [sys.executable, str(KILLER), moment, str(n), *map(str, words)],
                env=environment(self.cache),
                capture_output=True,
                check=False,
            )
            if done.returncode == -signal.SIGKILL:
                return
            assert done.returncode == 0, done.stderr.decode()
        pytest.fail(f"the moment {moment} {n} never came")


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, beir_folder: Path, texts_file: Path
) -> tuple[World, bytes]:
    world = World(tmp_path_factory.mktemp("undisturbed"), beir_folder, texts_file)
    return world, world.run()


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("moment", ["embedding", "training", "cell", "rename", "csv"])
def test_a_killed_grid_ends_with_the_same_bytes(
    moment: str,
    n: int,
    tmp_path: Path,
    undisturbed: tuple[World, bytes],
    beir_folder: Path,
    texts_file: Path,
) -> None:
    first, expected = undisturbed
    world = World(tmp_path, beir_folder, texts_file)
    if moment in ("cell", "rename", "csv"):
        # What comes before the moment is the same; running it again shows nothing new.
        shutil.copytree(first.cache, world.cache)
        world.commands = world.commands[-1:]
    world.run_until_killed(moment, n if moment != "training" else 15 * n)
    assert world.run() == expected


def test_nothing_half_written_is_left_after_a_restart(
    tmp_path: Path, undisturbed: tuple[World, bytes], beir_folder: Path, texts_file: Path
) -> None:
    first, _ = undisturbed
    world = World(tmp_path, beir_folder, texts_file)
    shutil.copytree(first.cache, world.cache)
    world.commands = world.commands[-1:]
    world.run_until_killed("rename", 2)
    assert list(world.results.glob("cells/.*.partial"))
    world.run()
    assert not list(world.results.rglob("*.partial"))
