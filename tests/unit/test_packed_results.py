"""Results folders as one file."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import zstandard

from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.leaderboard.packed_results import opened, pack, written

CELL = "v1-" + "0123456789abcdef" * 2
OTHER = "v1-" + "f" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for cell in (OTHER, CELL):
        place = tmp_path / "run" / "cells" / cell
        place.mkdir(parents=True)
        (place / "result.json").write_text("{}")
        (place / "samples.parquet").write_bytes(cell.encode())
    return tmp_path / "run"


def packed(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write an archive of any entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    path.write_bytes(zstandard.compress(buffer.getvalue()))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_was_packed_comes_out_again(folder: Path, tmp_path: Path) -> None:
    assert pack(folder, tmp_path / "run.tar.zst") == 2
    with opened([tmp_path / "run.tar.zst"]) as (unpacked,):
        assert files(unpacked) == files(folder)


def test_it_is_gone_afterwards(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "run.tar.zst")
    with opened([tmp_path / "run.tar.zst"]) as (unpacked,):
        pass
    assert not unpacked.exists()


def test_the_same_cells_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "a.tar.zst")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    pack(folder, tmp_path / "b.tar.zst")
    assert (tmp_path / "a.tar.zst").read_bytes() == (tmp_path / "b.tar.zst").read_bytes()


def test_cells_that_are_not_finished_stay_outside(folder: Path, tmp_path: Path) -> None:
    (folder / "cells" / CELL / "result.json").rename(folder / "cells" / CELL / "error.json")
    assert pack(folder, tmp_path / "run.tar.zst") == 1


def test_a_folder_stays_as_it_is(folder: Path) -> None:
    with opened([folder]) as folders:
        assert folders == [folder]


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", f"cells/{CELL}/../../x.json", f"cells/{CELL}/a/b.json",
     "cells/else/result.json", f"cells/{CELL}/run.sh"],
)  # fmt: skip
def test_a_file_that_is_none_of_a_cell_is_refused(name: str, tmp_path: Path) -> None:
    archive = packed(tmp_path / "bad.tar.zst", (tarfile.TarInfo(name), b""))
    with (
        pytest.raises(BadInput, match="expected nothing but the files of cells"),
        opened([archive]),
    ):
        pass


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo(f"cells/{CELL}/result.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive = packed(tmp_path / "bad.tar.zst", (link, b""))
    with (
        pytest.raises(BadInput, match="expected nothing but the files of cells"),
        opened([archive]),
    ):
        pass


def tar_of(folder: Path, archive: Path) -> bytes:
    pack(folder, archive)
    return zstandard.ZstdDecompressor().stream_reader(archive.read_bytes()).read()


def test_an_archive_that_breaks_off_between_two_files_is_damaged(
    folder: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "run.tar.zst"
    header_and_content = 2 * tarfile.BLOCKSIZE
    archive.write_bytes(zstandard.compress(tar_of(folder, archive)[: 3 * header_and_content]))
    with pytest.raises(CorruptArtifact, match="breaks off"), opened([archive]):
        pass


def test_an_archive_with_a_header_that_cannot_be_read_is_damaged(
    folder: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "run.tar.zst"
    content = bytearray(tar_of(folder, archive))
    content[2 * tarfile.BLOCKSIZE] ^= 1  # the name of the second file
    archive.write_bytes(zstandard.compress(bytes(content)))
    with pytest.raises(CorruptArtifact, match="is damaged"), opened([archive]):
        pass


@pytest.mark.parametrize("more", [b"garbage", zstandard.compress(b"garbage")])
def test_an_archive_that_something_follows_is_damaged(
    more: bytes, folder: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "run.tar.zst"
    pack(folder, archive)
    archive.write_bytes(archive.read_bytes() + more)
    with pytest.raises(CorruptArtifact, match="is damaged"), opened([archive]):
        pass


def test_a_file_with_holes_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo(f"cells/{CELL}/result.json")
    entry.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**60)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)
    archive = tmp_path / "holes.tar.zst"
    archive.write_bytes(zstandard.compress(buffer.getvalue()))
    with pytest.raises(BadInput, match="expected nothing but"), opened([archive]):
        pass


def test_a_header_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    entry = tarfile.TarInfo(f"cells/{CELL}/result.json")
    entry.pax_headers = {"GNU.sparse.map": "a,b"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)
    archive = tmp_path / "odd.tar.zst"
    archive.write_bytes(zstandard.compress(buffer.getvalue()))
    with pytest.raises(CorruptArtifact, match="is damaged"), opened([archive]):
        pass


def test_a_long_name_is_told_in_part(tmp_path: Path) -> None:
    archive = packed(tmp_path / "bad.tar.zst", (tarfile.TarInfo("a" * 100_000), b""))
    with pytest.raises(BadInput) as refused, opened([archive]):
        pass
    assert len(str(refused.value)) < 400


def test_a_file_that_stands_twice_is_refused(tmp_path: Path) -> None:
    name = f"cells/{CELL}/result.json"
    twice = [(tarfile.TarInfo(name), b"{}"), (tarfile.TarInfo(name), b"[]")]
    archive = packed(tmp_path / "bad.tar.zst", *twice)
    with pytest.raises(BadInput, match="twice"), opened([archive]):
        pass


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo(f"cells/{CELL}/samples.parquet")
    archive = packed(tmp_path / "bomb.tar.zst", (entry, bytes(2_000_000)))
    with pytest.raises(BadInput, match="unpacks to more than"), opened([archive], max_bytes=10**6):
        pass


@pytest.mark.parametrize("keep", [0, 10, 100])
def test_a_damaged_file_is_told(folder: Path, tmp_path: Path, keep: int) -> None:
    archive = tmp_path / "run.tar.zst"
    pack(folder, archive)
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(CorruptArtifact, match="is damaged"), opened([archive]):
        pass


def test_anything_else_is_no_results_folder(tmp_path: Path) -> None:
    (tmp_path / "run.zip").touch()
    for path in (tmp_path / "run.zip", tmp_path / "missing", tmp_path / "missing.tar.zst"):
        with pytest.raises(BadInput, match="is no results folder"), opened([path]):
            pass


def test_what_is_written_into_a_folder_ends_packed(folder: Path, tmp_path: Path) -> None:
    with written(tmp_path / "new" / "run.tar.zst") as place:
        shutil.copytree(folder, place)
    with opened([tmp_path / "new" / "run.tar.zst"]) as (unpacked,):
        assert files(unpacked) == files(folder)


def test_nothing_is_packed_where_the_writing_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), written(tmp_path / "run.tar.zst"):
        raise ZeroDivisionError
    assert not (tmp_path / "run.tar.zst").exists()


def test_another_name_is_written_as_a_folder(tmp_path: Path) -> None:
    with written(tmp_path / "run") as place:
        assert place == tmp_path / "run"


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    (tmp_path / "run.tar.zst").mkdir()
    for name in ("run", "run.tar.zst"):
        with pytest.raises(BadInput, match="is there and is not"), written(tmp_path / name):
            pass
