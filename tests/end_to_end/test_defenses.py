"""Defenses and the attackers who know them, through the command line on one small collection."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from end_to_end.commands import (
    ROOT,
    Finished,
    Invoke,
    environment,
    refused,
    train_tiny,
    write_beir,
)

HEX = "00112233445566778899aabbccddeeff" * 2
PAIRS = "adaptive:align,pairs=1024"

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,300 short documents, and forty queries that are the beginnings of some."""
    from v2t_bench.corpora.demo import demo_training_texts

    texts = demo_training_texts()[6000:7300]
    documents = [{"_id": f"d{row}", "title": "", "text": text} for row, text in enumerate(texts)]
    asked = {f"q{row}": " ".join(texts[row].split()[:6]) for row in range(40)}
    return write_beir(
        tmp_path_factory.mktemp("beir") / "many",
        documents,
        [{"_id": query, "text": text} for query, text in asked.items()],
        [(query, f"d{query[1:]}", 1) for query in asked],
    )


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand other texts: the embedder is fitted on them and attackers have them."""
    from v2t_bench.corpora.demo import demo_training_texts

    path = tmp_path_factory.mktemp("public") / "public.txt"
    path.write_text("\n".join(demo_training_texts()[:3000]) + "\n")
    return path


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this module's own: other tests count the checkpoints in theirs."""
    return tmp_path_factory.mktemp("cache-of-defenses")


