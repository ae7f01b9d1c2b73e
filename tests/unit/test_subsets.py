"""Our own subsets, cut anew from the collections that they were cut from."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.sources import Sources
from v2t_bench.corpora.stand_ins import FILES, MSMARCO_30K, content_sha256
from v2t_bench.corpora.subsets import IDS, rebuild, subset_ids
from v2t_bench.errors import BadInput, BadParameter, UnknownComponent

NAME = "msmarco-dl19-dl20-30k"


def lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open() as file:
        return list(file)


@pytest.fixture
def scattered(shared_data: Path, tmp_path: Path) -> Path:
    """What the subset was cut from, as far as it is known here: among others, in other orders."""
    subset = shared_data / "ir" / "msmarco-dl19-dl20"
    source = tmp_path / "beir" / "msmarco"
    (source / "qrels").mkdir(parents=True)
    corpus = lines(subset / "corpus.jsonl.gz")
    others = [
        json.dumps({"_id": str(number), "title": "", "text": "other", "metadata": {}}) + "\n"
        for number in range(10_000_000, 10_001_000)
    ]
    (source / "corpus.jsonl").write_text("".join(corpus[::-1] + others), encoding="utf-8")
    rows = [row.split() for row in lines(subset / "qrels" / "test.tsv")[1:]]
    first = list(dict.fromkeys(query for query, _, _ in rows))[:43]
    second = [row for row in rows if row[0] not in first]
    assert len({row[0] for row in second}) == 54  # as many as NIST judged in 2020
    beir = ["\t".join(row) + "\n" for row in rows[::-1] if row[0] in first]
    header = "query-id\tcorpus-id\tscore\n"
    (source / "qrels" / "test.tsv").write_text(header + "".join(beir) + "19335\t10000000\t3\n")
    queries = [json.loads(line) for line in lines(subset / "queries.jsonl")]
    (source / "queries.jsonl").write_text(
        "".join(
            json.dumps({**one, "metadata": {}}) + "\n" for one in queries if one["_id"] in first
        )
        + '{"_id": "999999999", "text": "of the training split"}\n'
    )
    topics = [f"{one['_id']}\t{one['text']}\n" for one in queries if one["_id"] not in first]
    (tmp_path / "topics.tsv").write_text("".join(topics) + "1234567\tnever judged\n")
    trec = [f"{query} Q0 {key} {grade}\n" for query, key, grade in second]
    (tmp_path / "qrels.txt").write_text("".join(trec[::-1]) + "23849 0 10000001 2\n")
    return tmp_path


def again(folder: Path) -> Path:
    sources = Sources(data_dir=folder, offline=True)
    return rebuild(NAME, sources, topics=folder / "topics.tsv", qrels=folder / "qrels.txt")


@pytest.mark.data
def test_a_subset_is_rebuilt_to_the_byte(scattered: Path) -> None:
    folder = again(scattered)
    assert folder == scattered / "ir" / "msmarco-dl19-dl20"
    found = tuple(content_sha256(folder, name) for name in FILES)
    assert found == MSMARCO_30K.sha256
    [corpus] = open_corpora("beir:" + str(folder))
    assert (len(corpus.documents), len(corpus.queries)) == (30_005, 97)
    assert again(scattered) == folder  # a second time there is nothing to do


@pytest.mark.data
@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (
            lambda folder: change(folder / "beir/msmarco/corpus.jsonl", "Wi-Fi", "WiFi"),
            r"corpus\.jsonl: what was rebuilt has sha256 .* another version, so nothing was kept",
        ),
        (
            lambda folder: change(
                folder / "beir/msmarco/corpus.jsonl", '"_id": "421"', '"_id": "9"'
            ),
            r"has no passage 421 \(1 of 30005 are missing\)",
        ),
        (
            lambda folder: change(folder / "topics.tsv", "\t", " "),
            r"topics\.tsv:1: expected a number, a tab and a query",
        ),
        (
            lambda folder: change(folder / "topics.tsv", "23849\t", "23848\t"),
            r"query '23849' is judged and is in no file of queries \(1 such\)",
        ),
        (
            lambda folder: change(folder / "qrels.txt", " Q0 ", " "),
            r"qrels\.txt:\d+: expected a query, a document and a grade",
        ),
        (lambda folder: (folder / "qrels.txt").unlink(), r"qrels\.txt: there is no such file"),
        (lambda folder: shutil.rmtree(folder / "beir"), r"beir/msmarco: there is no such folder"),
    ],
)
def test_what_cannot_be_the_subset_is_refused_and_not_kept(
    scattered: Path, break_it: Callable[[Path], None], expected: str
) -> None:
    break_it(scattered)
    with pytest.raises(BadInput, match=expected):
        again(scattered)
    assert not (scattered / "ir").exists() or not list((scattered / "ir").iterdir())


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.data
def test_another_folder_in_its_place_is_left_alone(scattered: Path) -> None:
    folder = scattered / "ir" / "msmarco-dl19-dl20"
    (folder / "qrels").mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text("mine")
    with pytest.raises(BadInput, match="is there and holds something else"):
        again(scattered)
    assert (folder / "corpus.jsonl").read_text() == "mine"


def test_the_package_holds_ids_and_no_text() -> None:
    ids = subset_ids(NAME)
    assert len(ids) == len(set(ids)) == 30_005
    # MS MARCO's passages are numbered from 0 to 8,841,822.
    assert all(0 <= int(key) <= 8_841_822 for key in ids)
    assert [path.name for path in IDS.iterdir()] == [f"{NAME}.txt.zst"]


@pytest.mark.data
def test_the_ids_are_those_of_the_subset(shared_data: Path) -> None:
    corpus = lines(shared_data / "ir" / "msmarco-dl19-dl20" / "corpus.jsonl.gz")
    assert [json.loads(line)["_id"] for line in corpus] == subset_ids(NAME)


def test_what_cannot_be_rebuilt_says_so(tmp_path: Path) -> None:
    sources = Sources(data_dir=tmp_path, offline=True)
    with pytest.raises(BadParameter, match=r"nq-25k cannot be rebuilt from ids: .*not-rebuildable"):
        rebuild("nq-25k", sources, topics=None, qrels=None)
    with pytest.raises(BadParameter, match=r"takes --topics .* and --qrels"):
        rebuild(NAME, sources, topics=None, qrels=None)
    with pytest.raises(UnknownComponent, match="no subset is called 'nq'"):
        rebuild("nq", sources, topics=None, qrels=None)
