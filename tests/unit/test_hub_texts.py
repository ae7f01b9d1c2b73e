"""Texts of the hub, as the datasets package writes them and as a hub on this machine sends them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beir_archive import beir_files
from stand_in_hub import serving
from v2t_bench.corpora import open_corpora
from v2t_bench.corpora.hub_texts import MSMARCO_TEXTS, NQ_TEXTS, HubTexts, open_texts
from v2t_bench.corpora.records import Document
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadInput

# The datasets package leaves files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")

PASSAGES = [f"passage {number} of the text\u2028é" for number in range(2500)]
WEB = [
    {
        "docid": str(7 * number),
        "title": "" if number % 2 else f"T{number}",
        "text": f"text {number}",
    }
    for number in range(30)
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2T_BENCH_CACHE", str(tmp_path / "cache"))


def made(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(rows)


def passages(texts: list[str] = PASSAGES) -> Any:
    return made([{"text": text} for text in texts])


def saved(folder: Path) -> None:
    passages().save_to_disk(str(folder))


def saved_in_shards(folder: Path) -> None:
    passages().save_to_disk(str(folder), num_shards=3)


def saved_with_splits(folder: Path) -> None:
    from datasets import DatasetDict

    parts = DatasetDict({"train": passages(["not this"]), "dev": passages()})
    parts.save_to_disk(str(folder))


def parquet(folder: Path) -> None:
    folder.mkdir(parents=True)
    passages().to_parquet(str(folder / "texts.parquet"))


def parquet_as_on_the_hub(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("card")
    passages(["not this"]).to_parquet(str(folder / "data" / "train-00000-of-00001-f8.parquet"))
    passages(PASSAGES[:1000]).to_parquet(str(folder / "data" / "dev-00000-of-00002-4b.parquet"))
    passages(PASSAGES[1000:]).to_parquet(str(folder / "data" / "dev-00001-of-00002-53.parquet"))


def json_lines(folder: Path) -> None:
    folder.mkdir(parents=True)
    passages().to_json(str(folder / "validation.jsonl"))


def json_lines_compressed(folder: Path) -> None:
    folder.mkdir(parents=True)
    passages().to_json(str(folder / "dev.jsonl.gz"), compression="gzip")


LAYOUTS = [saved, saved_in_shards, saved_with_splits, parquet, parquet_as_on_the_hub, json_lines,
           json_lines_compressed]  # fmt: skip


@pytest.mark.parametrize("write", LAYOUTS)
def test_whatever_the_datasets_package_writes_is_read(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "hub" / "jxm__nq_corpus_dpr")
    texts, told = open_texts(NQ_TEXTS, Sources(data_dir=tmp_path, offline=True))
    assert len(texts) == 2500
    assert [one.text for one in texts] == PASSAGES
    assert [one.text for one in texts[2:5]] == PASSAGES[2:5]
    assert texts[-1] == Document("dev-2499", "", PASSAGES[-1])
    assert told.startswith("jxm/nq_corpus_dpr dev, folder jxm__nq_corpus_dpr@")
    with pytest.raises(IndexError):
        texts[2500]


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl", ".parquet"])
def test_texts_with_ids_and_titles_keep_them(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "hub" / "Tevatron__msmarco-passage-corpus"
    folder.mkdir(parents=True)
    path = str(folder / f"corpus{ending}")
    if ending == ".parquet":
        made(WEB).to_parquet(path)
    else:
        made(WEB).to_json(path, compression="gzip" if ending.endswith(".gz") else None)
    texts, _ = open_texts(MSMARCO_TEXTS, Sources(data_dir=tmp_path, offline=True))
    assert [*texts] == [Document(one["docid"], one["title"], one["text"]) for one in WEB]
    assert texts[2].content == "T2 text 2"


def test_a_text_or_title_that_is_null_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "Tevatron__msmarco-passage-corpus"
    folder.mkdir(parents=True)
    rows = [{"docid": 1, "title": None, "text": "one"}, {"docid": 2, "title": None, "text": None}]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts, _ = open_texts(MSMARCO_TEXTS, Sources(data_dir=tmp_path, offline=True))
    assert [*texts] == [Document("1", "", "one"), Document("2", "", "")]


def test_other_texts_are_told_from_these(tmp_path: Path) -> None:
    told = []
    for name, text in (("a", "one"), ("b", "two"), ("c", "one")):
        folder = tmp_path / name / "hub" / "jxm__nq_corpus_dpr"
        folder.mkdir(parents=True)
        passages([text]).to_parquet(str(folder / f"{name}.parquet"))
        told.append(open_texts(NQ_TEXTS, Sources(data_dir=tmp_path / name, offline=True))[1])
    assert told[0] == told[2] != told[1]


def test_texts_are_never_all_in_memory(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "jxm__nq_corpus_dpr"
    folder.mkdir(parents=True)
    passages([f"{number} " + "word " * 100 for number in range(40_000)]).to_parquet(
        str(folder / "dev.parquet")
    )
    tracemalloc.start()
    texts, _ = open_texts(NQ_TEXTS, Sources(data_dir=tmp_path, offline=True))
    n_characters = sum(len(one.text) for one in texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_characters > 20_000_000
    # The libraries' own imports take some; a list of these texts would take 22 MB and more.
    assert peak < 15_000_000


def test_nq_inverts_the_texts_of_the_hub_and_retrieves_from_beir(tmp_path: Path) -> None:
    parquet_as_on_the_hub(tmp_path / "hub" / "jxm__nq_corpus_dpr")
    for name, text in beir_files("nq").items():
        path = tmp_path / "beir" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    [corpus] = open_corpora("nq", Sources(data_dir=tmp_path, offline=True))
    assert (corpus.name, len(corpus.documents), len(corpus.attacked)) == ("nq", 5, 2500)
    assert corpus.attacked[0].text == PASSAGES[0]
    assert "jxm/nq_corpus_dpr dev" in corpus.attacked_from
    assert corpus.flags == ()


def test_without_the_texts_offline_says_what_is_missing(tmp_path: Path) -> None:
    texts = replace(NQ_TEXTS, revision="0" * 40)  # in nobody's cache
    with pytest.raises(BadInput) as refused:
        open_texts(texts, Sources(data_dir=tmp_path, offline=True))
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'hub' / 'jxm__nq_corpus_dpr'}: there is no such folder")
    assert said.endswith("run: v2t-bench data get nq")


def write_nothing(folder: Path) -> None:
    folder.mkdir(parents=True)


def write_other_split(folder: Path) -> None:
    folder.mkdir(parents=True)
    passages().to_parquet(str(folder / "train.parquet"))


def write_two_kinds(folder: Path) -> None:
    parquet(folder)
    passages().to_json(str(folder / "texts.jsonl"))


def write_damaged_parquet(folder: Path) -> None:
    parquet(folder)
    path = folder / "texts.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def write_damaged_json(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "dev.jsonl").write_text('{"text": "one"}\n{"text": \n')


def write_truncated_gz(folder: Path) -> None:
    folder.mkdir(parents=True)
    packed = gzip.compress(b'{"text": "one"}\n' * 1000)
    (folder / "dev.jsonl.gz").write_bytes(packed[:-20])


def write_half_saved(folder: Path) -> None:
    saved_in_shards(folder)
    next(folder.glob("*.arrow")).unlink()


def write_other_fields(folder: Path) -> None:
    folder.mkdir(parents=True)
    made([{"passage": "one", "n": 1}]).to_parquet(str(folder / "dev.parquet"))


def write_numbers(folder: Path) -> None:
    folder.mkdir(parents=True)
    made([{"text": 1}]).to_parquet(str(folder / "dev.parquet"))


def write_no_rows(folder: Path) -> None:
    folder.mkdir(parents=True)
    passages().select([]).to_parquet(str(folder / "dev.parquet"))


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (write_nothing, r"holds no texts of split dev \(nothing\); expected a dataset as save_to"),
        (write_other_split, r"holds no texts of split dev \(train\.parquet\)"),
        (write_two_kinds, r"expected files of one kind"),
        (write_damaged_parquet, r"cannot be read \(.*[Pp]arquet"),
        (write_damaged_json, r"cannot be read \(.*JSON"),
        (write_truncated_gz, r"cannot be read \("),
        (write_half_saved, r"\.arrow"),
        (
            write_other_fields,
            r"field 'text' is missing .*\(fields: passage \(string\), n \(int64\)",
        ),
        (write_numbers, r"field 'text' is missing or holds no text \(fields: text \(int64\)\)"),
        (write_no_rows, r"no data"),
    ],
)
def test_a_folder_with_something_else_is_refused_in_one_line(
    tmp_path: Path, write: Callable[[Path], None], expected: str
) -> None:
    write(tmp_path / "hub" / "jxm__nq_corpus_dpr")
    with pytest.raises(BadInput, match=expected) as refused:
        open_texts(NQ_TEXTS, Sources(data_dir=tmp_path, offline=True))
    assert "\n" not in str(refused.value)
    assert "jxm__nq_corpus_dpr" in str(refused.value)


OPEN = """
import sys
from pathlib import Path
from v2t_bench.corpora.hub_texts import TEXTS, open_texts
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import V2TError
try:
    texts, told = open_texts(
        TEXTS[sys.argv[1]], Sources(data_dir=Path(sys.argv[2]), offline=sys.argv[3] == "offline")
    )
    print(len(texts), [one.text for one in texts][-1], told, sep="|")
