"""The command line in a process of its own, and folders for it to work on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finished:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str


Invoke = Callable[..., Finished]


def refused(done: Finished, *expected: str) -> None:
    """Check that the command ended as bad input must end, in one line that says all of this."""
    assert done.status == 2, done.err
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.err
    assert done.out == ""
    for words in expected:
        assert words in lines[0], lines[0]


def install(project: Path, site: Path) -> None:
    """Install a project by pip into a folder, offline and without what it depends on."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--disable-pip-version-check", "--target", site, project],
        check=True,
    )  # fmt: skip


def write_beir(
    folder: Path,
    documents: Sequence[Mapping[str, object]],
    queries: list[dict[str, str]],
    judgements: list[tuple[str, str, int]],
) -> Path:
    """Write a collection as BEIR distributes it."""
    (folder / "qrels").mkdir(parents=True)
    named: list[tuple[str, Sequence[Mapping[str, object]]]]
    named = [("corpus", documents), ("queries", queries)]
    for name, records in named:
        lines = [json.dumps(record) for record in records]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    lines = ["query-id\tcorpus-id\tscore"]
    lines += ["\t".join(map(str, row)) for row in judgements]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def command(*arguments: object) -> list[str]:
    """Return the words that start the command line in a process of its own."""
    return [sys.executable, "-m", "v2t_bench", *map(str, arguments)]


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of such a process."""
    path = os.pathsep.join([str(ROOT / "bench"), str(ROOT / "plugins")])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "V2T_BENCH_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore",
    }


def run_process(*arguments: object, cache: Path) -> Finished:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        command(*arguments), env=environment(cache), capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def train_tiny(
    attack: str, texts: Path, embedder: str, *more: object, steps: int, cache: Path
) -> None:
    """Train an attack for a moment, in a process of its own."""
    done = run_process(
        "train", attack, "--texts", texts, "--embedder", embedder, "--steps", steps, "--size",
        "tiny", "--device", "cpu", *more, cache=cache,
    )  # fmt: skip
    assert done.status == 0, done.err
