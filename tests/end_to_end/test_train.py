"""Training against a defense, on long texts, and in several processes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from end_to_end.commands import Invoke, environment, refused
from v2t_bench.contracts import Secret
from v2t_bench.release import attacker_secret

NOISE = "noise:on=both,sigma=0.3"


def words(attack: str, texts: Path, out: Path, *more: object) -> list[object]:
    return ["train", attack, "--texts", texts, "--embedder", "hashed", "--size", "tiny", "--steps",
            3, "--device", "cpu", "-o", out, *more]  # fmt: skip


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "checkpoint.json").read_text())
    return found


@pytest.mark.parametrize(
    ("attack", "weights"),
    [
        ("nearest", "vectors.safetensors"),
        ("bow", "network.safetensors"),
        ("gpt2", "decoder.safetensors"),
        ("vec2text", "base.safetensors"),
    ],
)
def test_an_attack_trained_against_a_defense_is_another_and_says_so(
    invoke: Invoke, texts_file: Path, tmp_path: Path, attack: str, weights: str
) -> None:
    clean, defended = tmp_path / "clean", tmp_path / "defended"
    assert invoke(*words(attack, texts_file, clean)).status == 0
    done = invoke(*words(attack, texts_file, defended, "--defense", "noise:0.3"))
    assert done.status == 0, done.err
    for name in (weights, "mean.safetensors"):
        assert (clean / name).read_bytes() != (defended / name).read_bytes()
    assert (record(clean)["defense"], record(clean)["defense_seed"]) == ("", None)
    assert (record(defended)["defense"], record(defended)["defense_seed"]) == (NOISE, 0)
    assert f"released under `{NOISE}`" in (defended / "README.md").read_text()
    secrets = [attacker_secret(0).key, *(Secret.from_seed(seed).key for seed in range(10))]
    for file in tmp_path.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not any(key in content or key.hex().encode() in content for key in secrets)


def test_the_seed_of_the_attackers_secret_is_part_of_the_training(
    invoke: Invoke, texts_file: Path, tmp_path: Path
) -> None:
    for seed in (0, 1):
        out = tmp_path / str(seed)
        more = ["--defense", "noise:0.3+noise:0.1", "--defense-seed", seed]
        assert invoke(*words("bow", texts_file, out, *more)).status == 0
        assert record(out)["defense"] == f"{NOISE}+noise:on=both,sigma=0.1"
        assert record(out)["defense_seed"] == seed
    network = "network.safetensors"
    assert (tmp_path / "0" / network).read_bytes() != (tmp_path / "1" / network).read_bytes()


def test_a_row_of_an_attack_trained_against_a_defense_is_flagged(
    invoke: Invoke, beir_folder: Path, texts_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "defended"
    assert invoke(*words("nearest", texts_file, out, "--defense", "noise:0.3")).status == 0
    done = invoke("run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device",
                  "cpu", "--n-texts", 5, "--defense", "noise:0.3", "--attack",
                  f"nearest:checkpoint={out}", "-o", tmp_path / "results")  # fmt: skip
    assert done.status == 0, done.err
    with (tmp_path / "results" / "leaderboard.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["attack"].startswith("nearest")]
    assert rows
    assert all(f"trained-against:{NOISE}" in row["flags"].split() for row in rows)
    # So somebody who knows the defense has tried.
    defended = [row for row in rows if row["defense"] == NOISE]
    assert [(row["has_adaptive"], "oblivious-only" in row["flags"]) for row in defended] == [
        ("true", False)
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--defense", "noyse:0.3"], "did you mean 'noise'"),
        (["--defense", "noise:-1"], "sigma"),
        (["--defense", "noise:0.1+"], "a component name"),
        (["--defense", "none+noise:0.1"], "leave 'none' out"),
        (["--defense-seed", "-1"], "defense-seed"),
        (["--titles", "some"], "'with', 'without', 'half'"),
        (["--option", "accumulate=0"], "accumulate=0"),
        (["--option", "precision=int8"], "precision='int8'"),
        (["--option", "feedback=maybe"], "feedback='maybe'"),
        (["--option", "accumulate=200"], "cannot be divided into 200 parts"),
        (["--max-tokens", "100000"], "is more than this embedder reads"),
    ],
)
def test_what_cannot_be_trained_as_asked_is_refused_in_one_line(
    invoke: Invoke, texts_file: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    refused(invoke(*words("vec2text", texts_file, tmp_path / "out", *more)), message)
    assert not (tmp_path / "out").exists()


def test_an_environment_that_no_launcher_made_is_refused(
    invoke: Invoke, texts_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused(invoke(*words("bow", texts_file, tmp_path / "out")), "unset WORLD_SIZE")


@pytest.mark.parametrize("attack", ["bow", pytest.param("vec2text", marks=pytest.mark.slow)])
def test_long_texts_are_learned_and_those_that_are_cut_are_counted(
    invoke: Invoke, texts_file: Path, tmp_path: Path, attack: str
) -> None:
    vocabulary = texts_file.read_text().replace(".", " ").split()
    known = [word for word in vocabulary if word.isalpha()]  # one token each
    long = [" ".join(known[n : n + 250]) for n in range(35)]
    short = [" ".join(known[n : n + 190]) for n in range(300, 335)]
    path = tmp_path / "long.txt"
    path.write_text("\n".join([*long, *short]) + "\n")
    few = ["--option", "hypotheses=8"] if attack == "vec2text" else []
    done = invoke(*words(attack, path, tmp_path / "out", "--max-tokens", 200, *few))
    assert done.status == 0, done.err
    found = record(tmp_path / "out")
    assert found["max_tokens"] == 200
    assert (found["texts"]["given"], found["texts"]["cut"]) == (70, 35)
    if attack == "vec2text":
        assert found["recipe"]["max_length"] > 200
    assert "35 cut at 200 tokens" in (tmp_path / "out" / "README.md").read_text()


def test_how_titles_were_read_is_recorded(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [{"title": f"Title {n}", "text": f"a red door and {n} maps"} for n in range(80)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert invoke(*words("nearest", path, tmp_path / "out", "--titles", "half")).status == 0
    assert record(tmp_path / "out")["texts"]["titles"] == "half"
    assert "- Titles of records: half" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("attack", "options", "launcher"),
    [
        (
            "vec2text",
            ["precision=float32"],
            "torch.distributed.run --standalone --nproc-per-node 2",
        ),
        (
            # Some steps hold no correction, so what reads a guess's vector has no gradient.
            "vec2text",
            ["precision=float32", "shared=true", "lexical=none", "optimizer=muon"],
            "torch.distributed.run --standalone --nproc-per-node 2",
        ),
        (
            "bow",
            [],
            "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 "
            "--main_process_port 0 --mixed_precision no --dynamo_backend no",
        ),
    ],
)
def test_two_processes_train_what_one_trains(
    texts_file: Path,
    tmp_path: Path,
    cache: Path,
    attack: str,
    options: list[str],
    launcher: str,
) -> None:
    told = [word for option in options for word in ("--option", option)]
    for name, launch in (("one", []), ("two", ["-m", *launcher.split()])):
        more = words(attack, texts_file, tmp_path / name, *told)
        done = subprocess.run(
            [sys.executable, *launch, "-m", "v2t_bench", *map(str, more)],
            env=environment(cache / name),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(tmp_path / name)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    one, two = record(tmp_path / "one"), record(tmp_path / "two")
    assert (one["environment"]["processes"], two["environment"]["processes"]) == (1, 2)
    assert sorted(one["files"]) == sorted(two["files"])
    assert one["oracle_texts"] == two["oracle_texts"]
    alone, shared = ([row for row in r["curve"] if "loss" in row] for r in (one, two))
    assert [row["stage"] for row in alone] == [row["stage"] for row in shared]
    for row, other in zip(alone, shared, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=2e-3)
