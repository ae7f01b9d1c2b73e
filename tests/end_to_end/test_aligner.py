"""An attack on a space without an inverter, from training to the table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from end_to_end.commands import Finished, Invoke, refused

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
    # 400 texts: 20 are held back and 76 set aside.
    pairs = {name: row["pairs"] for name, row in rows.items()}
    assert pairs == {"silent": "", "nearest": "", "prior": "304", "aligner": "304"}


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


@pytest.fixture
def nearest(cache: Path, trained: None) -> Path:
    """A checkpoint of nearest for hashed."""
    return next((cache / "checkpoints").glob("nearest-*"))


class TestBadInput:
    def run(self, invoke: Invoke, folder: Path, attack: str, *more: object) -> Finished:
        return invoke("run", "--dataset", f"beir:{folder}", "--device", "cpu", "--attack", attack,
                      *more)  # fmt: skip

    def test_an_attack_of_another_space_is_told_to_put_an_aligner_between(
        self, invoke: Invoke, beir_folder: Path, nearest: Path, tmp_path: Path
    ) -> None:
        done = self.run(invoke, beir_folder, f'nearest:checkpoint="{nearest}"', "--embedder",
                        TARGET, "-o", tmp_path / "out")  # fmt: skip
        refused(done, "another space", "put an aligner between")

    def test_a_checkpoint_of_another_attack_is_refused(
        self, invoke: Invoke, beir_folder: Path, nearest: Path, tmp_path: Path
    ) -> None:
        attack = f'aligner:linear,target=hashed,inverter=[nearest],checkpoint="{nearest}"'
        done = self.run(invoke, beir_folder, attack, "--embedder", "hashed", "-o", tmp_path / "out")
        refused(done, "a checkpoint of 'nearest', not of 'aligner'")

    def test_more_pairs_than_texts_are_refused(
        self, invoke: Invoke, texts_file: Path, tmp_path: Path
    ) -> None:
        done = invoke("train", f"aligner:linear,target=[{TARGET}],pairs=305", "--texts", texts_file,
                      "--embedder", "hashed", "--device", "cpu", "-o", tmp_path / "a")  # fmt: skip
        refused(done, "pairs=305 are more than the 304 texts", "or pairs=304")
        assert not (tmp_path / "a").exists()

    def test_one_text_alone_is_attacked_without_an_interval(
        self, invoke: Invoke, beir_folder: Path, texts_file: Path, nearest: Path, tmp_path: Path
    ) -> None:
        attack = "aligner:procrustes,target=hashed"
        done = invoke("train", attack, "--texts", texts_file, "--embedder", "hashed", "--device",
                      "cpu", "-o", tmp_path / "a")  # fmt: skip
        assert done.status == 0, done.err
        done = self.run(invoke, beir_folder, f"{attack},inverter=[nearest]", "--embedder", "hashed",
                        "--n-texts", 1, "--checkpoints", tmp_path, "--trace", "-o",
                        tmp_path / "out")  # fmt: skip
        assert done.status == 0, done.err
        with (tmp_path / "out" / "leaderboard.csv").open() as file:
            rows = {row["attack"].partition(":")[0]: row for row in csv.DictReader(file)}
        assert (rows["aligner"]["n_texts"], rows["aligner"]["bleu_lo"]) == ("1", "")
        assert list((tmp_path / "out").glob("cells/*/traces.parquet"))


def test_training_with_a_parameter_of_run_is_refused(invoke: Invoke, texts_file: Path) -> None:
    refused(invoke("train", SPELLED, "--texts", texts_file), "inverter is for run")
