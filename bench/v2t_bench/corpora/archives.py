"""Unpack a zip that somebody else made, and record what every file in it was.

``beir.util.unzip`` is not used: it takes entries as they come, so a damaged or interrupted
archive leaves half a folder that the next run takes for a whole one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import lzma
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from v2t_bench.canonical import hash_file
from v2t_bench.corpora.disk import check_space, megabytes, writing
from v2t_bench.errors import BadInput, CorruptArtifact

MANIFEST = "manifest.json"
"""What lies beside unpacked files: the size and sha256 of each, and where they are from."""

MAX_FACTOR = 100
"""Text shrinks to a tenth; what unpacks to more than this many times its size is a bomb."""

SMALL_BYTES = 2**20
"""Below this an archive may unpack to anything: repeated lines shrink further."""

LONGEST_NAME = 255
"""Bytes that most file systems give a file's name."""

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
        BadInput: a path would leave the folder, is a link, stands twice or cannot be a file's
            name everywhere, the whole is absurdly large, or the disk is full.
        CorruptArtifact: the archive is damaged.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    try:
        with writing(folder), _opened(archive) as opened:
            entries = _entries(opened, archive)
            total = sum(entry.file_size for entry in entries.values())
            check_space(folder.parent, total, str(archive))
            files = _write(opened, entries, temporary, archive)
            _record(temporary, files, origin)
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn what zipfile and its decompressors raise about a damaged archive into one line."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
        NotImplementedError, OverflowError, ValueError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the archive cannot be opened, which says nothing about what is in it
        raise CorruptArtifact(
            f"{archive}: is damaged or no zip ({error}); remove it and fetch it again"
        ) from error


def _opened(archive: Path) -> zipfile.ZipFile:
    with _reading(archive):
        return zipfile.ZipFile(archive)


def write_manifest(folder: Path, origin: Mapping[str, object]) -> None:
    """Record every file that is in ``folder`` now."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hash_file(path),
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
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CorruptArtifact(f"{path}: is no file; remove {folder} and fetch it again")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        recorded = {
            name: (told["bytes"], told["sha256"]) for name, told in manifest["files"].items()
        }
    except (FileNotFoundError, NotADirectoryError) as error:
        if not path.is_symlink():
            return None
        raise CorruptArtifact(
            f"{path}: is a link to nothing; remove {folder} and fetch it again"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise CorruptArtifact(
            f"{path}: is damaged ({type(error).__name__}); remove {folder} and fetch it again"
        ) from error
    if not recorded or not all(_is_inside(name) and _is_printable(name) for name in recorded):
        raise CorruptArtifact(f"{path}: names no files inside {folder}; fetch it again")
    return dict(manifest)


def damage(folder: Path) -> list[str] | None:
    """Return what is not as it was recorded, one line a file; None where nothing was recorded."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    differences = (_difference(folder / name, told) for name, told in manifest["files"].items())
    return [line for line in differences if line]


def _difference(path: Path, told: Mapping[str, object]) -> str:
    """Return a line on a file that is not as it was recorded, else nothing."""
    try:
        if not path.is_file():
            return f"{path}: is missing"
        if path.stat().st_size != told["bytes"]:
            return f"{path}: has {path.stat().st_size} bytes; expected {told['bytes']}"
        if hash_file(path) != told["sha256"]:
            return f"{path}: has another sha256 than when it was unpacked"
    except OSError as error:
        shown = path if error.errno != errno.ENAMETOOLONG else f"{str(path)[:LONGEST_NAME]}..."
        return f"{shown}: cannot be read ({error.strerror})"
    return ""


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
    _refuse_twins(parts, archive)
    if len(named) != len(wanted) or MANIFEST in named:
        raise BadInput(f"{archive}: holds a path twice, or {MANIFEST}; expected every path once")
    return named


def _refuse_twins(parts: Iterable[Sequence[str]], archive: Path) -> None:
    """Refuse paths that would be one where case or the form of accents is ignored."""
    folded: dict[str, tuple[str, bool]] = {}
    for part in parts:
        for depth in range(1, len(part) + 1):
            name, is_file = "/".join(part[:depth]), depth == len(part)
            key = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
            other, other_is_file = folded.setdefault(key, (name, is_file))
            if other != name:
                raise BadInput(
                    f"{archive}: holds {other!a} and {name!a}, which differ only by case or by "
                    "how accents are encoded, so that one would overwrite the other"
                )
            if is_file != other_is_file:
                raise BadInput(f"{archive}: holds {name!a} as a file and as a folder")


def _n_shared(parts: Sequence[Sequence[str]]) -> int:
    """Return 1 where one folder holds everything, else 0."""
    return int(all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1)


def _check_entry(entry: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse an entry that would be written elsewhere, or as something else than a file."""
    # zipfile cuts a name at a NUL byte, turns the separator of this system into a slash, and
    # takes another name from an extra field.
    name = entry.orig_filename
    for one in (name, entry.filename):
        if "\0" in one or not _is_inside(one):
            raise BadInput(
                f"{archive}: the path {one[:LONGEST_NAME]!r} leaves the folder; expected paths "
                "below one folder, so nothing was unpacked"
            )
        if not _is_printable(one):
            raise BadInput(
                f"{archive}: the path {one[:LONGEST_NAME]!a} holds control characters; expected "
                "names that can be printed, so nothing was unpacked"
            )
        if any(len(part.encode()) > LONGEST_NAME for part in one.split("/")):
            raise BadInput(
                f"{archive}: the path {one[:LONGEST_NAME]!a}... holds a name of more than "
                f"{LONGEST_NAME} bytes, which no file can have, so nothing was unpacked"
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


def _is_printable(name: str) -> bool:
    """Return whether a name holds nothing that moves the cursor, is unseen or half a letter."""
    return not {"Cc", "Cf", "Cs", "Zl", "Zp"} & set(map(unicodedata.category, name))


def _write(
    opened: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], folder: Path, archive: Path
) -> dict[str, dict[str, object]]:
    """Write every entry and return its size and sha256 by its path."""
    files: dict[str, dict[str, object]] = {}
    for name, entry in entries.items():
        path = folder / name
        sha256 = hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                raise
            raise BadInput(
                f"{archive}: the path {name[:LONGEST_NAME]!a} cannot be that of a file in "
                f"{folder.parent} ({error.strerror}); nothing was unpacked"
            ) from error
        with file:
            for chunk in _chunks(opened, entry, archive):
                file.write(chunk)
                sha256.update(chunk)
        files[name] = {"bytes": entry.file_size, "sha256": sha256.hexdigest()}
    return files


def _chunks(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, archive: Path) -> Iterator[bytes]:
    """Yield what an entry holds: never more than it says, and its CRC is compared."""
    with _reading(archive), opened.open(entry) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _record(
    folder: Path, files: Mapping[str, Mapping[str, object]], origin: Mapping[str, object]
) -> None:
    told = {"origin": dict(origin), "files": dict(files)}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
