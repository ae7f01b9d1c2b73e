"""The share of attacked texts that an attack was trained on, as rows tell it."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from end_to_end.commands import Invoke, run_process, write_beir
from v2t_bench.results import Result
from v2t_bench.store import Store

HASHED = ("--embedder", "hashed", "--device", "cpu")


def prose(n: int, seed: int, length: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(f"{draw.randrange(10**6):06}" for _ in range(length)) for _ in range(n)]


# Of fewer than 13 words, so that only whole texts can be found.
DOCUMENTS, OTHERS = prose(40, seed=1, length=9), prose(360, seed=2, length=9)
TRAINED = [*DOCUMENTS[:20], *OTHERS]
# A twentieth is held back from training: those whose sha256 is the lowest.
HELD_BACK = sorted(TRAINED, key=lambda text: hashlib.sha256(text.encode()).digest())[:19]
KNOWN = [text for text in DOCUMENTS[:20] if text not in HELD_BACK]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    documents = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(DOCUMENTS)]
    folder = write_beir(tmp_path_factory.mktemp("forty") / "forty", documents,
                        [{"_id": "q", "text": DOCUMENTS[3]}], [("q", "d3", 1)])  # fmt: skip
    return f"beir:{folder}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return ``nearest`` trained on half of the documents and on others."""
    folder = tmp_path_factory.mktemp("half")
    (folder / "texts.txt").write_text("\n".join(TRAINED) + "\n")
    done = run_process("train", "nearest", "--texts", folder / "texts.txt", *HASHED, "-o",
                       folder / "made", cache=folder / "cache")  # fmt: skip
    assert done.status == 0, done.err
    return folder / "made"


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "leaderboard.csv").open(newline="") as stream:
        return {row["attack"].partition(":")[0]: row for row in csv.DictReader(stream)}


def run(invoke: Invoke, dataset: str, checkpoint: Path, out: Path) -> dict[str, dict[str, str]]:
    nearest = f"nearest:checkpoint={checkpoint}"
    done = invoke("run", "--dataset", dataset, *HASHED, "--attack", nearest, "--attack",
                  f"prior:[{nearest}]", "--defense", "none", "-o", out)  # fmt: skip
    assert done.status == 0, done.err
    return rows_of(out)


def of_before(store: Store, result: Result) -> None:
    """Store a cell as it was before anything was looked up."""
    table = store.table(result.cell_id, "samples.parquet").drop_columns(["contaminated"])
    scores = {name: score for name, score in result.scores.items() if name != "contaminated"}
    facts = {name: fact for name, fact in result.facts.items() if "contamin" not in name}
    store.write(
        result.model_copy(update={"scores": scores, "facts": facts}),
        {"samples.parquet": table},
        may_hold_text="text" in table.column_names,
    )


def with_runs_alone(checkpoint: Path, folder: Path) -> Path:
    """Return the checkpoint as the first version would have left it: 1 in 64 runs, no texts."""
    folder.mkdir()
    for file in checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "texts.safetensors").unlink()
    runs = load_file(folder / "ngrams.safetensors")["hashes"]
    save_file({"hashes": runs[runs % 64 == 0]}, folder / "ngrams.safetensors")
    record = json.loads((folder / "checkpoint.json").read_text())
    del record["files"]["texts.safetensors"], record["texts"]["text_hashes"]
    digest = hashlib.sha256((folder / "ngrams.safetensors").read_bytes()).hexdigest()
    record["files"]["ngrams.safetensors"] = digest
    (folder / "checkpoint.json").write_text(json.dumps(record))
    return folder


def test_a_row_tells_the_share_that_was_trained_on_and_is_marked(
    invoke: Invoke, dataset: str, checkpoint: Path, tmp_path: Path
) -> None:
    rows = run(invoke, dataset, checkpoint, tmp_path)
    assert 15 < len(KNOWN) <= 20
    for attack in ("nearest", "prior"):
        assert rows[attack]["contaminated"] == f"{len(KNOWN) / 40:.6f}"
        assert "contaminated" in rows[attack]["flags"].split()
    # It learns nothing, so nothing is known of what it learned.
    assert rows["silent"]["contaminated"] == ""
    assert "contaminated" not in rows["silent"]["flags"]
    (cell,) = [result for result in Store(tmp_path).results()
               if str(result.labels.get("attack")).startswith("nearest")]  # fmt: skip
    assert cell.facts["contamination_by"] == "texts and runs"
    assert cell.scores["contaminated"].method == "wilson"
    columns = Store(tmp_path).table(cell.cell_id, "samples.parquet").to_pydict()
    ids = {f"d{DOCUMENTS.index(text)}" for text in KNOWN}
    assert dict(zip(columns["id"], columns["contaminated"], strict=True)) == {
        f"d{n}": float(f"d{n}" in ids) for n in range(40)
    }


def test_scoring_again_keeps_it_and_leaves_cells_of_before_as_they_are(
    invoke: Invoke, dataset: str, checkpoint: Path, tmp_path: Path
) -> None:
    before = run(invoke, dataset, checkpoint, tmp_path)
    done = invoke("score", tmp_path)
    assert (done.status, "0 changed" in done.err) == (0, True)
    assert rows_of(tmp_path) == before
    store = Store(tmp_path)
    for result in store.results():
        if "contaminated" in result.scores:
            of_before(store, result)
    done = invoke("score", tmp_path)
    assert (done.status, "0 changed" in done.err) == (0, True)
    after = rows_of(tmp_path)
    assert [row["contaminated"] for row in after.values()] == [""] * len(after)
    assert not any("contaminated" in row["flags"] for row in after.values())
    # They are finished cells of the same run: none is run again.
    assert run(invoke, dataset, checkpoint, tmp_path) == after
    assert [row["cell_id"] for row in after.values()] == [r["cell_id"] for r in before.values()]


def test_without_hashes_of_texts_the_share_is_a_lower_bound(
    invoke: Invoke, dataset: str, checkpoint: Path, tmp_path: Path
) -> None:
    old = with_runs_alone(checkpoint, tmp_path / "old")
    rows = run(invoke, dataset, old, tmp_path / "out")
    # No text has 13 words: nothing is found, and the row is not marked.
    assert rows["nearest"]["contaminated"] == "0.000000"
    assert "contaminated" not in rows["nearest"]["flags"]
    by = {result.facts.get("contamination_by") for result in Store(tmp_path / "out").results()}
    assert by == {None, "runs"}


def test_a_checkpoint_without_hashes_leaves_the_column_empty(
    invoke: Invoke, dataset: str, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TRAINED) + "\n")
    out = tmp_path / "made"
    assert invoke("train", "nearest", "--texts", tmp_path / "texts.txt", *HASHED, "--no-ngrams",
                  "-o", out).status == 0  # fmt: skip
    rows = run(invoke, dataset, out, tmp_path / "out")
    assert [row["contaminated"] for row in rows.values()] == [""] * 3
