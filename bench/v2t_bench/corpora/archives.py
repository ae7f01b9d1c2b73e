"""Unpack a zip that somebody else made, and record what every file in it was.

``beir.util.unzip`` is not used: it takes entries as they come, so a damaged or interrupted
archive leaves half a folder that the next run takes for a whole one.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from v2t_bench.corpora.disk import check_space, digest, megabytes, writing
from v2t_bench.errors import BadInput, CorruptArtifact

MANIFEST = "manifest.json"
"""What lies beside unpacked files: the size and sha256 of each, and where they are from."""

MAX_FACTOR = 100
"""Text shrinks to a tenth; what unpacks to more than this many times its size is a bomb."""

SMALL_BYTES = 2**20
"""Below this an archive may unpack to anything: repeated lines shrink further."""

CHUNK_BYTES = 2**20
_LEFT_OUT = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._)")


def unpack(archive: Path, folder: Path, *, origin: Mapping[str, object]) -> None:
    """Write what ``archive`` holds into ``folder``, which appears whole or not at all.

    A single folder that holds everything in the archive is left out of the paths.

    Args:
        archive: A zip.
        folder: Where its files go; it does not exist yet.
        origin: What to record about the archive.

    Raises:
        BadInput: a path would leave the folder, is a link or stands twice, the whole is
            absurdly large, or the disk is full.
        CorruptArtifact: the archive is damaged.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    try:
        with writing(folder), zipfile.ZipFile(archive) as opened:
            entries = _entries(opened, archive)
            total = sum(entry.file_size for entry in entries.values())
            check_space(folder.parent, total, str(archive))
            files = _write(opened, entries, temporary)
            _record(temporary, files, origin)
            temporary.replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorruptArtifact(
            f"{archive}: is damaged or no zip ({error}); remove it and fetch it again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_manifest(folder: Path, origin: Mapping[str, object]) -> None:
    """Record every file that is in ``folder`` now."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": digest(path, "sha256"),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    _record(folder, files, origin)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what was recorded about ``folder``, or None where nothing was.

    Raises:
        CorruptArtifact: the record cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        recorded = {
            name: (told["bytes"], told["sha256"]) for name, told in manifest["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifact(
            f"{path}: is damaged ({type(error).__name__}); remove {folder} and fetch it again"
        ) from error
    if not recorded or any(not _is_inside(name) for name in recorded):
        raise CorruptArtifact(f"{path}: names no files inside {folder}; fetch it again")
    return dict(manifest)


def damage(folder: Path) -> list[str] | None:
    """Return what is not as it was recorded, one line a file; None where nothing was recorded."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    found = []
    for name, told in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path}: is missing")
        elif path.stat().st_size != told["bytes"]:
            found.append(f"{path}: has {path.stat().st_size} bytes; expected {told['bytes']}")
        elif digest(path, "sha256") != told["sha256"]:
            found.append(f"{path}: has another sha256 than when it was unpacked")
    return found


def _entries(opened: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """Return what is to be written by its path in the folder."""
    wanted = [
        entry
        for entry in opened.infolist()
        if not entry.is_dir() and not _LEFT_OUT.search(entry.filename)
    ]
    if not wanted:
        raise BadInput(f"{archive}: holds no files; expected a BEIR collection")
    for entry in wanted:
        _check_entry(entry, archive)
    total = sum(entry.file_size for entry in wanted)
    packed = archive.stat().st_size
    if total > max(packed * MAX_FACTOR, SMALL_BYTES):
        raise BadInput(
            f"{archive}: would unpack to {megabytes(total)}, more than {MAX_FACTOR} times its "
            "size; expected an archive of text"
        )
    parts = [PurePosixPath(entry.filename).parts for entry in wanted]
    n_shared = _n_shared(parts)
    named = {"/".join(part[n_shared:]): entry for part, entry in zip(parts, wanted, strict=True)}
    folded: dict[str, str] = {}
    for part in parts:
        name = "/".join(part)
        # On a file system that ignores case the second would overwrite the first.
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise BadInput(f"{archive}: holds {other!r} and {name!r}, which differ only by case")
    if len(named) != len(wanted) or MANIFEST in named:
        raise BadInput(f"{archive}: holds a path twice, or {MANIFEST}; expected every path once")
    return named


def _n_shared(parts: Sequence[Sequence[str]]) -> int:
    """Return 1 where one folder holds everything, else 0."""
    return int(all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1)


def _check_entry(entry: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse an entry that would be written elsewhere, or as something else than a file."""
    # zipfile cuts a name at a NUL byte and turns the separator of this system into a slash.
    name = entry.orig_filename
    if "\0" in name or not _is_inside(name):
        raise BadInput(
            f"{archive}: the path {name!r} leaves the folder; expected paths below one folder, "
            "so nothing was unpacked"
        )
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise BadInput(
            f"{archive}: {name!r} is a link or a device; expected files, so nothing was unpacked"
        )
    if entry.flag_bits & 0x1:
        raise BadInput(f"{archive}: {name!r} is encrypted; expected an archive without a password")


def _is_inside(name: str) -> bool:
    """Return whether a path stays in its folder, on every system."""
    parts = name.split("/")
    return (
        bool(name) and "\\" not in name and ":" not in name and not ({"", ".", ".."} & set(parts))
    )


def _write(
    opened: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], folder: Path
) -> dict[str, dict[str, object]]:
    """Write every entry and return its size and sha256 by its path."""
    files: dict[str, dict[str, object]] = {}
    for name, entry in entries.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = hashlib.sha256()
        with path.open("xb") as file:
            for chunk in _chunks(opened, entry):
                file.write(chunk)
                sha256.update(chunk)
        files[name] = {"bytes": entry.file_size, "sha256": sha256.hexdigest()}
    return files


def _chunks(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield what an entry holds: never more than it says, and its CRC is compared."""
    with opened.open(entry) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _record(
    folder: Path, files: Mapping[str, Mapping[str, object]], origin: Mapping[str, object]
) -> None:
    told = {"origin": dict(origin), "files": dict(files)}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
