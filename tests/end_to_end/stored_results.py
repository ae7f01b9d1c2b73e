"""Small results folders that a run wrote, made once a session and copied to be tampered with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from end_to_end.commands import run_process
from v2t_bench.corpora.made_notes import make_noteevents


def _run(folder: Path, cache: Path, *words: object) -> Path:
    done = run_process("run", "--embedder", "hashed", "--device", "cpu", *words, "-o", folder,
                       cache=cache)  # fmt: skip
    assert done.status == 0, done.err
    return folder


@pytest.fixture(scope="session")
def demo_results(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Two generated collections, noise under two seeds, and attackers who know it."""
    return _run(
        tmp_path_factory.mktemp("demo") / "results", cache,
        "--dataset", "demo-nq", "--dataset", "demo-mimic", "--attack", "nearest", "--attack",
        "silent", "--defense", "noise:0.1", "--threat", "oblivious", "--threat",
        "adaptive:denoise", "--n-texts", 40, "--seed", 0, "--seed", 1,
    )  # fmt: skip


@pytest.fixture(scope="session")
def beir_results(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, beir_folder: Path, trained: None
) -> Path:
    """A folder of somebody's own, whose texts may not be passed on, and an attack that learned."""
    return _run(
        tmp_path_factory.mktemp("beir") / "results", cache,
        "--dataset", f"beir:{beir_folder}", "--attack", "bow", "--defense", "noise:0.1",
    )  # fmt: skip


@pytest.fixture(scope="session")
def mimic_results(tmp_path_factory: pytest.TempPathFactory, cache: Path, trained: None) -> Path:
    """Notes of which nothing may be passed on."""
    notes = tmp_path_factory.mktemp("owner") / "NOTEEVENTS.csv"
    make_noteevents(notes, n_notes=200, seed=3)
    return _run(
        tmp_path_factory.mktemp("mimic") / "results", cache,
        "--dataset", f"mimic:{notes}", "--attack", "nearest", "--defense", "noise:0.1",
        "--n-texts", 40,
    )  # fmt: skip


def copied(results: Path, folder: Path) -> Path:
    """Return a copy of a results folder that may be spoiled."""
    shutil.copytree(results, folder)
    return folder
