"""Notes in the schema of MIMIC-III: measured end to end, and nothing of them left anywhere."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from end_to_end.commands import run_process
from v2t_bench import hookimpl
from v2t_bench.cells import Grid
from v2t_bench.contracts import Attack, BuildContext, Recipe, Vectors
from v2t_bench.corpora.made_notes import make_noteevents
from v2t_bench.harness import Harness, Outcome
from v2t_bench.matrix import Planner
from v2t_bench.registry import Origin, Registry, discover
from v2t_bench.restricted import RestrictedFolder
from v2t_bench.store import Store
from v2t_bench.threat import Oracle
from v2t_bench.vectors import VectorCache

MARKER = "quizzaciously"
N_NOTES = 400


@pytest.fixture(scope="module")
def noteevents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated table in which every note has the marker near its start, and behind it."""
    path = tmp_path_factory.mktemp("owner") / "NOTEEVENTS.csv"
    make_noteevents(path, n_notes=N_NOTES, seed=3)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(rows[0])
        for row in rows[1:]:
            words = row[-1].split(" ")
            row[-1] = " ".join([*words[:2], MARKER, *words[2:20], MARKER, *words[20:]])
            writer.writerow(row)
    return path


@dataclass(frozen=True, kw_only=True)
class Gossip:
    """An attack that reads the marker, asks the embedder for it, and shows how it got there."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        guesses = [f"the patient was seen {MARKER} {row}" for row in range(len(vectors))]
        oracle.embed(guesses)
        return guesses


@dataclass(frozen=True, kw_only=True)
class Blurter:
    """An attack that fails and quotes what it was about."""

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        raise ValueError(f"cannot read {MARKER}")


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    yield Recipe(name="gossip", build=Gossip, source="this test")
    yield Recipe(name="blurter", build=Blurter, source="this test")


@pytest.fixture(scope="module")
def nearest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The floor, trained on sentences that have nothing to do with the notes."""
    folder = tmp_path_factory.mktemp("floor")
    texts = [f"the weather in town {number} is fine and nobody minds" for number in range(400)]
    (folder / "texts.txt").write_text("\n".join(texts))
    done = run_process("train", "nearest", "--texts", folder / "texts.txt", "--embedder", "hashed",
                       "--device", "cpu", "-o", folder / "trained" / "nearest",
                       cache=folder / "cache")  # fmt: skip
    assert done.status == 0, done.err
    return folder / "trained"


def measure(
    folder: Path, noteevents: Path, nearest: Path, *, restricted: RestrictedFolder | None = None
) -> list[Outcome]:
    """Attack the notes with everything that could give them away switched on."""
    registry = discover(strangers=())
    registry.add(sys.modules[__name__], Origin("v2t-gossip", "1.0", __name__))
    context = context_of(registry, folder / "cache")
    planner = Planner(registry=registry, context=context, shelves=[nearest])
    grid = Grid(
        datasets=(f"mimic:{noteevents}",),
        embedders=("hashed",),
        attacks=("gossip", "blurter"),
        defenses=("noise:0.1",),
        threats=("oblivious", "adaptive:align,pairs=64"),
        n_texts=40,
    )
    store = Store(folder / "results")
    harness = Harness(
        registry=registry,
        context=context,
        store=store,
        cache=VectorCache(folder / "cache" / "vectors"),
        keep_text=True,
        restricted=restricted,
        trace=True,
    )
    with store.lock():
        return harness.run(planner.plan(grid))


def context_of(registry: Registry, cache: Path) -> BuildContext:
    def build(kind: Any, spelling: Any) -> Any:
        return registry.build(kind, spelling, context)

    context = BuildContext(build=build, offline=True, cache=cache)
    return context


def holding(folder: Path, word: str) -> list[str]:
    """Return the files below ``folder`` that hold ``word``, in their bytes or as a table."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += json.dumps(pq.read_table(path).to_pylist())
        if word in text:
            found.append(str(path.relative_to(folder)))
    return found


def test_nothing_of_a_restricted_note_is_left_anywhere(
    tmp_path: Path,
    noteevents: Path,
    nearest: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    caplog.set_level("DEBUG")
    outcomes = measure(tmp_path, noteevents, nearest)
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert done
    assert failed
    assert all("blurter" in str(outcome.cell.labels) for outcome in failed)
    assert "ValueError" in failed[0].reason
    assert holding(tmp_path, MARKER) == []
    assert MARKER not in caplog.text
    assert all(MARKER not in outcome.reason for outcome in outcomes)
    # No vector either: what was asked or released could be inverted.
    assert list(tmp_path.rglob("*.safetensors")) == []
    # The search would have found it: the guesses hold it, and were scored.
    gossip = next(o.result for o in done if "gossip" in str(o.cell.labels.get("attack")))
    assert gossip is not None
    assert (gossip.scores["token_recall"].value or 0) > 0


def test_ids_of_restricted_notes_are_pseudonyms(
    tmp_path: Path, noteevents: Path, nearest: Path
) -> None:
    measure(tmp_path, noteevents, nearest)
    tables = [pq.read_table(path) for path in tmp_path.rglob("*.parquet")]
    samples = [table for table in tables if "text_sha256" in table.column_names]
    rankings = [table for table in tables if "found" in table.column_names]
    assert samples
    assert rankings
    for table in samples:
        assert not {"text", "guess", "first", "last"} & set(table.column_names)
        for name in ("id", "document", "text_sha256"):
            assert all(len(value) == 32 for value in table.column(name).to_pylist())
    for table in rankings:
        assert all(len(value) == 32 for row in table.column("found").to_pylist() for value in row)
        assert all(len(value) == 32 for value in table.column("query").to_pylist())


def test_a_restricted_folder_takes_what_may_not_lie_elsewhere(
    tmp_path: Path, noteevents: Path, nearest: Path
) -> None:
    private = tmp_path / "private"
    outcomes = measure(
        tmp_path / "public",
        noteevents,
        nearest,
        restricted=RestrictedFolder(private, tmp_path / "public" / "results"),
    )
    assert any(outcome.status == "done" for outcome in outcomes)
    assert holding(tmp_path / "public", MARKER) == []
    assert any(name.endswith("samples.parquet") for name in holding(private, MARKER))
    assert list((private / "vectors").rglob("*.safetensors"))


def test_notes_go_through_run_with_the_columns_of_names(
    tmp_path: Path, noteevents: Path, nearest: Path
) -> None:
    done = run_process("run", "--dataset", f"mimic:{noteevents}", "--embedder", "hashed",
                       "--attack", "nearest", "--n-texts", 40, "--checkpoints", nearest,
                       "--device", "cpu", "--json", "-o", tmp_path / "results",
                       cache=tmp_path / "cache")  # fmt: skip
    assert done.status == 0, done.err
    assert MARKER not in done.out + done.err
    rows = {row["attack"].partition(":")[0]: row for row in json.loads(done.out)}
    for attack in ("silent", "nearest"):
        row = rows[attack]
        assert row["n_texts"] == 40
        assert row["names_first"] == row["names_last"] == row["names_full"] == 0
        assert "known-item" in row["flags"].split()
        assert 0 < row["ndcg_at_10"] < 1
        assert row["n_queries"] > 100
    assert holding(tmp_path, MARKER) == []
