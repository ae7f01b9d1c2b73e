"""Collections that are opened by name: from the data folder, or fetched into it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archive_server import Mirror, mirroring
from beir_archive import beir_files, offer, zipped
from v2t_bench.corpora import beir_folders, open_corpora
from v2t_bench.corpora.catalogue import PUBLIC
from v2t_bench.corpora.records import Corpus
from v2t_bench.corpora.sources import Sources
from v2t_bench.errors import BadInput, CorruptArtifact, ServiceFailed, UnknownComponent


def public_archives() -> dict[str, bytes]:
    """Return a small archive for each that is offered."""
    forums = ("android", "english", "gaming", "gis", "mathematica", "physics", "programmers",
              "stats", "tex", "unix", "webmasters", "wordpress")  # fmt: skip
    cqadupstack: dict[str, str] = {}
    for forum in forums:
        cqadupstack |= beir_files(f"cqadupstack/{forum}")
    names = [name for name in PUBLIC if name not in ("cqadupstack", "msmarco", "scifact")]
    return {
        "scifact.zip": zipped(beir_files("scifact", splits=("test", "train"))),
        "msmarco.zip": zipped(beir_files("msmarco", splits=("dev", "test", "train"))),
        "cqadupstack.zip": zipped(cqadupstack),
        **{f"{name}.zip": zipped(beir_files(name)) for name in names},
    }


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror of small collections that the catalogue knows."""
    archives = public_archives()
    for name, content in archives.items():
        offer(monkeypatch, name, content)
    with mirroring(archives) as mirror:
        monkeypatch.setenv("V2T_BENCH_BEIR_URL", mirror.address + "/")
        yield mirror


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def sources(tmp_path: Path, told: list[str]) -> Sources:
    return Sources(data_dir=tmp_path / "data", tell=told.append)


def offline(data_dir: Path) -> Sources:
    return Sources(data_dir=data_dir, offline=True)


