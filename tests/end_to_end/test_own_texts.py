"""``texts:<file>`` on the command line: anyone's own texts are measured and looked up."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from end_to_end.commands import Invoke, refused, run_process

HASHED = ("--embedder", "hashed", "--device", "cpu")
DRAW = random.Random(5)
NOTES = [
    {"_id": f"n{n}", "first_name": f"ann{n}", "last_name": f"vale{n}", "label": f"l{n % 2}",
     "text": f"ann{n} vale{n} " + " ".join(f"{DRAW.randrange(10**6):06}" for _ in range(20))}
    for n in range(40)
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where own texts, queries, judgements and a checkpoint of some of the texts are."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.jsonl").write_text("".join(json.dumps(note) + "\n" for note in NOTES))
    queries = [f"q{n}\t{note['text']}\n" for n, note in enumerate(NOTES)]
    (folder / "queries.tsv").write_text("".join(queries))
    judgements = ["query-id\tcorpus-id\tscore\n", *(f"q{n}\tn{n}\t1\n" for n in range(40))]
    (folder / "qrels.tsv").write_text("".join(judgements))
    others = [f"door {n} map {n + 1} ship {n + 2}" for n in range(80)]
    learned = [str(note["text"]) for note in NOTES]
    (folder / "learned.txt").write_text("\n".join([*learned, *others]) + "\n")
    done = run_process("train", "nearest", "--texts", folder / "learned.txt", *HASHED,
                       "--max-tokens", 12, "-o", folder / "made",
                       cache=folder / "cache")  # fmt: skip
    assert done.status == 0, done.err
    return folder


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "leaderboard.csv").open(newline="") as stream:
        return {row["attack"].partition(":")[0]: row for row in csv.DictReader(stream)}


def spelled(folder: Path) -> str:
    return f"texts:{folder}/mine.jsonl,queries={folder}/queries.tsv,judgements={folder}/qrels.tsv"


def test_texts_with_queries_are_measured_and_none_is_stored(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    done = invoke("run", "--dataset", spelled(folder), *HASHED, "--max-tokens", 12, "--attack",
                  f"nearest:checkpoint={folder}/made", "--defense", "none", "-o",
                  tmp_path)  # fmt: skip
    assert done.status == 0, done.err
    row = rows_of(tmp_path)["nearest"]
    assert (row["corpus"], row["n_texts"], row["n_queries"]) == ("texts:mine", "40", "40")
    # Each query is the text of the one document that is relevant to it.
    assert row["ndcg_at_10"] == "1.000000"
    assert float(row["names_full"]) > 0.8
    assert row["label_by_majority"] != ""
    # All but the few that were held back are learned and recited, and the row says so.
    assert float(row["contaminated"]) == float(row["exact_norm"]) > 0.8
    assert "contaminated" in row["flags"].split()
    words = NOTES[3]["text"].split()[5].encode()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if words in path.read_bytes()]


def test_texts_without_queries_are_found_by_what_follows_their_first_piece(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    # Every piece of a text says the same, so its second finds its first.
    words = ["oak", "door", "ship", "map", "river", "lamp", "stone", "glove"]
    (tmp_path / "mine.txt").write_text("\n".join(" ".join([word] * 50) for word in words) + "\n")
    done = invoke("run", "--dataset", f"texts:{tmp_path}/mine.txt", *HASHED, "--max-tokens", 12,
                  "--attack", f"nearest:checkpoint={folder}/made", "--defense", "none", "-o",
                  tmp_path / "out")  # fmt: skip
    assert done.status == 0, done.err
    for row in rows_of(tmp_path / "out").values():
        assert (row["n_texts"], row["n_queries"], row["ndcg_at_10"]) == ("8", "8", "1.000000")
        assert "known-item" in row["flags"].split()
    assert rows_of(tmp_path / "out")["nearest"]["contaminated"] == "0.000000"


def test_texts_too_short_to_be_asked_for_are_attacked_all_the_same(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("a red door\ntwo maps\n")
    done = invoke("run", "--dataset", f"texts:{tmp_path}/mine.txt", *HASHED, "--max-tokens", 12,
                  "--attack", f"nearest:checkpoint={folder}/made", "--defense", "none", "-o",
                  tmp_path / "out")  # fmt: skip
    assert done.status == 0, done.err
    assert "no document of more than two pieces" in done.err
    row = rows_of(tmp_path / "out")["nearest"]
    assert (row["n_texts"], row["n_queries"], row["ndcg_at_10"]) == ("2", "", "")


def test_texts_are_looked_up_in_a_training_text(invoke: Invoke, folder: Path) -> None:
    done = invoke("overlap", folder / "made", "--dataset", f"texts:{folder}/mine.jsonl", "--json")
    assert done.status == 0, done.err
    cut, whole = json.loads(done.out)["overlaps"]
    assert (cut["name"], cut["form"], cut["texts"]) == ("texts:mine", "cut", 40)
    assert 32 < cut["whole_texts"] <= 40
    assert (whole["form"], whole["whole_texts"]) == ("whole", 0)


def test_what_cannot_be_read_is_refused(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"txt": "b"}\n')
    for given, message in [
        (f"texts:{tmp_path}/bad.jsonl", "bad.jsonl:2: has no field 'text'; expected a string"),
        (f"texts:{folder}/mine.jsonl,queries={folder}/queries.tsv", "has no judgements; give"),
        (f"texts:{folder}/mine.jsonl,{folder}/queries.tsv", "names 2 files of texts; expected"),
    ]:
        more = ("--attack", "silent", "--defense", "none", "-o", tmp_path / "out")
        refused(invoke("run", "--dataset", given, *HASHED, *more), message)
        refused(invoke("overlap", folder / "made", "--dataset", given), message)