@pytest.fixture
def ask(invoke: Invoke, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """The command line with that cache."""
    monkeypatch.setenv("V2T_BENCH_CACHE", str(own_cache))
    return invoke


@pytest.fixture(scope="module")
def embedder(public: Path, own_cache: Path) -> str:
    """LSA in 256 dimensions, with attacks trained for it."""
    spelled = f"lsa:{public}"
    for attack, steps in (("nearest", 30), ("bow", 150)):
        train_tiny(attack, public, spelled, "--no-ngrams", steps=steps, cache=own_cache)
    return spelled


def grid(many: Path, embedder: str, out: Path, *more: object) -> list[object]:
    return ["run", "--dataset", f"beir:{many}", "--embedder", embedder, "--device", "cpu",
            "--attack", "nearest", "--n-texts", 120, "-o", out, *more]  # fmt: skip


def rows_of(out: Path, **wanted: str) -> Rows:
    with (out / "leaderboard.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row for row in rows if all(row[name].startswith(wanted[name]) for name in wanted)]


def one(out: Path, **wanted: str) -> dict[str, str]:
    (row,) = rows_of(out, attack="nearest", **wanted)
    return row


def ended_well(done: Finished) -> Finished:
    assert done.status == 0, done.err
    return done


def test_secret_maps_fall_to_pairs_and_keep_the_ranking(
    ask: Invoke, many: Path, embedder: str, tmp_path: Path
) -> None:
    ended_well(
        ask(*grid(many, embedder, tmp_path, "--defense", "rotate", "--defense", "permute",
                     "--defense", "scale", "--threat", "oblivious", "--threat", PAIRS))
    )  # fmt: skip
    clean = one(tmp_path, defense="none", threat="oblivious")
    for defense in ("rotate", "permute", "scale"):
        broken = one(tmp_path, defense=defense, threat="adaptive:align")
        assert float(broken["bleu_norm"]) >= 0.9 * float(clean["bleu_norm"]) > 5
        assert float(broken["adapted_cosine"]) > 0.999
        assert (broken["pairs"], broken["oracle_texts"]) == ("1024", "1024")
        assert float(broken["ndcg_at_10"]) == pytest.approx(float(clean["ndcg_at_10"]), abs=1e-6)
        assert broken["ranking_kept"] == "true"
    turned = one(tmp_path, defense="rotate", threat="oblivious")
    assert float(turned["bleu_norm"]) < 0.7 * float(clean["bleu_norm"])


def test_the_worst_attacker_is_chosen_on_other_texts_than_it_is_reported_on(
    ask: Invoke, many: Path, embedder: str, public: Path, tmp_path: Path
) -> None:
    done = ended_well(
        ask(*grid(many, embedder, tmp_path, "--attack", "bow", "--defense", "rotate",
                     "--threat", "worst", "--public", public))
    )  # fmt: skip
    assert "the attacker cannot release vectors as the owner does without the key" in done.err
    worst = {row["defense"].partition(":")[0]: row for row in rows_of(tmp_path, threat="worst")}
    assert set(worst) == {"none", "rotate"}
    assert {row["n_texts"] for row in worst.values()} == {"60"}
    assert "by:adaptive:align" in worst["rotate"]["flags"]
    assert worst["rotate"]["pairs"] == "1024"
    cell = tmp_path / "cells" / worst["rotate"]["cell_id"] / "samples.parquet"
    means = pq.read_table(cell).column("bleu_norm").to_numpy()
    # Both halves make up the whole that its own row reports.
    (whole,) = (r for r in rows_of(tmp_path) if r["cell_id"] == worst["rotate"]["cell_id"]
                and r["threat"] != "worst")  # fmt: skip
    assert float(whole["bleu_norm"]) == pytest.approx(means.mean(), abs=1e-5)
    assert worst["rotate"]["bleu_norm"] != whole["bleu_norm"]
    again = (tmp_path / "leaderboard.csv").read_bytes()
    ended_well(ask("score", tmp_path))
    assert (tmp_path / "leaderboard.csv").read_bytes() == again


def test_what_knowing_gains_is_told_text_by_text(
    ask: Invoke, many: Path, embedder: str, tmp_path: Path
) -> None:
    ended_well(
        ask(*grid(many, embedder, tmp_path, "--defense", "rotate", "--threat", "oblivious",
                     "--threat", PAIRS))
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.paired_threats", str(tmp_path)],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "`rotate`" in line]
    gained = re.search(r"adaptive:align, P=1024 \| 120 \| \+([0-9.]+) \[([0-9.]+), ", line)
    assert gained is not None
    before, after = (
        float(one(tmp_path, defense="rotate", threat=threat)["bleu_norm"])
        for threat in ("oblivious", "adaptive:align")
    )
    assert float(gained[1]) == pytest.approx(after - before, abs=0.006)
    assert float(gained[2]) > 0


def test_a_service_with_the_defense_in_front_is_another_cell(
    ask: Invoke, many: Path, embedder: str, tmp_path: Path
) -> None:
    ended_well(
        ask(*grid(many, embedder, tmp_path, "--defense", "noise:0.1", "--threat", "oblivious",
                     "--threat", "oblivious:oracle=protected"))
    )  # fmt: skip
    assert (
        one(tmp_path, defense="noise", oracle="clean")["cell_id"]
        != (one(tmp_path, defense="noise", oracle="protected")["cell_id"])
    )
    assert rows_of(tmp_path, defense="none", oracle="protected") == []


def test_public_texts_that_are_attacked_are_left_out(
    ask: Invoke, many: Path, embedder: str, public: Path, tmp_path: Path
) -> None:
    records = (many / "corpus.jsonl").read_text().splitlines()
    both = tmp_path / "both.txt"
    texts = [json.loads(record)["text"] for record in records]
    both.write_text(public.read_text() + "\n".join(texts) + "\n")
    done = ended_well(
        ask(*grid(many, embedder, tmp_path / "out", "--defense", "noise:0.05",
                  "--threat", "adaptive:denoise", "--public", both))
    )  # fmt: skip
    (told,) = [line for line in done.err.splitlines() if "public texts are attacked" in line]
    # Of 120 attacked texts; one may say what another does.
    assert 100 < int(told.split()[0]) <= 120


def test_an_opaque_defense_has_a_row_without_a_score(
    ask: Invoke, many: Path, embedder: str, tmp_path: Path
) -> None:
    done = ended_well(
        ask(*grid(many, embedder, tmp_path, "--defense", "opaque:ckks", "--threat", PAIRS))
    )
    (row,) = rows_of(tmp_path, defense="opaque")
    assert row["flags"] == "not-applicable-unless-key-leaks"
    assert {row[name] for name in ("bleu", "bleu_norm", "token_f1", "exact", "attack")} == {""}
    assert float(row["ndcg_kept"]) == 1
    assert row["bytes_per_vector"] == ""
    assert "not-applicable" in done.out


def test_no_key_material_reaches_the_results(
    ask: Invoke, many: Path, embedder: str, tmp_path: Path
) -> None:
    key, out = tmp_path / "owner.key", tmp_path / "out"
    key.write_text(HEX + "\n")
    done = ended_well(
        ask(*grid(many, embedder, out, "--defense", f"rotate:key={key}",
                     "--defense", f"pca:64+dcpe:1,key={key}", "--threat", PAIRS))
    )  # fmt: skip
    secrets = [HEX.encode(), HEX.upper().encode(), bytes.fromhex(HEX)]
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) > 10
    for content in [done.out.encode(), done.err.encode(), *(path.read_bytes() for path in files)]:
        assert not any(secret in content for secret in secrets)
    assert rows_of(out, defense='rotate:key="owner.key@')
    assert rows_of(out, defense="pca:k=64+dcpe:beta=1,key=")
    first = {row["cell_id"] for row in rows_of(out, defense="rotate")}
    key.write_text(HEX[::-1])
    ended_well(ask(*grid(many, embedder, out, "--defense", f"rotate:key={key}")))
    assert len({row["cell_id"] for row in rows_of(out, defense="rotate")} - first) == 1


def test_a_retrained_attack_is_found_by_its_defense_and_else_asked_for(
    ask: Invoke, many: Path, embedder: str, public: Path, tmp_path: Path
) -> None:
    run = grid(many, embedder, tmp_path / "out", "--attack", "bow", "--defense", "quantize:binary",
               "--threat", "adaptive:retrain")  # fmt: skip
    done = ask(*run)
    refused(done, "train first", "v2t-bench train bow", "--defense quantize:code=binary")
    train = ["train", "--texts", public, "--embedder", embedder, "--steps", 30, "--size", "tiny",
             "--device", "cpu", "--no-ngrams", "--defense", "quantize:binary"]  # fmt: skip
    for attack in ("bow", "nearest"):
        ended_well(ask(*train, attack))
    ended_well(ask(*run))
    (row,) = rows_of(tmp_path / "out", attack="bow", threat="adaptive:retrain")
    assert "trained-against:quantize:code=binary" in row["flags"]
    assert row["headroom"] != ""


def test_a_keyed_defense_is_retrained_against_through_the_owners_service(
    ask: Invoke, many: Path, embedder: str, public: Path, tmp_path: Path
) -> None:
    threat = "adaptive:retrain,oracle=protected"
    run = ["run", "--dataset", f"beir:{many}", "--embedder", embedder, "--device", "cpu",
           "--attack", "bow", "--n-texts", 60, "--defense", "rotate", "-o", tmp_path / "out",
           "--threat", threat]  # fmt: skip
    refused(ask(*run), "--defense rotate --owner-seed 0")
    ended_well(
        ask("train", "bow", "--texts", public, "--embedder", embedder, "--steps", 30, "--size",
               "tiny", "--device", "cpu", "--no-ngrams", "--defense", "rotate",
               "--owner-seed", 0)
    )  # fmt: skip
    ended_well(ask(*run))
    (row,) = rows_of(tmp_path / "out", attack="bow", threat="adaptive:retrain")
    assert row["oracle"] == "protected"
    # Another owner has another rotation, and nothing was trained against that.
    refused(ask(*run, "--seed", 1), "--owner-seed 1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--threat", "adaptive:align,pairs=4"], "0 or at least 8"),
        (["--threat", "adaptive:align"], "needs pairs=P"),
        (["--threat", "adaptive:guess"], "known: oblivious, adaptive:denoise"),
        (["--threat", "oblivious:oracle=open"], "oracle=clean|protected"),
        (["--threat", "adaptive:denoise"], "--public FILE"),
        (["--public", "/no/such/file"], "/no/such/file"),
        (["--defense", "pca:65"], "64"),
        (["--defense", "truncate:0"], "k is 0"),
        (["--defense", "pca:8+pca:65"], "pca"),
        (["--defense", "quantize:int3"], "int8, int4, binary"),
        (["--defense", "vmf:-1"], "epsilon is -1"),
        (["--defense", "laplace:0"], "epsilon is 0"),
        (["--defense", "pca:8+vmf:100"], "put normalize before it"),
        (["--defense", "quantize:binary+noise:0.1"], "put it last"),
        (["--defense", "dcpe:1+quantize:binary"], "leave one of them out"),
        (["--defense", "normalize+normalize"], "give it once"),
        (["--defense", "opaque:ckks+noise:1"], "nothing can be computed"),
        (["--defense", "none+noise:1"], "leave 'none' out"),
        (["--defense", "rotate:key=/no/such/key"], "key file /no/such/key cannot be read"),
        (["--defense", "rotate:key=[none]"], "a key file"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("trained")
def test_what_makes_no_sense_is_refused_before_anything_runs(
    invoke: Invoke, beir_folder: Path, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    base = ["run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device", "cpu",
            "--attack", "nearest", "-o", tmp_path / "out"]  # fmt: skip
    refused(invoke(*base, *arguments), expected)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("trained")
def test_a_fit_on_fewer_vectors_than_components_fails_its_cells_alone(
    invoke: Invoke, beir_folder: Path, tmp_path: Path
) -> None:
    done = invoke("run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device",
                  "cpu", "--attack", "nearest", "--defense", "pca:50", "--defense", "pca:8",
                  "-o", tmp_path)  # fmt: skip
    assert done.status == 1
    assert "pca is to be fitted to 40 vectors and needs at least 50" in done.err
    assert "Traceback" not in done.err
    assert rows_of(tmp_path, defense="pca:k=8")
    failures = [json.loads(path.read_text()) for path in tmp_path.glob("cells/*/error.json")]
    assert len(failures) == 2