except V2TError as error:
    print(type(error).__name__, error, sep="|")
"""


def in_another_process(tmp_path: Path, hub: str, name: str, network: str = "online") -> list[str]:
    """Open the texts where the hub is at ``hub``, which is read when its client is imported."""
    cleared = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment = {
        **cleared,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "bench"),
        "HF_ENDPOINT": hub,
        "HF_HOME": str(tmp_path / "hf"),
        "V2T_BENCH_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OPEN, name, str(tmp_path / "data"), network],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("\n")[-1].split("|")


def repository(tmp_path: Path, texts: HubTexts) -> Path:
    folder: Path = tmp_path / "served" / texts.hub_id
    return folder


@pytest.mark.parametrize("name", ["nq", "msmarco"])
def test_the_pinned_revision_is_fetched_once_from_a_hub(tmp_path: Path, name: str) -> None:
    if name == "nq":
        texts, last = NQ_TEXTS, PASSAGES[-1]
        parquet_as_on_the_hub(repository(tmp_path, texts))
        fetched = ["dev-00000-of-00002-4b.parquet", "dev-00001-of-00002-53.parquet"]
    else:
        texts, last = MSMARCO_TEXTS, "text 29"
        folder = repository(tmp_path, texts)
        folder.mkdir(parents=True)
        made(WEB).to_json(str(folder / "corpus.jsonl.gz"), compression="gzip")
        # Other people's code is neither run nor fetched.
        (folder / "msmarco-passage-corpus.py").write_text("raise SystemExit('run')")
        fetched = ["corpus.jsonl.gz"]
    with serving(tmp_path / "served") as (hub, asked):
        first = in_another_process(tmp_path, hub, name)
        second = in_another_process(tmp_path, hub, name, "offline")
    assert first[0] == str(2500 if name == "nq" else 30)
    assert first[1] == last
    assert first[2] == f"{texts.hub_id} {texts.split}, revision {texts.revision}"
    assert second == first
    assert sorted(Path(path).name for path in asked) == fetched


def test_a_hub_without_the_texts_is_told_in_one_line(tmp_path: Path) -> None:
    with serving(tmp_path) as (hub, _):
        said = in_another_process(tmp_path, hub, "nq")
    assert said[0] == "ServiceFailed"
    assert "jxm/nq_corpus_dpr: the hub does not deliver revision 156fa8faf1c9" in said[1]


@pytest.mark.slow  # its client tries for half a minute
def test_a_hub_that_is_gone_is_told_in_one_line(tmp_path: Path) -> None:
    with serving(tmp_path) as (hub, _):
        pass
    said = in_another_process(tmp_path, hub, "nq")
    assert said[0] == "ServiceFailed"
    assert "jxm/nq_corpus_dpr: the hub does not deliver revision 156fa8faf1c9" in said[1]


def test_half_a_snapshot_in_the_cache_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    folder = repository(tmp_path, NQ_TEXTS)
    parquet_as_on_the_hub(folder)
    with serving(tmp_path / "served") as (hub, _):
        in_another_process(tmp_path, hub, "nq")
    for path in (tmp_path / "hf").rglob("dev-00001-of-00002-53.parquet"):
        path.unlink()
    said = in_another_process(tmp_path, hub, "nq", "offline")
    assert said[0] == "BadInput"
    assert "is not in the hub's cache" in said[1]
    shutil.rmtree(tmp_path / "hf")
