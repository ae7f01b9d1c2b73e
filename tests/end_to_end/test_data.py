"""``v2t-bench data``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive_server import Mirror, mirroring
from beir_archive import beir_files, offer, zipped
from end_to_end.commands import Invoke, refused


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    archives = {
        "scifact.zip": zipped(beir_files("scifact")),
        "msmarco.zip": zipped(beir_files("msmarco", splits=("dev", "test"))),
    }
    for name, content in archives.items():
        offer(monkeypatch, name, content)
    with mirroring(archives) as mirror:
        monkeypatch.setenv("V2T_BENCH_BEIR_URL", mirror.address)
        yield mirror


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("V2T_BENCH_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def states(invoke: Invoke) -> dict[str, str]:
    done = invoke("data", "list", "--json")
    assert done.status == 0
    return {line["name"]: line["state"] for line in json.loads(done.out)["collections"]}


def test_a_collection_is_fetched_listed_and_verified(mirror: Mirror, invoke: Invoke) -> None:
    assert states(invoke)["beir:scifact"] == "not here"
    done = invoke("data", "get", "scifact")
    assert done.status == 0, done.err
    assert "terms: BEIR distributes its collections without vouching" in done.err
    assert states(invoke)["beir:scifact"] == "here"
    verified = invoke("data", "verify")
    assert (verified.status, verified.out) == (0, "beir:scifact: as it was unpacked\n")
    again = invoke("data", "get", "beir:scifact")
    assert (again.status, "already in" in again.err, "terms" in again.err) == (0, True, False)
    assert len(mirror.asked) == 1


def test_an_interrupted_download_goes_on(mirror: Mirror, invoke: Invoke) -> None:
    mirror.cut_after = [100]
    mirror.statuses = []
    done = invoke("data", "get", "scifact")
    assert done.status == 0, done.err
    assert "trying again" in done.err


def test_both_splits_of_msmarco_are_one_download(mirror: Mirror, invoke: Invoke) -> None:
    assert invoke("data", "get", "beir:msmarco", "msmarco-dl19").status == 0
    assert len(mirror.asked) == 1


def test_damage_is_found_by_file_and_fails(mirror: Mirror, invoke: Invoke, data_dir: Path) -> None:
    invoke("data", "get", "scifact")
    corpus = data_dir / "beir" / "scifact" / "corpus.jsonl"
    corpus.write_bytes(corpus.read_bytes().replace(b"text", b"TEXT", 1))
    (data_dir / "beir" / "scifact" / "qrels" / "test.tsv").unlink()
    for names in ([], ["scifact"], ["beir:scifact"]):
        done = invoke("data", "verify", *names)
        assert done.status == 1
        assert done.out.startswith("beir:scifact: damaged\n")
        assert f"{corpus}: has another sha256" in done.out
        assert "test.tsv: is missing" in done.out


def test_what_is_not_here_or_was_never_recorded_is_told(invoke: Invoke, data_dir: Path) -> None:
    data_dir.mkdir()
    done = invoke("data", "verify", "fiqa")
    assert (done.status, done.out) == (0, "beir:fiqa: not here\n")
    folder = data_dir / "beir" / "fiqa"
    folder.mkdir(parents=True)
    done = invoke("data", "verify", "fiqa")
    assert done.out == "beir:fiqa: here; nothing was recorded to compare it with\n"


def test_a_data_folder_that_does_not_exist_is_told(invoke: Invoke, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    refused(invoke("data", "verify", "--data-dir", nowhere), f"{nowhere}: there is no such folder")
    done = invoke("data", "list", "--json", "--data-dir", nowhere)
    assert (done.status, len(done.err.splitlines())) == (0, 1)
    assert done.err.startswith(f"{nowhere}: there is no such folder")
    assert json.loads(done.out)["data_dir"] == str(nowhere)
    assert not nowhere.exists()


def test_all_of_beir_is_verified_by_its_name(mirror: Mirror, invoke: Invoke) -> None:
    invoke("data", "get", "scifact")
    done = invoke("data", "verify", "beir")
    assert done.status == 0
    lines = done.out.splitlines()
    # Fifteen collections, one of them twelve forums.
    assert len(lines) == 26
    assert "beir:scifact: as it was unpacked" in lines
    assert "beir:fiqa: not here" in lines


@pytest.mark.parametrize("number", range(4))
def test_a_record_that_cannot_be_read_is_damage_and_the_others_are_verified(
    mirror: Mirror, invoke: Invoke, data_dir: Path, number: int
) -> None:
    invoke("data", "get", "msmarco-dl19", "scifact")
    manifest = data_dir / "beir" / "msmarco" / "manifest.json"
    name = ["a\ud800b", "x" * 5000, "", ""][number]
    text = json.dumps({"files": {name: {"bytes": 1, "sha256": "0"}}}) if name else "[" * 200_000
    manifest.unlink()
    if number == 3:
        manifest.symlink_to("manifest.json")
    else:
        manifest.write_text(text)
    done = invoke("data", "verify", "msmarco", "scifact")
    assert done.status == 1, done.err
    assert done.out.startswith("beir:msmarco: damaged\n")
    assert done.out.endswith("beir:scifact: as it was unpacked\n")


@pytest.mark.parametrize("text", ["[" * 200_000, "[1, null]", "[[]]", "3"])
def test_terms_are_shown_where_it_cannot_be_read_whether_they_were(
    mirror: Mirror, invoke: Invoke, data_dir: Path, text: str
) -> None:
    data_dir.mkdir()
    (data_dir / "terms-shown.json").write_text(text)
    done = invoke("data", "get", "scifact")
    assert (done.status, "terms: BEIR distributes" in done.err) == (0, True)


@pytest.mark.parametrize(
    "url",
    ["nowhere", "ftp://me:secret@127.0.0.1", "http://", "http://a b", "http://me:secret@h:port"],
)
def test_a_mirror_that_is_no_http_address_is_refused_before_anything_is_done(
    invoke: Invoke, data_dir: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("V2T_BENCH_BEIR_URL", url)
    for name in ("scifact", "nq", "beir"):
        done = invoke("data", "get", name)
        refused(done, "V2T_BENCH_BEIR_URL=", "is no http address")
        assert len(done.err.splitlines()) == 1
        assert "secret" not in done.err
    assert not data_dir.exists()


def test_a_password_of_a_mirror_is_not_printed(
    mirror: Mirror, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2T_BENCH_BEIR_URL", mirror.address.replace("//", "//me:secret@"))
    done = invoke("data", "get", "scifact")
    assert done.status == 0, done.err
    assert "fetching http://***@127.0.0.1" in done.err
    assert "secret" not in done.err


def test_a_wrong_checksum_is_told_in_one_line(mirror: Mirror, invoke: Invoke) -> None:
    mirror.files["scifact.zip"] = mirror.files["msmarco.zip"]
    refused(invoke("data", "get", "scifact"), "scifact.zip: what came has md5", "another mirror")


def test_nothing_is_fetched_offline(mirror: Mirror, invoke: Invoke, data_dir: Path) -> None:
    done = invoke("data", "get", "scifact", "--offline")
    refused(done, f"{data_dir / 'beir' / 'scifact'}: there is no such folder", "data get")
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["get", "scifac"], "did you mean 'beir:scifact'"),
        (["get", "scifact", "nowhere"], "no collection of BEIR is called 'nowhere'"),
        (["get", "\u0441cifact"], "CYRILLIC SMALL LETTER ES"),
        (["get", "robust04"], "https://trec.nist.gov/data/cd45"),
        (["get", "mimic"], "physionet.org"),
        (["verify", "scifac"], "did you mean 'beir:scifact'"),
        (["prepare", "nq-25k"], "cannot be rebuilt from ids"),
        (["prepare", "msmarco-dl19-dl20-30k"], "takes --topics"),
        (["prepare", "nothing"], "no subset is called 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    mirror: Mirror, invoke: Invoke, arguments: list[str], expected: str
) -> None:
    refused(invoke("data", *arguments), expected)
    assert mirror.asked == []


def test_every_collection_is_listed_with_what_it_takes(invoke: Invoke) -> None:
    done = invoke("data", "list", "--json")
    lines = {line["name"]: line for line in json.loads(done.out)["collections"]}
    # The row of the table in BEIR's README, and the size that ir_datasets records.
    assert lines["beir:msmarco"]["queries"] == 6980
    assert lines["beir:msmarco"]["split"] == "dev"
    assert lines["beir:msmarco"]["bytes_to_fetch"] == 1_082_258_632
    assert {"nq", "msmarco", "nq-25k", "msmarco-dl19-dl20-30k", "beir:cqadupstack/tex"} < set(lines)
    assert all(line["licence"] for line in lines.values())
    printed = invoke("data", "list")
    assert printed.status == 0
    assert all(name in printed.out for name in lines)


def test_another_or_damaged_stand_in_is_found(invoke: Invoke, data_dir: Path) -> None:
    folder = data_dir / "ir" / "nq"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("{}")
    (folder / "queries.jsonl").write_text("{}")
    done = invoke("data", "verify")
    assert done.status == 1
    assert done.out.startswith("nq-25k: damaged or another\n")
    assert f"{folder / 'corpus.jsonl'}: holds sha256 44136fa355b3" in done.out  # of {}
    assert "test.tsv" in done.out


def test_generated_notes_are_made_by_a_verb_of_data(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("data", "make-noteevents", tmp_path / "NOTEEVENTS.csv", "--n-notes", 5)
    assert done.status == 0, done.err
    assert (tmp_path / "NOTEEVENTS.csv").read_text().startswith('"ROW_ID","SUBJECT_ID"')
    assert "make-noteevents" in invoke("data", "--help").out


def test_a_data_folder_that_is_a_file_is_refused(
    mirror: Mirror, invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = invoke("data", "get", "scifact", "--data-dir", tmp_path / "file")
    refused(done, "is a file")
