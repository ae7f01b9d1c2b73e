"""Bad input ends with one line that says what was wrong, status 2, and no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from end_to_end.commands import Finished, Invoke, command, environment, refused, write_beir

DOCUMENT = {"_id": "d1", "title": "", "text": "a red door"}
QUERY = {"_id": "q1", "text": "door"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--attack", "nearst"], "did you mean 'nearest'"),
        (["--defense", "noyse:0.1"], "did you mean 'noise'"),
        (["--embedder", "hashd"], "did you mean 'hashed'"),
        (["--dataset", "dmeo"], "did you mean 'demo"),
        (["--dataset", "beir:/no/such/folder"], "/no/such/folder"),
        (["--threat", "omniscient"], "no threat is called 'omniscient'"),
        (["--defense", "noise:-1"], "sigma"),
        (["--defense", "noise:nan"], "sigma"),
        (["--defense", "noise:inf"], "sigma"),
        (["--defense", "noise:loud"], "sigma must be a number, got 'loud'"),
        (["--defense", "noise"], "needs a value for 'sigma'"),
        (["--defense", "noise:sgima=1"], "did you mean 'sigma'"),
        (["--defense", "noise:0.1,on=both,"], "expected key=value"),
        (["--defense", "noise:0.1+"], "a component name"),
        (["--attack", "bow+bow"], "only defenses can be joined"),
        (["--attack", "vec2text:steps=-1"], "steps"),
        (["--attack", "vec2text:steps=many"], "a whole number"),
        (["--device", "gpu"], "no device is called 'gpu'"),
        (["--device", "cuda:99"], "not available"),
        (["--batch-size", "0"], "positive whole number"),
        (["--max-tokens", "0"], "max-tokens"),
        (["--max-tokens", "100000"], "100000"),
        (["--n-texts", "0"], "n-texts"),
        (["--track", "whole"], "'cut', 'chunks'"),
        (["--no-such-option"], "No such option"),
        (["--seed", "-1"], "seed"),
        (["--attack", "nearest:checkpoint=/no/such/checkpoint"], "/no/such/checkpoint"),
        (["--config", "/no/such/file"], "/no/such/file"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_as_asked_is_refused_in_one_line(
    invoke: Invoke, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    base = ["run", "--dataset", "demo-nq", "--embedder", "hashed", "--device", "cpu",
            "--attack", "nearest", "-o", tmp_path / "out"]  # fmt: skip
    refused(invoke(*base, *arguments), expected)
    assert not (tmp_path / "out").exists()


def test_a_missing_checkpoint_is_answered_with_the_train_line(
    invoke: Invoke, beir_folder: Path, tmp_path: Path
) -> None:
    done = invoke("run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed:48", "--attack",
                  "bow", "-o", tmp_path / "out")  # fmt: skip
    for attack in ("bow", "nearest"):
        line = f"v2t-bench train {attack} --texts FILE --embedder hashed:48 --max-tokens 32"
        refused(done, line)


def test_a_cache_that_cannot_be_a_folder_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["run", "--dataset", "demo-nq", "--embedder", "hashed", "--attack", "silent"]
    refused(invoke(*words, "--cache", tmp_path / "file" / "cache"), "cache folder", "--cache")


def test_two_folders_of_one_name_are_refused(invoke: Invoke, tmp_path: Path) -> None:
    words: list[object] = [
        "run",
        "--embedder",
        "hashed",
        "--attack",
        "silent",
        "-o",
        tmp_path / "o",
    ]
    for number in ("1", "2"):
        document = {"_id": "d1", "title": "", "text": f"door {number}"}
        folder = write_beir(tmp_path / number / "same", [document], [QUERY], [("q1", "d1", 1)])
        words += ["--dataset", f"beir:{folder}"]
    refused(invoke(*words), "beir:same")


def test_the_environment_gives_options_by_their_names(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2T_BENCH_RUN_DEFENSE", "noise:loud")
    refused(invoke("run", "--embedder", "hashed", "-o", tmp_path / "o"), "sigma must be a number")


class TestAFolder:
    """Faults in a collection, each named by file and line."""

    def run(self, invoke: Invoke, folder: Path, out: Path) -> Finished:
        return invoke("run", "--dataset", f"beir:{folder}", "--embedder", "hashed", "--attack",
                      "silent", "--device", "cpu", "-o", out)  # fmt: skip

    def test_without_documents_is_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        folder = write_beir(tmp_path / "c", [], [QUERY], [("q1", "d1", 1)])
        refused(self.run(invoke, folder, tmp_path / "out"), "corpus.jsonl")

    def test_with_a_document_twice_is_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        folder = write_beir(tmp_path / "c", [DOCUMENT, DOCUMENT], [QUERY], [("q1", "d1", 1)])
        refused(self.run(invoke, folder, tmp_path / "out"), "corpus.jsonl", "2", "'d1'")

    def test_with_a_malformed_line_is_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        folder = write_beir(tmp_path / "c", [DOCUMENT], [QUERY], [("q1", "d1", 1)])
        with (folder / "corpus.jsonl").open("a") as stream:
            stream.write('{"_id": "d2", "text": \n')
        refused(self.run(invoke, folder, tmp_path / "out"), "corpus.jsonl:2")

    def test_without_judgements_is_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        folder = write_beir(tmp_path / "c", [DOCUMENT], [QUERY], [])
        refused(self.run(invoke, folder, tmp_path / "out"), "test.tsv")


@pytest.mark.usefixtures("trained")
class TestOddTexts:
    def test_blank_texts_unjudged_queries_and_unknown_documents_are_told_and_survived(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        folder = write_beir(
            tmp_path / "c",
            [DOCUMENT, {"_id": "d2", "title": "", "text": ""},
             {"_id": "d3", "title": " ", "text": "   "},
             {"_id": "d4", "title": "", "text": "two maps of Rome"}],
            [QUERY, {"_id": "q2", "text": "maps"}, {"_id": "q3", "text": "unjudged"}],
            [("q1", "d1", 1), ("q2", "d4", 1), ("q2", "nowhere", 1)],
        )  # fmt: skip
        done = invoke("run", "--dataset", f"beir:{folder}", "--embedder", "hashed", "--attack",
                      "nearest", "--device", "cpu", "--json", "-o", tmp_path / "out")  # fmt: skip
        assert done.status == 0, done.err
        rows = {row["attack"].partition(":")[0]: row for row in json.loads(done.out)}
        # Two of four documents hold text; the unjudged query is left out, the others count.
        assert (rows["nearest"]["n_texts"], rows["nearest"]["n_queries"]) == (2, 2)
        assert "blank documents, ranked but never attacked: 2" in done.err
        assert "judgements of documents that are not in the corpus" in done.err


@pytest.mark.usefixtures("trained")
class TestLabels:
    def rows(self, invoke: Invoke, tmp_path: Path, labels: list[str]) -> tuple[Finished, list[Any]]:
        documents: list[dict[str, Any]] = [
            {"_id": f"d{i}", "title": "", "text": f"{label} door number {i} of a house",
             "metadata": {"label": label}} for i, label in enumerate(labels)
        ]  # fmt: skip
        folder = write_beir(tmp_path / "c", documents, [QUERY], [("q1", "d1", 1)])
        done = invoke("run", "--dataset", f"beir:{folder}", "--embedder", "hashed", "--attack",
                      "nearest", "--device", "cpu", "--json", "-o", tmp_path / "out")  # fmt: skip
        assert done.status == 0, done.err
        return done, json.loads(done.out)

    def test_of_one_class_are_told_of_and_none_is_inferred(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        done, rows = self.rows(invoke, tmp_path, ["red"] * 12)
        assert "all 12 labels are the same, so none is inferred" in done.err
        assert {row["label_from_vector"] for row in rows} == {None}

    def test_one_of_which_is_alone_are_inferred_all_the_same(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        _, rows = self.rows(invoke, tmp_path, ["blue"] + ["red"] * 11)
        # The one is never both learned and asked for.
        assert {row["label_by_majority"] for row in rows} == {11 / 12}

    def test_fewer_than_folds_are_not_inferred(self, invoke: Invoke, tmp_path: Path) -> None:
        _, rows = self.rows(invoke, tmp_path, ["red", "blue"])
        assert {row["n_texts"] for row in rows} == {2}
        assert {row["label_from_vector"] for row in rows} == {None}


class TestACheckpoint:
    @pytest.fixture
    def bow(self, trained: None, cache: Path, tmp_path: Path) -> Path:
        source = next((cache / "checkpoints").glob("bow-*"))
        return Path(shutil.copytree(source, tmp_path / "bow"))

    def run(self, invoke: Invoke, folder: Path, checkpoint: Path, embedder: str) -> Finished:
        return invoke("run", "--dataset", f"beir:{folder}", "--embedder", embedder, "--device",
                      "cpu", "--attack", f"bow:checkpoint={checkpoint}", "-o",
                      checkpoint.parent / "out")  # fmt: skip

    def test_that_is_truncated_is_refused(
        self, invoke: Invoke, beir_folder: Path, bow: Path
    ) -> None:
        weights = next(p for p in bow.glob("*.safetensors") if p.name != "mean.safetensors")
        weights.write_bytes(weights.read_bytes()[:-10])
        refused(self.run(invoke, beir_folder, bow, "hashed"), weights.name, "truncated")

    def test_of_another_space_is_refused_with_the_difference(
        self, invoke: Invoke, beir_folder: Path, bow: Path
    ) -> None:
        refused(self.run(invoke, beir_folder, bow, "hashed:32"), "another space", "weights")

    def test_of_another_attack_is_refused(
        self, invoke: Invoke, beir_folder: Path, bow: Path
    ) -> None:
        done = invoke("run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--attack",
                      f"nearest:checkpoint={bow}", "-o", bow.parent / "out")  # fmt: skip
        refused(done, "'bow'", "'nearest'")

    @pytest.mark.parametrize(
        "attack", ["gpt2", "search", "vec2text", "aligner:linear,target=hashed:48,inverter=silent"]
    )
    def test_of_another_attack_is_refused_by_each(
        self, invoke: Invoke, bow: Path, attack: str
    ) -> None:
        name, _, values = attack.partition(":")
        given = ",".join(filter(None, [values, f"checkpoint={bow}"]))
        vectors = bow.parent / "vectors.npy"
        np.save(vectors, np.ones((1, 64), np.float32))
        done = invoke("invert", "--vectors", vectors, "--embedder", "hashed", "--device", "cpu",
                      "--attack", f"{name}:{given}")  # fmt: skip
        refused(done, f"is a checkpoint of 'bow', not of '{name}'")


@pytest.mark.usefixtures("trained")
class TestTheResultsFolder:
    def words(self, folder: Path, out: Path) -> list[object]:
        return ["run", "--dataset", f"beir:{folder}", "--embedder", "hashed", "--device", "cpu",
                "--attack", "nearest", "-o", out]  # fmt: skip

    def test_that_cannot_be_written_is_refused(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        # A file where a folder must be: permission bits do not stop every user.
        (tmp_path / "file").write_text("")
        refused(invoke(*self.words(beir_folder, tmp_path / "file" / "out")), "cannot be written")

    def test_that_another_run_holds_is_refused(
        self, invoke: Invoke, beir_folder: Path, tmp_path: Path
    ) -> None:
        hold = (
            "import sys; from pathlib import Path; from v2t_bench.store import Store\n"
            "with Store(Path(sys.argv[1])).lock(): print('held', flush=True); sys.stdin.read()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", hold, str(tmp_path)], env=environment(tmp_path),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            refused(invoke(*self.words(beir_folder, tmp_path)), "another run")
        finally:
            holder.communicate("")
        assert invoke(*self.words(beir_folder, tmp_path)).status == 0


@pytest.mark.usefixtures("trained")
def test_an_interrupted_run_ends_with_130_and_can_be_resumed(
    invoke: Invoke, beir_folder: Path, tmp_path: Path, cache: Path
) -> None:
    import signal

    words = ["run", "--dataset", f"beir:{beir_folder}", "--embedder", "hashed", "--device", "cpu",
             "--attack", "bow", "--defense", "noise:0.3", "-o", tmp_path]  # fmt: skip
    process = subprocess.Popen(
        command(*words), env=environment(cache), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/"):
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    assert "interrupted; run the same command again" in rest
    assert "Traceback" not in rest
    done = invoke(*words)
    assert done.status == 0
    assert " stored" in done.err


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "no text"), (b"\n \n", "no text"), (b"caf\xe9\n", ":1"), (b"one\n", "too few")],
)
def test_training_texts_that_cannot_be_used_are_refused(
    invoke: Invoke, tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    done = invoke("train", "nearest", "--texts", tmp_path / "t.txt", "--embedder", "hashed",
                  "-o", tmp_path / "made")  # fmt: skip
    refused(done, expected)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "attack",
    ["bow", "nearest", "gpt2", "search", "vec2text", "aligner:mlp,target=hashed:48"],
)
def test_an_unknown_option_is_refused_and_leaves_nothing(
    invoke: Invoke, texts_file: Path, tmp_path: Path, attack: str
) -> None:
    done = invoke("train", attack, "--texts", texts_file, "--embedder", "hashed", "--option",
                  "nosuch=1", "--device", "cpu", "-o", tmp_path / "made")  # fmt: skip
    refused(done, "no option 'nosuch'")
    assert list(tmp_path.iterdir()) == []


def test_a_language_model_without_a_tokenizer_is_refused_and_leaves_nothing(
    invoke: Invoke, texts_file: Path, tmp_path: Path
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = GPT2Config(vocab_size=20, n_positions=16, n_embd=8, n_layer=1, n_head=1,
                       bos_token_id=0, eos_token_id=0)  # fmt: skip
    GPT2LMHeadModel(shape).save_pretrained(tmp_path / "lm")
    done = invoke("train", "gpt2", "--texts", texts_file, "--embedder", "hashed", "--option",
                  f"lm={tmp_path / 'lm'}", "--device", "cpu", "-o", tmp_path / "made")  # fmt: skip
    refused(done, "lm is a causal language model without a tokenizer", "tokenizer.json")
    assert [path.name for path in tmp_path.iterdir()] == ["lm"]


def test_fewer_texts_than_pairs_are_refused_and_leave_nothing(
    invoke: Invoke, texts_file: Path, tmp_path: Path
) -> None:
    done = invoke("train", "aligner:linear,target=hashed:48,pairs=9999", "--texts", texts_file,
                  "--embedder", "hashed", "--device", "cpu", "-o", tmp_path / "made")  # fmt: skip
    refused(done, "pairs=9999 are more than the 304 texts that are not set aside")
    assert list(tmp_path.iterdir()) == []


def test_an_attack_that_learns_nothing_is_not_trained(
    invoke: Invoke, texts_file: Path, tmp_path: Path
) -> None:
    refused(
        invoke("train", "silent", "--texts", texts_file, "--embedder", "hashed", "-o",
               tmp_path / "made"),
        "needs no training",
    )  # fmt: skip