def write_folder(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name.partition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_missing_collection_is_fetched_once(
    mirror: Mirror, sources: Sources, told: list[str]
) -> None:
    [corpus] = open_corpora("beir:scifact", sources)
    assert (corpus.name, corpus.split) == ("beir:scifact", "test")
    assert len(corpus.documents) == len(corpus.queries) == 5
    assert not corpus.redistributable
    assert any(line.startswith("fetching http://") for line in told)
    assert [*open_corpora("beir:scifact", sources)[0].documents] == [*corpus.documents]
    assert len(mirror.asked) == 1
    beir = sources.data_dir / "beir"
    assert not (beir / "scifact.zip").exists()  # unpacked, it would only take room


def test_of_two_at_a_time_one_fetches(mirror: Mirror, sources: Sources) -> None:
    mirror.silent_s = 0.3
    with ThreadPoolExecutor() as pool:
        opened = pool.map(lambda _: open_corpora("beir:scifact", sources)[0].fingerprint, range(3))
        assert len(set(opened)) == 1
    assert len(mirror.asked) == 1


def test_a_process_killed_while_unpacking_leaves_no_folder(
    mirror: Mirror, sources: Sources
) -> None:
    beir = sources.data_dir / "beir"
    beir.mkdir(parents=True)
    archive = beir / "scifact.zip"
    archive.write_bytes(mirror.files["scifact.zip"])
    code = (
        "import os, sys; from pathlib import Path; from v2t_bench.corpora import archives\n"
        # Killed as soon as everything is written, before the folder gets its name.
        "archives._record = lambda *given: os.kill(os.getpid(), 9)\n"
        "archives.unpack(Path(sys.argv[1]), Path(sys.argv[2]), origin={})"
    )
    bench = Path(__file__).resolve().parents[2] / "bench"
    killed = subprocess.run(
        [sys.executable, "-c", code, str(archive), str(beir / "scifact")],
        env={**os.environ, "PYTHONPATH": str(bench)}, check=False,
    )  # fmt: skip
    assert killed.returncode == -9
    assert [path.name for path in beir.iterdir() if path.is_dir()] == [".scifact.unpacking"]
    [corpus] = open_corpora("beir:scifact", offline(sources.data_dir))
    assert len(corpus.documents) == 5
    assert [path.name for path in beir.iterdir() if path.is_dir()] == ["scifact"]


def test_what_was_fetched_is_read_offline(mirror: Mirror, sources: Sources) -> None:
    [fetched] = open_corpora("beir:scifact", sources)
    [read] = open_corpora("beir:scifact", offline(sources.data_dir))
    assert read.fingerprint == fetched.fingerprint
    assert len(mirror.asked) == 1


def test_the_terms_are_told_once(mirror: Mirror, sources: Sources, told: list[str]) -> None:
    open_corpora("beir:scifact", sources)
    assert sum(line.startswith("terms: BEIR distributes") for line in told) == 1
    told.clear()
    open_corpora("beir:msmarco", sources)
    assert [line for line in told if line.startswith("terms: ")] == [
        "terms: MS MARCO: non-commercial research only (Microsoft's terms, msr-la-nc)"
    ]


def test_msmarco_is_measured_on_dev_and_msmarco_dl19_on_test(
    mirror: Mirror, sources: Sources
) -> None:
    [dev], [dl19] = (
        open_corpora("beir:msmarco", sources),
        open_corpora("beir:msmarco-dl19", sources),
    )
    assert (dev.name, dev.split, len(dev.queries)) == ("beir:msmarco", "dev", 5)
    assert (dl19.name, dl19.split, len(dl19.queries)) == ("beir:msmarco-dl19", "test", 4)
    assert len(mirror.asked) == 1


def test_cqadupstack_is_twelve_collections(mirror: Mirror, sources: Sources) -> None:
    opened = open_corpora("beir:cqadupstack", sources)
    assert [one.name for one in opened][:2] == ["beir:cqadupstack/android",
                                               "beir:cqadupstack/english"]  # fmt: skip
    assert len(opened) == 12
    [tex] = open_corpora("beir:cqadupstack/tex", offline(sources.data_dir))
    assert tex.documents[0].text == "text of cqadupstack/tex 0"
    assert len(mirror.asked) == 1


def test_only_where_queries_are_documents_a_query_is_left_out_of_its_ranking(
    mirror: Mirror, sources: Sources
) -> None:
    assert open_corpora("beir:arguana", sources)[0].queries_are_documents
    assert not open_corpora("beir:scifact", sources)[0].queries_are_documents


def test_beir_alone_is_every_public_collection(
    mirror: Mirror, sources: Sources, told: list[str]
) -> None:
    opened = open_corpora("beir", sources)
    assert len(opened) == 14 + 12  # CQADupStack is twelve
    assert {one.name.removeprefix("beir:").partition("/")[0] for one in opened} == set(PUBLIC)
    assert [one.split for one in opened if one.split != "test"] == ["dev"]
    # The sum of the sizes that ir_datasets records for the fifteen archives.
    assert told[0] == "beir: 15 archives are missing and are fetched, 11.17 GB together"
    assert len(mirror.asked) == 15
    assert len(open_corpora("beir", offline(sources.data_dir))) == 26


def test_offline_names_the_missing_folder_and_what_to_run(tmp_path: Path) -> None:
    folder = tmp_path / "beir" / "scifact"
    with pytest.raises(BadInput) as refused:
        open_corpora("beir:scifact", offline(tmp_path))
    assert str(refused.value).startswith(f"{folder}: there is no such folder")
    assert "v2t-bench data get beir:scifact" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nq", "msmarco", "beir", "mimic"])
def test_offline_every_dataset_says_what_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=rf"^{tmp_path}\S*: there is no such (folder|file).*"):
        open_corpora(name, offline(tmp_path))


def test_offline_all_of_beir_names_every_missing_collection(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"26 of 26 collections are missing: arguana, .*wordpress"):
        open_corpora("beir", offline(tmp_path))


def test_an_archive_put_there_by_hand_is_unpacked_offline(mirror: Mirror, sources: Sources) -> None:
    beir = sources.data_dir / "beir"
    beir.mkdir(parents=True)
    (beir / "scifact.zip").write_bytes(mirror.files["scifact.zip"])
    [corpus] = open_corpora("beir:scifact", offline(sources.data_dir))
    assert len(corpus.documents) == 5
    assert (beir / "scifact.zip").exists()  # it is the user's


def test_another_archive_put_there_by_hand_is_refused(mirror: Mirror, sources: Sources) -> None:
    beir = sources.data_dir / "beir"
    beir.mkdir(parents=True)
    (beir / "scifact.zip").write_bytes(mirror.files["arguana.zip"])
    with pytest.raises(BadInput, match=r"scifact\.zip: has md5 .*; expected .*another version"):
        open_corpora("beir:scifact", offline(sources.data_dir))


