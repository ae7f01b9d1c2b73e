"""``v2t-bench overlap``: what of other texts was in a training text."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from end_to_end.commands import Finished, Invoke, refused, run_process, write_beir

HASHED = ("--embedder", "hashed", "--device", "cpu")


def prose(n: int, seed: int, length: int = 24) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(f"{draw.randrange(10**6):06}" for _ in range(length)) for _ in range(n)]


KNOWN, OTHERS = prose(200, seed=1), prose(200, seed=2)


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("\n".join(texts) + "\n")
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return ``nearest`` trained on the known texts, cut at 18 tokens."""
    folder = tmp_path_factory.mktemp("overlap")
    texts = write(folder / "known.txt", KNOWN)
    done = run_process("train", "nearest", "--texts", texts, *HASHED, "--max-tokens", 18, "-o",
                       folder / "made", "--text-licence", "CC BY-SA\n3.0", "--text-source",
                       "drawn", cache=folder / "cache")  # fmt: skip
    assert done.status == 0, done.err
    return folder / "made"


def looked_up(done: Finished) -> list[dict[str, Any]]:
    assert done.status == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["overlaps"]
    return found


def test_what_was_trained_on_is_found_and_what_was_not_is_not(
    invoke: Invoke, checkpoint: Path, tmp_path: Path
) -> None:
    held = json.loads((checkpoint / "checkpoint.json").read_text())["texts"]["ngrams"]
    assert held > 0
    path = write(tmp_path / "mine.txt", [*KNOWN, *OTHERS, "a red door"])
    (mine,) = looked_up(invoke("overlap", checkpoint, "--texts", path, "--json"))
    assert (mine["name"], mine["form"]) == ("mine.txt", "whole")
    assert (mine["texts"], mine["long_enough"], mine["found"]) == (401, 400, held)
    learned = json.loads((checkpoint / "checkpoint.json").read_text())["texts"]["text_hashes"]
    # Cut at 18 tokens, none of the learned texts is the whole of one of these.
    assert (learned, mine["whole_texts"]) == (190, 0)
    assert 0 < mine["found_texts"] <= held
    assert mine["share"] == mine["found"] / mine["looked_up"]
    assert 0 < mine["low"] < mine["share"] < mine["high"] < 1
    (others,) = looked_up(
        invoke("overlap", checkpoint, "--texts", write(tmp_path / "o.txt", OTHERS), "--json")
    )
    assert (others["found"], others["found_texts"], others["low"]) == (0, 0, 0.0)
    assert others["looked_up"] > 0


def test_a_table_and_what_to_make_of_it_are_printed(
    invoke: Invoke, checkpoint: Path, tmp_path: Path
) -> None:
    done = invoke("overlap", checkpoint, "--texts", write(tmp_path / "s.txt", ["a red door"]))
    assert done.status == 0, done.err
    (row,) = [line for line in done.out.splitlines() if line.startswith("│")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["s.txt", "whole", "1", "0", "0", "0", "0", "0", "unknown", ""]
    assert "hashes of known.txt: 190 of whole texts and " in done.err
    assert "of 1 in 8 of its runs of 13 words; what is found is in it" in done.err


def test_documents_are_looked_up_cut_and_whole(
    invoke: Invoke, checkpoint: Path, tmp_path: Path
) -> None:
    documents = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(KNOWN)]
    query = {"_id": "q", "text": "door"}
    folder = write_beir(tmp_path / "mine", documents, [query], [("q", "d0", 1)])
    cut, whole = looked_up(invoke("overlap", checkpoint, "--dataset", f"beir:{folder}", "--json"))
    assert [(row["name"], row["form"]) for row in (cut, whole)] == [
        ("beir:mine", "cut"), ("beir:mine", "whole")
    ]  # fmt: skip
    record = json.loads((checkpoint / "checkpoint.json").read_text())
    assert record["texts"]["cut"] == 200
    # A held-back text is in the collection, and was not learned.
    assert cut["looked_up"] >= cut["found"] == whole["found"] == record["texts"]["ngrams"]
    assert whole["looked_up"] > cut["looked_up"]
    assert (cut["whole_texts"], whole["whole_texts"]) == (record["texts"]["learned"], 0)


