"""``v2t-bench invert``: a text, a file of texts, or vectors, and text comes back."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from end_to_end.commands import Invoke, refused
from v2t_bench.contracts import Embedder

HASHED = ("--embedder", "hashed", "--device", "cpu")


@pytest.fixture(scope="session")
def known_texts(texts_file: Path) -> list[str]:
    """Three texts that ``nearest`` was trained on, of at most 32 tokens."""
    return texts_file.read_text().splitlines()[:3]


def cells(out: str) -> list[list[str]]:
    """Return the rows of a printed table, its header left out."""
    lines = [line for line in out.splitlines() if line[:1] == "│"]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


def test_an_output_that_is_no_file_is_left_alone(invoke: Invoke, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused(invoke("invert", "a red door", "--output", pipe, *HASHED), "is no file")
    assert pipe.is_fifo()


@pytest.mark.parametrize("scale", [0.0, 1e37, 1e-42])
def test_vectors_without_a_direction_are_refused(
    scale: float, invoke: Invoke, tmp_path: Path, trained: None
) -> None:
    path = tmp_path / "v.npy"
    np.save(path, np.full((2, 64), scale, np.float32))
    refused(invoke("invert", "--vectors", path, "--attack", "nearest", *HASHED), "row 1 has length")


@pytest.mark.usefixtures("trained")
class TestAText:
    def test_that_is_known_comes_back_with_its_scores(
        self, invoke: Invoke, known_texts: list[str]
    ) -> None:
        done = invoke("invert", known_texts[0], "--attack", "nearest", *HASHED)
        assert done.status == 0, done.err
        answer, scores = done.out.splitlines()
        assert answer == known_texts[0]
        assert scores == "cosine 1.000, BLEU 100.0, token F1 1.00, exact"

    def test_that_is_too_long_is_cut_and_compared_as_it_was_cut(self, invoke: Invoke) -> None:
        done = invoke("invert", "one two three four", "--attack", "silent", "--max-tokens", 3,
                      "--json", *HASHED)  # fmt: skip
        assert "1 of 1 texts are longer than 3 tokens and were cut" in done.err
        document = json.loads(done.out)
        assert document["n_cut"] == 1
        assert (document["answers"][0]["text"], document["answers"][0]["cut"]) == (
            "one two three", True,
        )  # fmt: skip

    def test_behind_enough_noise_is_no_longer_found(
        self, invoke: Invoke, known_texts: list[str]
    ) -> None:
        words = ("invert", known_texts[0], "--attack", "nearest", "--json", *HASHED)
        defended = json.loads(invoke(*words, "--defense", "noise:3", "--seed", 4).out)
        assert (defended["defense"], defended["defense_seed"]) == ("noise:on=both,sigma=3", 4)
        assert defended["answers"][0]["recovered"] != known_texts[0]
        again = json.loads(invoke(*words, "--defense", "noise:3", "--seed", 4).out)
        assert again == defended

    def test_is_not_kept_anywhere(
        self, invoke: Invoke, cache: Path, known_texts: list[str]
    ) -> None:
        before = sorted(cache.rglob("*"))
        assert invoke("invert", known_texts[0], "--attack", "nearest", *HASHED).status == 0
        assert sorted(cache.rglob("*")) == before


@pytest.mark.usefixtures("trained")
class TestAFile:
    def test_gives_one_answer_a_line_blank_and_repeated_ones_too(
        self, invoke: Invoke, tmp_path: Path, known_texts: list[str]
    ) -> None:
        one, two, _ = known_texts
        (tmp_path / "t.txt").write_text(f"{one}\n\n{two}\n{one}\n")
        done = invoke("invert", "--file", tmp_path / "t.txt", "--attack", "nearest", *HASHED)
        assert done.status == 0, done.err
        rows = cells(done.out)
        assert [row[0] for row in rows] == ["1", "2", "3", "4"]
        assert [row[1] for row in rows] == [one, "", two, one]
        assert [rows[line][2:] for line in (0, 2, 3)] == [
            [one, "1.000", "100.0"], [two, "1.000", "100.0"], [one, "1.000", "100.0"],
        ]  # fmt: skip

    def test_of_records_is_read_to_the_limit(self, invoke: Invoke, tmp_path: Path) -> None:
        records = [{"title": "A", "text": f"door {number}"} for number in range(3)]
        path = tmp_path / "t.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records) + "not JSON\n")
        done = invoke("invert", "--file", path, "--limit", 2, "--attack", "silent", "--json",
                      *HASHED)  # fmt: skip
        answers = json.loads(done.out)["answers"]
        assert [answer["text"] for answer in answers] == ["A door 0", "A door 1"]

    def test_may_hold_what_looks_like_markup(self, invoke: Invoke, tmp_path: Path) -> None:
        texts = ["[red]a[/red] :cat:", "[/] b"]
        (tmp_path / "t.txt").write_text("\n".join(texts))
        done = invoke("invert", "--file", tmp_path / "t.txt", "--attack", "silent", *HASHED)
        assert [row[1] for row in cells(done.out)] == texts

    def test_answers_are_written_to_the_output_too(
        self, invoke: Invoke, tmp_path: Path, known_texts: list[str]
    ) -> None:
        (tmp_path / "t.txt").write_text("\n".join(known_texts))
        (tmp_path / "out.json").write_text("old")
        words = ("invert", "--file", tmp_path / "t.txt", "--attack", "nearest", *HASHED)
        table = invoke(*words, "-o", tmp_path / "out.json").out
        assert cells(table)[2][2] == known_texts[2]
        assert (tmp_path / "out.json").read_text() == invoke(*words, "--json").out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "t.txt"]


def npy(path: Path, vectors: Any) -> Path:
    np.save(path, vectors)
    return path


@pytest.mark.usefixtures("trained")
class TestVectors:
    def test_of_every_format_come_back_as_the_texts_they_are_of(
        self, invoke: Invoke, tmp_path: Path, embedder: Embedder, known_texts: list[str]
    ) -> None:
        vectors = embedder.embed(known_texts, "document")
        npy(tmp_path / "v.npy", vectors.astype(np.float16))
        save_file({"v": vectors, "other": vectors[:1]}, tmp_path / "v.safetensors")
        table = pa.table({"id": [1, 2, 3], "v": pa.array(vectors.tolist(), pa.list_(pa.float32()))})
        pq.write_table(table, tmp_path / "v.parquet")
        for name, more in (
            ("v.npy", ()),
            ("v.safetensors", ("--column", "v")),
            ("v.parquet", ("--column", "v")),
        ):
            done = invoke("invert", "--vectors", tmp_path / name, *more, "--attack", "nearest",
                          *HASHED)  # fmt: skip
            assert done.status == 0, done.err
            assert cells(done.out) == [
                [str(number), text, "1.000"] for number, text in enumerate(known_texts, 1)
            ]

    def test_of_one_dimension_are_one_vector(
        self, invoke: Invoke, tmp_path: Path, embedder: Embedder, known_texts: list[str]
    ) -> None:
        path = npy(tmp_path / "v.npy", embedder.embed(known_texts, "document")[0] * 2)
        done = invoke("invert", "--vectors", path, "--attack", "nearest", *HASHED)
        assert done.out.splitlines() == [known_texts[0], "cosine 1.000"]
        assert "1 of 1 vectors are not of length 1" in done.err

    @pytest.mark.parametrize(
        ("vectors", "expected"),
        [
            (np.ones((2, 65), np.float32), ("65 dimensions", "hashed have 64")),
            (np.full((2, 64), np.nan, np.float32), ("NaN", "row 1")),
            (np.ones((0, 64), np.float32), ("holds no vectors",)),
            (np.ones((1, 2, 64), np.float32), ("3 dimensions",)),
            (np.array([[None]]), ("Python objects",)),
        ],
    )
    def test_that_cannot_be_used_are_refused(
        self, invoke: Invoke, tmp_path: Path, vectors: Any, expected: tuple[str, ...]
    ) -> None:
        path = npy(tmp_path / "v.npy", vectors)
        done = invoke("invert", "--vectors", path, "--attack", "nearest", *HASHED)
        refused(done, str(path), *expected)


@pytest.mark.usefixtures("plugin")
class TestATrace:
    def test_shows_each_round_that_changed_something(self, invoke: Invoke) -> None:
        done = invoke("invert", "a red door on Monday", "--attack", "ladder", "--trace", *HASHED)
        assert done.status == 0, done.err
        rows = cells(done.out)
        assert [row[0] for row in rows] == ["original", "0", "1", "3", "answer"]
        assert [row[2] for row in rows] == [
            "a red door on Monday", "the blue door", "{+a red+} door",
            r"a red door {+[bold]on\nMonday+}", r"a red door [bold]on\nMonday",
        ]  # fmt: skip
        assert done.out.splitlines()[-1].startswith("cosine 0.")

    def test_is_coloured_on_a_terminal_and_only_there(
        self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ("invert", "a red door", "--attack", "ladder", "--steps", 1, "--trace", *HASHED)
        assert "\x1b" not in invoke(*words).out
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("TERM", "xterm")
        coloured = invoke(*words).out
        assert "\x1b[1;32ma red\x1b[0m door" in coloured
        assert "{+" not in coloured
        monkeypatch.setenv("NO_COLOR", "1")
        assert "{+a red+} door" in re.sub("\x1b[^m]*m", "", invoke(*words).out)

    def test_of_several_texts_has_a_table_and_scores_for_each(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        (tmp_path / "t.txt").write_text("a red door\nthe blue door\n")
        done = invoke("invert", "--file", tmp_path / "t.txt", "--attack", "ladder", "--trace",
                      *HASHED)  # fmt: skip
        lines = done.out.splitlines()
        assert [line for line in lines if line.endswith(" of 2")] == ["1 of 2", "2 of 2"]
        assert [line for line in lines if line.startswith("cosine")] == [
            "cosine 1.000, BLEU 0.0, token F1 1.00, exact",
            "cosine 1.000, BLEU 0.0, token F1 1.00, exact",
        ]  # three words have no 4-gram: BLEU as the paper has it is 0

    def test_is_complete_in_the_json(self, invoke: Invoke) -> None:
        done = invoke("invert", "a red door", "--attack", "ladder", "--trace", "--json", *HASHED)
        document = json.loads(done.out)
        trace = document["answers"][0]["trace"]
        assert [one["step"] for one in trace] == [0, 1, 2, 3]
        assert trace[3]["text"] == "a red door [bold]on\nMonday"
        assert trace[1]["cosine"] == 1
        assert document["oracle_texts"] == 4

    def test_of_vectors_has_no_original(
        self, invoke: Invoke, tmp_path: Path, embedder: Embedder
    ) -> None:
        path = npy(tmp_path / "v.npy", embedder.embed(["a red door"], "document"))
        done = invoke("invert", "--vectors", path, "--attack", "ladder", "--trace", *HASHED)
        assert [row[0] for row in cells(done.out)] == ["0", "1", "3", "answer"]
        assert done.out.splitlines()[-1] == "cosine 1.000"

    def test_needs_an_attack_that_shows_its_steps(self, invoke: Invoke) -> None:
        done = invoke("invert", "a red door", "--attack", "bow", "--trace", *HASHED)
        refused(done, "'bow' shows no steps", "ladder")

    def test_an_attack_that_refuses_the_space_is_asked_first(self, invoke: Invoke) -> None:
        done = invoke("invert", "a red door", "--attack", "picky", *HASHED)
        refused(done, "picky inverts dot spaces")

    def test_what_nobody_can_lift_is_refused(self, invoke: Invoke) -> None:
        done = invoke("invert", "a red door", "--attack", "ladder", "--defense", "sealed", *HASHED)
        refused(done, "--defense", "back to 64 dimensions")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "give one of TEXT, --file and --vectors, not none"),
        (["text", "--file", "t.txt"], "not text and file"),
        (["text", "--vectors", "v.npy"], "not text and vectors"),
        (["--file", "t.txt", "--vectors", "v.npy"], "not file and vectors"),
        ([" "], "TEXT is blank"),
        (["bytes \udcff"], "not UTF-8 (character 7)"),
        (["one", "two"], "unexpected extra argument"),
        (["--file", "/no/such/t.txt"], "/no/such/t.txt: there is no such file"),
        (["--file", "/no/such/t.csv"], "/no/such/t.csv: is of no known kind"),
        (["--vectors", "/no/such/v.npy"], "/no/such/v.npy: there is no such file"),
        (["--vectors", "/no/such/v.csv"], "/no/such/v.csv: is of no known kind"),
        (["text", "--column", "v"], "--column names a part of --vectors"),
        (["--vectors", "v.npy", "--defense", "noise:1"], "--defense is for texts"),
        (["text", "--attack", "nearst"], "did you mean 'nearest'"),
        (["text", "--embedder", "hashd"], "did you mean 'hashed'"),
        (["text", "--defense", "noyse:1"], "did you mean 'noise'"),
        (["text", "--steps", "3"], "'silent' has no parameter 'steps'"),
        (["text", "--beam", "3"], "'silent' has no parameter 'beam'"),
        (["text", "--attack", "vec2text:steps=3", "--steps", "3"], "gives 'steps' already"),
        (["text", "--steps", "-1"], "steps"),
        (["text", "--beam", "0"], "beam"),
        (["text", "--limit", "0"], "limit"),
        (["text", "--max-tokens", "100000"], "100000"),
        (["text", "--device", "gpu"], "no device is called 'gpu'"),
        (["text", "--output", "/no/such/folder/out.json"], "/no/such/folder is no folder"),
        (["text", "--attack", "bow:checkpoint=/no/such/folder"], "/no/such/folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_inverted_as_asked_is_refused_in_one_line(
    invoke: Invoke, arguments: list[str], expected: str
) -> None:
    refused(invoke("invert", "--attack", "silent", *HASHED, *arguments), expected)


class TestACheckpoint:
    def test_that_is_missing_is_answered_with_the_train_line(self, invoke: Invoke) -> None:
        done = invoke("invert", "text", "--attack", "bow", "--embedder", "hashed:48", "--device",
                      "cpu", "--max-tokens", 9)  # fmt: skip
        refused(done, "v2t-bench train bow --texts FILE --embedder hashed:48 --max-tokens 9")

    @pytest.fixture
    def demo(self, trained: None, cache: Path, tmp_path: Path) -> Path:
        """A shelf with one checkpoint of the demo corpora."""
        source = next((cache / "checkpoints").glob("nearest-*"))
        folder = tmp_path / "shelf" / "demo"
        folder.mkdir(parents=True)
        for path in source.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        record = json.loads((folder / "checkpoint.json").read_text())
        record["trained_on"] = "demo"
        (folder / "checkpoint.json").write_text(json.dumps(record))
        return folder

    def test_of_the_demo_is_used_only_by_its_name(
        self, invoke: Invoke, demo: Path, tmp_path: Path
    ) -> None:
        words = ("invert", "text", *HASHED, "--cache", tmp_path / "empty", "--checkpoints",
                 demo.parent)  # fmt: skip
        refused(invoke(*words, "--attack", "nearest"), "v2t-bench train nearest")
        done = invoke(*words, "--attack", f"nearest:checkpoint={demo}")
        assert done.status == 0, done.err
        assert 'nearest:checkpoint="demo@' in done.err

    def test_of_another_length_is_told(self, invoke: Invoke, demo: Path) -> None:
        done = invoke("invert", "text", *HASHED, "--max-tokens", 16, "--attack",
                      f"nearest:checkpoint={demo}")  # fmt: skip
        assert done.status == 0, done.err
        assert "trained-on-32-tokens" in done.err

    def test_of_another_space_is_refused(self, invoke: Invoke, demo: Path) -> None:
        done = invoke("invert", "text", "--embedder", "hashed:32", "--attack",
                      f"nearest:checkpoint={demo}")  # fmt: skip
        refused(done, "another space")


def test_vec2text_is_found_trained_and_told_how_many_steps(
    invoke: Invoke, texts_file: Path, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    small = ("--size", "tiny", "--steps", 5, "--batch-size", 8, "--n-texts", 80)
    done = invoke("train", "vec2text", "--texts", texts_file, *HASHED, *small, "-o", shelf / "made")
    assert done.status == 0, done.err
    asked = []
    for steps in (0, 3):
        done = invoke("invert", "a red door", *HASHED, "--steps", steps, "--json", "--checkpoints",
                      shelf)  # fmt: skip
        assert done.status == 0, done.err
        document = json.loads(done.out)
        assert f"steps={steps}" in document["attack"]
        assert isinstance(document["answers"][0]["recovered"], str)
        asked.append(document["oracle_texts"])
    assert asked[0] == 0 < asked[1]