def test_an_archive_of_another_collection_under_its_checksum_is_refused(
    mirror: Mirror, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files["cqadupstack.zip"] = zipped({"cqadupstack/android/corpus.jsonl": "x\n",
                                              "cqadupstack/readme.txt": "x"})  # fmt: skip
    offer(monkeypatch, "cqadupstack.zip", mirror.files["cqadupstack.zip"])
    with pytest.raises(BadInput, match="is there and holds no cqadupstack/tex"):
        open_corpora("beir:cqadupstack/tex", sources)


def test_an_error_page_instead_of_the_archive_is_refused(mirror: Mirror, sources: Sources) -> None:
    mirror.files["scifact.zip"] = b"<html>moved</html>"
    with pytest.raises(ServiceFailed, match="has md5"):
        open_corpora("beir:scifact", sources)
    assert [path.name for path in (sources.data_dir / "beir").iterdir()] == ["scifact.zip.lock"]


def test_a_damaged_archive_leaves_no_folder(
    mirror: Mirror, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files["scifact.zip"] = mirror.files["scifact.zip"][:-40]
    offer(monkeypatch, "scifact.zip", mirror.files["scifact.zip"])
    with pytest.raises(CorruptArtifact, match="is damaged or no zip"):
        open_corpora("beir:scifact", sources)
    assert not (sources.data_dir / "beir" / "scifact").exists()


@pytest.mark.parametrize("name", ["bioasq", "signal1m", "trec-news", "robust04"])
def test_a_licensed_collection_says_who_gives_it_and_is_read_from_a_folder(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadInput, match=r"may not be offered for download; .*http"):
        open_corpora(f"beir:{name}", Sources(data_dir=tmp_path))
    write_folder(tmp_path / "beir" / name, beir_files(name))
    [corpus] = open_corpora(f"beir:{name}", Sources(data_dir=tmp_path))
    assert corpus.name == f"beir:{name}"


def test_a_folder_of_the_same_name_is_passed_over_and_that_is_told(
    mirror: Mirror, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "scifact", beir_files("scifact", n=3))
    [corpus] = open_corpora("beir:scifact", sources)
    assert len(corpus.documents) == 5
    assert "not ./scifact, which is beir:./scifact" in corpus.notices[0]
    [own] = open_corpora("beir:./scifact", sources)
    assert (own.name, len(own.documents)) == ("beir:scifact", 3)
    with pytest.raises(BadInput, match=r"data get beir:scifact.*which is beir:\./scifact"):
        open_corpora("beir:scifact", offline(tmp_path / "elsewhere"))


def test_a_folder_in_this_folder_needs_no_separator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "mine", beir_files("mine"))
    assert open_corpora("beir:mine", offline(tmp_path))[0].name == "beir:mine"


@pytest.mark.parametrize(
    ("spelling", "near"),
    [
        ("beir:scifac", "'beir:scifact'"),
        ("beir:SciFact", "'beir:scifact'"),
        ("beir:nfcorpos", "'beir:nfcorpus'"),
        ("beir:touche2020", "'beir:webis-touche2020'"),
        ("beir:\u0441cifact", "'beir:scifact'"),  # Cyrillic es
        ("beir:\uff53\uff43\uff49\uff46\uff41\uff43\uff54", "'beir:scifact'"),  # wide letters
    ],
)
def test_a_misspelt_collection_is_answered_with_the_nearest(
    tmp_path: Path, spelling: str, near: str
) -> None:
    with pytest.raises(UnknownComponent, match=f"did you mean {near}"):
        open_corpora(spelling, offline(tmp_path))


def test_letters_that_look_like_others_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownComponent, match="'\u0441' is CYRILLIC SMALL LETTER ES"):
        open_corpora("beir:\u0441cifact", offline(tmp_path))
    with pytest.raises(UnknownComponent, match=r"'\u0435' is CYRILLIC SMALL LETTER IE.*'demo'"):
        open_corpora("d\u0435mo", offline(tmp_path))


def test_a_path_that_is_no_folder_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such folder"):
        open_corpora("beir:./scifact-2", offline(tmp_path))


def stand_in(folder: Path, files: dict[str, str]) -> Path:
    """Write a collection in the layout of the stand-ins: the corpus is compressed."""
    write_folder(folder, files)
    corpus = folder / "corpus.jsonl"
    corpus.with_name("corpus.jsonl.gz").write_bytes(gzip.compress(corpus.read_bytes()))
    corpus.unlink()
    return folder


def test_a_stand_in_with_other_texts_is_not_called_by_the_pinned_name(tmp_path: Path) -> None:
    stand_in(tmp_path / "ir" / "nq", beir_files("nq"))
    [corpus] = open_corpora("nq", offline(tmp_path))
    assert corpus.name == "nq-25k-local"
    assert corpus.flags == ("stand-in", "not-rebuildable")
    assert "does not hold what is called nq-25k" in corpus.notices[-1]


def test_other_clinical_notes_are_not_called_by_the_pinned_names(tmp_path: Path) -> None:
    folder = tmp_path / "clinical"
    folder.mkdir()
    note = {"_id": "n", "note": "Ann coughs.", "text": "Ann coughs.", "first": "A", "last": "B"}
    for name in ("aci_bench", "mtsamples"):
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(json.dumps(note).encode()))
    opened = open_corpora("mimic", offline(tmp_path))
    assert [one.name for one in opened] == ["aci-bench-local", "mtsamples-local"]