def test_the_card_tells_licence_source_and_hashes(checkpoint: Path) -> None:
    record = json.loads((checkpoint / "checkpoint.json").read_text())
    assert (record["text_licence"], record["text_source"]) == ("CC BY-SA 3.0", "drawn")
    text = (checkpoint / "README.md").read_text()
    assert "- Licence of the texts: CC BY-SA 3.0\n- " in text
    assert {"ngrams.safetensors", "texts.safetensors"} <= set(record["files"])
    assert f"ngrams.safetensors {record['texts']['ngrams']} hashes" in text
    size = (checkpoint / "ngrams.safetensors").stat().st_size
    assert math.isclose(size, 8 * record["texts"]["ngrams"], abs_tol=500)


def test_a_training_can_leave_no_hashes_and_is_then_refused(invoke: Invoke, tmp_path: Path) -> None:
    texts, out = write(tmp_path / "t.txt", KNOWN), tmp_path / "out"
    assert invoke("train", "nearest", "--texts", texts, *HASHED, "--no-ngrams", "-o",
                  out).status == 0  # fmt: skip
    record = json.loads((out / "checkpoint.json").read_text())
    assert record["texts"]["ngrams"] is None
    assert not list(out.glob("*grams*")) + list(out.glob("texts.safetensors"))
    assert "no hashes of the texts are kept" in (out / "README.md").read_text()
    refused(invoke("overlap", out, "--texts", texts), "no hashes of its training text")


def test_a_checkpoint_of_before_there_were_hashes_is_refused(
    invoke: Invoke, checkpoint: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    record = json.loads((checkpoint / "checkpoint.json").read_text())
    del record["text_licence"], record["text_source"], record["texts"]["ngrams"]
    del record["files"]["ngrams.safetensors"], record["files"]["texts.safetensors"]
    for name in record["files"]:
        (old / name).write_bytes((checkpoint / name).read_bytes())
    (old / "checkpoint.json").write_text(json.dumps(record))
    texts = write(tmp_path / "t.txt", OTHERS)
    refused(invoke("overlap", old, "--texts", texts), "no hashes of its training text")


def test_texts_that_are_all_short_are_found_whole(invoke: Invoke, tmp_path: Path) -> None:
    texts = write(tmp_path / "short.txt", [f"a red door and {n} maps" for n in range(80)])
    out = tmp_path / "out"
    assert invoke("train", "nearest", "--texts", texts, *HASHED, "-o", out).status == 0
    done = invoke("overlap", out, "--texts", texts, "--json")
    (found,) = looked_up(done)
    # Four of 80 were held back.
    assert (found["found_texts"], found["whole_texts"], found["looked_up"]) == (76, 76, 0)
    assert "hashes of short.txt: 76 of whole texts; what is found" in done.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "give one of --texts and --dataset"),
        (["--texts", "TEXTS", "--dataset", "demo-nq"], "give one of --texts and --dataset"),
        (["--texts", "TEXTS", "--embedder", "hashed"], "--embedder cuts what --dataset names"),
        (["--dataset", "dmeo-nq"], "did you mean 'demo-nq'"),
        (["--dataset", "demo-nq", "--embedder", "hashed:48"], "another embedder"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(
    invoke: Invoke, checkpoint: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    path = write(tmp_path / "t.txt", OTHERS)
    given = [str(path) if part == "TEXTS" else part for part in more]
    refused(invoke("overlap", checkpoint, *given), message)


def test_a_folder_that_is_no_checkpoint_and_a_damaged_one_are_refused(
    invoke: Invoke, checkpoint: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.txt", OTHERS)
    refused(invoke("overlap", tmp_path, "--texts", path), "holds no checkpoint")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in checkpoint.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    for name in ("ngrams.safetensors", "texts.safetensors"):
        kept = (damaged / name).read_bytes()
        (damaged / name).write_bytes(b"")
        refused(invoke("overlap", damaged, "--texts", path), f"{name} is missing, truncated")
        (damaged / name).write_bytes(kept)
