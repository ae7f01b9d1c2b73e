"""Fetching a large file: nothing fetched is lost, nothing wrong is kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from archive_server import Mirror, mirroring
from v2t_bench.corpora.downloads import Patience, download
from v2t_bench.errors import BadInput, ServiceFailed

CONTENT = Random(1).randbytes(3_000_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
CHUNK = 2**16
HASTE = Patience(timeout_s=5, tries=3, wait_s=0.01)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with mirroring({"big.zip": CONTENT}) as mirror:
        yield mirror


@pytest.fixture
def told() -> list[str]:
    return []


def fetch(mirror: Mirror, folder: Path, told: list[str], *, md5: str = MD5) -> Path:
    url = f"{mirror.address}/big.zip"
    return download(url, folder / "big.zip", md5=md5, tell=told.append, patience=HASTE)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_nothing_else_stays(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT
    assert names(tmp_path) == ["big.zip"]
    assert mirror.asked == [("big.zip", "")]


def test_a_connection_that_is_cut_is_taken_up_where_it_ended(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.cut_after = [16 * CHUNK, 8 * CHUNK]
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT
    spans = [int(span.strip("bytes=-") or 0) for _, span in mirror.asked]
    assert spans == [0, 16 * CHUNK, 24 * CHUNK]


def test_a_later_process_takes_up_what_an_earlier_one_left(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.cut_after = [16 * CHUNK, 0, 0]
    with pytest.raises(ServiceFailed, match=r"1048576 bytes are here.*goes on where it stopped"):
        fetch(mirror, tmp_path, told)
    assert names(tmp_path) == ["big.zip.partial", "big.zip.partial.json"]
    mirror.asked.clear()
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT
    assert mirror.asked == [("big.zip", "bytes=1048576-")]


def test_another_mirror_goes_on_where_the_first_ended(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.cut_after = [16 * CHUNK, 0, 0]
    with pytest.raises(ServiceFailed):
        fetch(mirror, tmp_path, told)
    with mirroring({"big.zip": CONTENT}) as other:
        other.etag = '"another"'
        assert fetch(other, tmp_path, told).read_bytes() == CONTENT
        assert other.asked == [("big.zip", f"bytes={16 * CHUNK}-")]


def test_another_mirror_with_another_file_starts_anew(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.files["big.zip"] = CONTENT[:-1]
    mirror.cut_after = [16 * CHUNK, 0, 0]
    with pytest.raises(ServiceFailed):
        fetch(mirror, tmp_path, told)
    with mirroring({"big.zip": CONTENT}) as other:
        assert fetch(other, tmp_path, told).read_bytes() == CONTENT
        assert [span for _, span in other.asked] == [f"bytes={16 * CHUNK}-", ""]


def test_a_download_that_was_killed_is_taken_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.cut_after = [24 * CHUNK]
    code = (
        "import sys; from pathlib import Path; from v2t_bench.corpora.downloads import *\n"
        "download(sys.argv[1], Path(sys.argv[2]), md5=sys.argv[3], tell=lambda line: None,"
        " patience=Patience(wait_s=600))"
    )
    arguments = [f"{mirror.address}/big.zip", str(tmp_path / "big.zip"), MD5]
    bench = Path(__file__).resolve().parents[2] / "bench"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": str(bench)}
    )
    partial = tmp_path / "big.zip.partial"
    end = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size == 24 * CHUNK):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert fetch(mirror, tmp_path, []).read_bytes() == CONTENT
    assert mirror.asked[-1] == ("big.zip", f"bytes={24 * CHUNK}-")


def test_a_server_without_ranges_sends_it_anew(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.ranges = False
    mirror.cut_after = [16 * CHUNK]
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT
    assert any("from its start" in line for line in told)


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.files["big.zip"] = CONTENT[::-1]
    mirror.cut_after = [16 * CHUNK, 0, 0]
    with pytest.raises(ServiceFailed):
        fetch(mirror, tmp_path, told)
    mirror.files["big.zip"], mirror.etag = CONTENT, '"v2"'
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT


def test_a_file_that_changed_under_the_same_etag_is_noticed_by_its_checksum(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.files["big.zip"] = CONTENT[::-1]
    mirror.cut_after = [16 * CHUNK, 0, 0]
    with pytest.raises(ServiceFailed):
        fetch(mirror, tmp_path, told)
    mirror.files["big.zip"] = CONTENT
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT
    assert any("another md5 after resuming" in line for line in told)


def test_a_wrong_checksum_is_refused_and_not_kept(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    with pytest.raises(ServiceFailed, match=f"has md5 {MD5} .*; expected {'0' * 32}; it was remov"):
        fetch(mirror, tmp_path, told, md5="0" * 32)
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_server_that_refuses_is_told_with_its_answer_and_not_asked_again(
    mirror: Mirror, tmp_path: Path, told: list[str], status: int
) -> None:
    mirror.statuses = [status]
    with pytest.raises(ServiceFailed, match=f"big.zip: the server answers {status}"):
        fetch(mirror, tmp_path, told)
    assert len(mirror.asked) == 1
    assert names(tmp_path) == []


def test_a_server_that_is_busy_is_asked_again(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.statuses = [503, 429]
    assert fetch(mirror, tmp_path, told).read_bytes() == CONTENT
    assert any("503" in line for line in told)


def test_a_server_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with mirroring({}) as gone:
        url = f"{gone.address}/big.zip"
    said = r"the connection failed \(Failed to .*\) \(tried 3 times.*run the same"
    with pytest.raises(ServiceFailed, match=said) as caught:
        download(url, tmp_path / "big.zip", md5=MD5, tell=print, patience=HASTE)
    assert "Max retries" not in str(caught.value)


def test_a_host_that_has_no_address_is_told_in_few_words(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match=r"failed \(Failed to resolve 'no\.invalid' \(\["):
        download(
            "https://no.invalid/big.zip", tmp_path / "big.zip", md5=MD5, tell=print,
            patience=Patience(timeout_s=5, tries=1),
        )  # fmt: skip


def test_a_proxy_that_is_not_there_is_told_as_one(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirroring({}) as gone:
        monkeypatch.setenv("http_proxy", gone.address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServiceFailed, match=r"the proxy failed \(Failed to establish"):
        fetch(mirror, tmp_path, [])


def test_a_password_in_an_address_is_used_and_shown_nowhere(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    url = mirror.address.replace("//", "//me:secret@") + "/big.zip"
    mirror.cut_after = [16 * CHUNK, 0, 0]
    with pytest.raises(ServiceFailed, match=r"http://\*\*\*@.*/big\.zip: the conn") as caught:
        download(url, tmp_path / "big.zip", md5=MD5, tell=told.append, patience=HASTE)
    kept = (tmp_path / "big.zip.partial.json").read_text()
    assert told
    assert not [text for text in (*told, str(caught.value), kept) if "secret" in text]
    download(url, tmp_path / "big.zip", md5=MD5, tell=told.append, patience=HASTE)
    assert (tmp_path / "big.zip").read_bytes() == CONTENT
    assert mirror.asked[-1] == ("big.zip", f"bytes={16 * CHUNK}-")


def test_a_server_that_says_nothing_is_told(
    mirror: Mirror, tmp_path: Path, told: list[str]
) -> None:
    mirror.silent_s = 0.5
    with pytest.raises(ServiceFailed, match=r"no answer within 0\.1 s"):
        download(
            f"{mirror.address}/big.zip", tmp_path / "big.zip", md5=MD5, tell=told.append,
            patience=Patience(timeout_s=0.1, tries=2, wait_s=0.01),
        )  # fmt: skip


@pytest.mark.parametrize("url", ["nowhere/big.zip", "ftp://127.0.0.1/big.zip"])
def test_an_address_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(ServiceFailed, match="expected an http address"):
        download(url, tmp_path / "big.zip", md5=MD5, tell=print, patience=HASTE)


def test_more_than_the_disk_holds_is_not_begun(
    mirror: Mirror, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(BadInput, match=r"needs 3\.0 MB in .*, where 0\.0 MB are free; make room"):
        fetch(mirror, tmp_path, told)


def test_a_disk_that_fills_up_keeps_what_is_there(mirror: Mirror, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from v2t_bench.corpora.downloads import *; from v2t_bench.errors import BadInput\n"
        # A limit on the size of a file stands in for a full disk.
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, resource.RLIM_INFINITY))\n"
        "try: download(sys.argv[1], Path(sys.argv[2]), md5='', tell=print)\n"
        "except BadInput as error: print(error)\n"
    )
    arguments = [f"{mirror.address}/big.zip", str(tmp_path / "big.zip")]
    bench = Path(__file__).resolve().parents[2] / "bench"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(bench)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "the disk is full; make room and run the same command again" in done.stdout
    assert fetch(mirror, tmp_path, []).read_bytes() == CONTENT
    assert mirror.asked[-1][1].startswith("bytes=1")


def test_a_folder_that_cannot_be_written_to_is_told(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be written .*--data-dir"):
        fetch(mirror, tmp_path / "file", [])