def test_the_full_collection_comes_before_its_stand_in(tmp_path: Path) -> None:
    stand_in(tmp_path / "ir" / "scifact", beir_files("scifact", n=3))
    assert open_corpora("beir:scifact", offline(tmp_path))[0].name == "beir:scifact-local"
    write_folder(tmp_path / "beir" / "scifact", beir_files("scifact"))
    [corpus] = open_corpora("beir:scifact", offline(tmp_path))
    assert (corpus.name, len(corpus.documents)) == ("beir:scifact", 5)


def test_beside_stand_ins_all_of_beir_is_what_is_there(tmp_path: Path, told: list[str]) -> None:
    stand_in(tmp_path / "ir" / "scifact", beir_files("scifact", n=3))
    write_folder(tmp_path / "beir" / "fiqa", beir_files("fiqa"))
    opened = open_corpora("beir", Sources(data_dir=tmp_path, tell=told.append))
    assert [one.name for one in opened] == ["beir:fiqa", "beir:scifact-local"]
    assert told == [
        f"beir: 2 of 26 collections are in {tmp_path}; the others are fetched only when named"
    ]


def test_a_truncated_stand_in_is_told_with_its_file(tmp_path: Path) -> None:
    folder = stand_in(tmp_path / "ir" / "nq", beir_files("nq"))
    packed = folder / "corpus.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(BadInput, match=r"corpus\.jsonl\.gz:\d+: the compressed stream ends"):
        open_corpora("nq", offline(tmp_path))


@pytest.mark.filterwarnings("ignore")  # the loader leaves a file open
def test_the_beir_package_unpacks_and_reads_the_same(
    mirror: Mirror, sources: Sources, tmp_path: Path
) -> None:
    from beir.datasets.data_loader import GenericDataLoader
    from beir.util import download_and_unzip

    [ours] = open_corpora("beir:scifact", sources)
    folder = download_and_unzip(f"{mirror.address}/scifact.zip", str(tmp_path / "theirs"))
    documents, queries, judgements = GenericDataLoader(folder).load(split="test")
    assert {one.id: {"title": one.title, "text": one.text} for one in ours.documents} == documents
    assert (dict(ours.queries), dict(ours.judgements)) == (queries, judgements)


@pytest.mark.data
@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("nq", [("nq-25k", 25_000, 2_655)]),
        ("msmarco", [("msmarco-dl19-dl20-30k", 30_005, 97)]),
        ("beir", [("beir:arguana", 8_674, 1_406), ("beir:nfcorpus", 3_633, 323),
                  ("beir:scifact", 5_183, 300)]),
        ("mimic", [("aci-bench", 207, 0), ("mtsamples", 2_376, 0)]),
    ],
)  # fmt: skip
def test_the_public_stand_ins_are_recognised(
    shared_data: Path, spelling: str, expected: list[tuple[str, int, int]]
) -> None:
    opened: tuple[Corpus, ...] = open_corpora(spelling, offline(shared_data))
    # Counts as the README of the folder has them.
    assert [(one.name, len(one.documents), len(one.queries)) for one in opened] == expected
    marked: dict[str, set[str]] = {"beir": set(), "mimic": {"stand-in", "known-item"}}
    expected_flags = marked.get(spelling, {"stand-in", "not-rebuildable"})
    assert all(set(one.flags) == expected_flags for one in opened)


def test_what_was_recorded_when_unpacking_is_the_sha256_of_the_files(
    mirror: Mirror, sources: Sources
) -> None:
    import hashlib

    open_corpora("beir:scifact", sources)
    folder = sources.data_dir / "beir" / "scifact"
    manifest = json.loads((folder / "manifest.json").read_text())
    text = (folder / "corpus.jsonl").read_bytes()
    assert manifest["files"]["corpus.jsonl"]["sha256"] == hashlib.sha256(text).hexdigest()
    assert set(manifest["files"]) == {
        "corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "qrels/train.tsv",
    }  # fmt: skip


def test_an_empty_mirror_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2T_BENCH_BEIR_URL", "")
    assert beir_folders.mirror() == beir_folders.DEFAULT_URL


def test_a_collection_is_opened_from_no_mirror_that_is_no_http_address(
    sources: Sources, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2T_BENCH_BEIR_URL", "file:///srv/beir")
    with pytest.raises(BadInput, match="is no http address"):
        open_corpora("beir:scifact", sources)
    assert told == []
    assert not sources.data_dir.exists()
