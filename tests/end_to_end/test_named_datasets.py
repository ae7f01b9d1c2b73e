"""``run`` about collections that are opened by their names."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from beir_archive import beir_files
from end_to_end.commands import Finished, Invoke, refused

N = 40


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "leaderboard.csv").open() as file:
        return list(csv.DictReader(file))


def write(folder: Path, name: str) -> None:
    for path, text in beir_files(name, n=N).items():
        file = folder / path.partition("/")[2]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def run(invoke: Invoke, trained: None, tmp_path: Path) -> Invoke:
    def call(dataset: str) -> Finished:
        return invoke(
            "run", "--dataset", dataset, "--data-dir", tmp_path / "data", "--offline",
            "--embedder", "hashed", "--attack", "nearest", "--n-texts", 35, "--device", "cpu",
            "-o", tmp_path / "out",
        )  # fmt: skip

    return call


@pytest.mark.filterwarnings("ignore")  # the datasets package leaves files open
def test_nq_inverts_texts_of_the_hub_and_ranks_those_of_beir(run: Invoke, tmp_path: Path) -> None:
    write(tmp_path / "data" / "beir" / "nq", "nq")
    hub = tmp_path / "data" / "hub" / "jxm__nq_corpus_dpr"
    hub.mkdir(parents=True)
    lines = [json.dumps({"text": f"a passage of Wikipedia, the {i}th"}) for i in range(50)]
    (hub / "dev.jsonl").write_text("\n".join(lines) + "\n")
    done = run("nq")
    assert done.status == 0, done.err
    found = rows(tmp_path / "out")
    assert {row["corpus"] for row in found} == {"nq"}
    assert {row["n_queries"] for row in found} == {str(N)}
    assert {row["n_texts"] for row in found} == {"35"}


def test_a_stand_in_is_named_and_marked_in_every_row(run: Invoke, tmp_path: Path) -> None:
    write(tmp_path / "data" / "ir" / "nq", "nq")
    done = run("nq")
    assert done.status == 0, done.err
    found = rows(tmp_path / "out")
    assert found
    assert all(row["corpus"] == "nq-25k-local" for row in found)
    assert all({"stand-in", "not-rebuildable"} <= set(row["flags"].split()) for row in found)


@pytest.mark.parametrize("dataset", ["nq", "msmarco", "beir", "mimic", "beir:fiqa"])
def test_what_is_missing_offline_is_one_line(run: Invoke, dataset: str, tmp_path: Path) -> None:
    refused(run(dataset), f"{tmp_path / 'data'}", "there is no such ")
    assert not (tmp_path / "data").exists()
