"""Unpacking a zip that somebody else made."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from v2t_bench.corpora.archives import MANIFEST, unpack
from v2t_bench.errors import BadInput, CorruptArtifact

FILES = {"scifact/corpus.jsonl": "one\n", "scifact/qrels/test.tsv": "two\n"}


def write_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            opened.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_that_holds_everything_is_left_out_of_the_paths(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {**FILES, "__MACOSX/scifact/._corpus.jsonl": "x"})
    unpack(archive, tmp_path / "here", origin={"md5": "m"})
    assert (tmp_path / "here" / "corpus.jsonl").read_text() == "one\n"
    assert (tmp_path / "here" / "qrels" / "test.tsv").read_text() == "two\n"
    assert left(tmp_path / "here") == ["corpus.jsonl", MANIFEST, "qrels"]
    assert left(tmp_path) == ["a.zip", "here"]


def test_every_file_is_recorded_with_its_sha256(tmp_path: Path) -> None:
    unpack(write_zip(tmp_path / "a.zip", FILES), tmp_path / "here", origin={"md5": "m"})
    sha256 = hashlib.sha256(b"one\n").hexdigest()
    manifest = json.loads((tmp_path / "here" / MANIFEST).read_text())
    assert manifest["origin"] == {"md5": "m"}
    assert manifest["files"]["corpus.jsonl"] == {"bytes": 4, "sha256": sha256}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "scifact/../../evil.txt",
        "/tmp-evil.txt",
        "C:/evil.txt",
        "scifact\\..\\evil.txt",
        "scifact//evil.txt",
        "./evil.txt",
        "scifact/a\0b",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    # zipfile cuts names at a NUL byte when it writes too, so it is put in afterwards.
    archive = write_zip(tmp_path / "a.zip", {**FILES, name.replace("\0", "#"): "evil"})
    archive.write_bytes(archive.read_bytes().replace(b"a#b", b"a\0b"))
    with pytest.raises(BadInput, match=r"leaves the folder; .* so nothing was unpacked"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]
    assert not list(tmp_path.parent.glob("*evil*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("scifact/corpus.jsonl", "one")
        link = zipfile.ZipInfo("scifact/queries.jsonl")
        link.external_attr = (kind | 0o777) << 16
        opened.writestr(link, "../../etc/passwd")
    with pytest.raises(BadInput, match="is a link or a device"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


def test_the_name_in_an_extra_field_is_looked_at_too(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        entry = zipfile.ZipInfo("scifact/corpus.jsonl")
        name = b"../evil.txt"  # Info-ZIP Unicode Path, which later versions of Python heed
        crc = zlib.crc32(entry.filename.encode())
        entry.extra = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, crc) + name
        opened.writestr(entry, "one")
    with suppress(BadInput):  # of a version that heeds it
        unpack(archive, tmp_path / "here", origin={})
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "a\u202eb", "a\u2028b"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.zip", {**FILES, f"scifact/{name}": "x"})
    with pytest.raises(BadInput, match=r"a\.zip: .* holds control characters") as caught:
        unpack(archive, tmp_path / "here", origin={})
    assert str(caught.value).isprintable()
    assert left(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("name", ["x" * 300, "\u00e9" * 128, "/".join(["x" * 250] * 20)])
def test_a_path_that_no_file_can_have_is_blamed_on_the_archive(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.zip", {**FILES, f"scifact/{name}": "x"})
    with pytest.raises(BadInput, match=r"a\.zip: the path .* nothing was unpacked") as caught:
        unpack(archive, tmp_path / "here", origin={})
    assert len(str(caught.value)) < 1000
    assert left(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b", "A"), ("c/a", "c/a/b/c")])
def test_a_file_that_is_a_folder_too_is_blamed_on_the_archive(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    files = {f"scifact/{name}": "x" for name in names}
    archive = write_zip(tmp_path / "a.zip", {**FILES, **files})
    with pytest.raises(BadInput, match=r"a\.zip: holds .*(as a file and as a folder|by case)"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


@pytest.mark.parametrize(
    "names",
    [
        ("qrels/a.tsv", "Qrels/b.tsv"),
        ("caf\u00e9/a.tsv", "cafe\u0301/b.tsv"),
        ("caf\u00e9.tsv", "cafe\u0301.tsv"),
        ("CAF\u00c9.tsv", "cafe\u0301.tsv"),
    ],
)
def test_paths_that_are_one_on_some_systems_are_refused(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    files = {f"top/{name}": "x" for name in names}
    archive = write_zip(tmp_path / "a.zip", {"top/corpus.jsonl": "one", **files})
    with pytest.raises(BadInput, match=r"differ only by case or by how accents are encoded"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_are_one_on_some_systems_are_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {**FILES, "scifact/Corpus.jsonl": "other"})
    with pytest.raises(BadInput, match="differ only by case"):
        unpack(archive, tmp_path / "here", origin={})
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as opened:
        opened.writestr("scifact/corpus.jsonl", "one")
        opened.writestr("scifact/corpus.jsonl", "two")
    with pytest.raises(BadInput, match="holds a path twice"):
        unpack(tmp_path / "b.zip", tmp_path / "here", origin={})


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"scifact/corpus.jsonl": "0" * 20_000_000})
    with pytest.raises(BadInput, match=r"would unpack to 20\.0 MB, more than 100 times its size"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


def test_an_entry_that_holds_more_than_it_says_is_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"scifact/corpus.jsonl": "0" * 70_000})
    size = (70_000).to_bytes(4, "little")
    lied = archive.read_bytes().replace(size, (10).to_bytes(4, "little"))
    archive.write_bytes(lied)
    with pytest.raises(CorruptArtifact, match="is damaged or no zip"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("cut", [10, 100, 150])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    archive = write_zip(tmp_path / "a.zip", FILES)
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(CorruptArtifact, match="remove it and fetch it again"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


def not_utf8(content: bytes) -> bytes:
    return content.replace(b"corpus", b"\xff\xfe\xff\xfe\xff\xfe")


def damaged_member(content: bytes) -> bytes:
    start = content.index(b"corpus.jsonl") + 100  # behind the header of the compressed bytes
    return content[:start] + b"\xa5" * 60 + content[start + 60 :]


def without_its_beginning(content: bytes) -> bytes:
    return content[20:]


@pytest.mark.parametrize(
    ("method", "spoil"),
    [
        (zipfile.ZIP_STORED, not_utf8),
        (zipfile.ZIP_LZMA, damaged_member),
        (zipfile.ZIP_BZIP2, damaged_member),
        (zipfile.ZIP_DEFLATED, damaged_member),
        (zipfile.ZIP_DEFLATED, without_its_beginning),
    ],
)
def test_whatever_is_damaged_the_archive_is_named(
    tmp_path: Path, method: int, spoil: Callable[[bytes], bytes]
) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        # The letter makes zipfile set the flag that says UTF-8.
        name = "t\u00e9/corpus.jsonl"
        opened.writestr(name, "".join(hashlib.sha256(b"%d" % i).hexdigest() for i in range(99)))
    archive.write_bytes(spoil(archive.read_bytes()))
    with pytest.raises(CorruptArtifact, match=r"a\.zip: is damaged or no zip .* fetch it again"):
        unpack(archive, tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


def test_an_archive_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "a.zip", tmp_path / "here", origin={})


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("scifact/corpus.jsonl", "a text that is told from another")
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"told from", b"tolD from"))
    with pytest.raises(CorruptArtifact, match="Bad CRC-32"):
        unpack(tmp_path / "a.zip", tmp_path / "here", origin={})
    assert left(tmp_path) == ["a.zip"]


def test_an_encrypted_or_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no files"):
        unpack(write_zip(tmp_path / "a.zip", {}), tmp_path / "here", origin={})
    archive = write_zip(tmp_path / "b.zip", {"scifact/corpus.jsonl": "one"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(BadInput, match="is encrypted"):
        unpack(archive, tmp_path / "here", origin={})


def test_what_a_killed_process_left_half_done_is_no_folder(tmp_path: Path) -> None:
    stale = tmp_path / ".here.unpacking"
    stale.mkdir()
    (stale / "corpus.jsonl").write_text("half")
    unpack(write_zip(tmp_path / "a.zip", FILES), tmp_path / "here", origin={})
    assert (tmp_path / "here" / "corpus.jsonl").read_text() == "one\n"
    assert left(tmp_path) == ["a.zip", "here"]
