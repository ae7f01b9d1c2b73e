"""An attack on a space without an inverter, from training to the table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from end_to_end.commands import Invoke, refused

TARGET = "hashed:dim=48"
SPELLED = f"aligner:linear,target=[{TARGET}],inverter=[nearest]"


def test_a_transfer_is_trained_and_run(
    invoke: Invoke, beir_folder: Path, texts_file: Path, tmp_path: Path, trained: None
) -> None:
    run = ["run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device", "cpu",
           "--n-texts", 5, "--attack", SPELLED, "-o", tmp_path / "results",
           "--checkpoints", tmp_path]  # fmt: skip
    # First what is nested, then what it is nested in.
    needed = ((TARGET, "nearest"), ("hashed", f"aligner:method=linear,target=[{TARGET}]"))
    for embedder, attack in needed:
        refused(invoke(*run), f"--embedder {embedder} --max-tokens 32", attack)
        done = invoke("train", attack, "--texts", texts_file, "--embedder", embedder, "--device",
                      "cpu", "-o", tmp_path / attack[:7])  # fmt: skip
        assert done.status == 0, done.err
    done = invoke(*run)
    assert done.status == 0, done.err
    with (tmp_path / "results" / "leaderboard.csv").open() as file:
        rows = {row["attack"].partition(":")[0]: row for row in csv.DictReader(file)}
    assert set(rows) == {"silent", "nearest", "prior", "aligner"}
    assert rows["aligner"]["attack"].count("checkpoint=") == 2
    assert float(rows["aligner"]["token_f1"]) > float(rows["prior"]["token_f1"])
    assert rows["aligner"]["bleu_norm_prior"] == rows["prior"]["bleu_norm"]


@pytest.mark.slow
def test_on_the_demo_all_that_it_needs_is_trained_on_the_spot(
    invoke: Invoke, tmp_path: Path
) -> None:
    done = invoke("run", "--dataset", "demo-nq", "--embedder", "hashed", "--device", "cpu",
                  "--n-texts", 5, "--attack", SPELLED, "-o", tmp_path / "results")  # fmt: skip
    assert done.status == 0, done.err
    with (tmp_path / "results" / "leaderboard.csv").open() as file:
        rows = {row["attack"].partition(":")[0]: row for row in csv.DictReader(file)}
    assert float(rows["aligner"]["token_f1"]) > float(rows["prior"]["token_f1"])


def test_training_with_a_parameter_of_run_is_refused(invoke: Invoke, texts_file: Path) -> None:
    refused(invoke("train", SPELLED, "--texts", texts_file), "inverter is for run")
