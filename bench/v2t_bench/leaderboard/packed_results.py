"""A results folder as one file, so that thousands of small files can be handed on and kept.

What cells of one corpus have in common (ids, hashes of texts, judgements) is stored once: a file is
a quarter to a tenth of its folder. The same cells give the same bytes.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from v2t_bench.canonical import replacing
from v2t_bench.errors import BadInput, CorruptArtifact

SUFFIX = ".tar.zst"

MAX_BYTES = 2**32
"""What unpacks to more than 4 GiB is refused, unless the caller allows it."""

# Smaller levels lose what cells share: their window is shorter than a corpus' cells are.
_LEVEL = 19
# Two blocks of zeros end a tar.
_END = 2 * tarfile.BLOCKSIZE
_PIECE = 2**16
_SHOWN = 120
_CELL = re.compile(r"v\d+-[0-9a-f]{32}")
_FILE = re.compile(r"[a-z]+\.(json|parquet)")


def pack(folder: Path, archive: Path) -> int:
    """Write the finished cells of a results folder into ``archive``; return how many there are.

    Args:
        folder: A results folder.
        archive: Ends in ``.tar.zst``; replaced whole or not at all.
    """
    import zstandard

    cells = sorted(path.parent for path in (folder / "cells").glob("*/result.json"))
    with replacing(archive) as temporary, temporary.open("wb") as raw:
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        with (
            compressor.stream_writer(raw, closefd=False) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for cell in cells:
                for path in sorted(cell.iterdir()):
                    content = path.read_bytes()
                    # Nothing of whose machine it was, or when: the same cells, the same bytes.
                    entry = tarfile.TarInfo(f"cells/{cell.name}/{path.name}")
                    entry.size, entry.mode = len(content), 0o644
                    tar.addfile(entry, io.BytesIO(content))
    return len(cells)


@contextmanager
def opened(results: Sequence[Path], *, max_bytes: int = MAX_BYTES) -> Iterator[list[Path]]:
    """Give results folders; what is packed is unpacked for as long as the block lasts.

    Args:
        results: Folders, and files that end in ``.tar.zst``.
        max_bytes: What one file may unpack to.

    Raises:
        BadInput: one is neither, or a file holds something else than cells, or too much.
        CorruptArtifact: a file is damaged.
    """
    with ExitStack() as stack:
        folders = []
        for path in results:
            if path.is_dir():
                folders.append(path)
                continue
            if not (path.name.endswith(SUFFIX) and path.is_file()):
                raise BadInput(
                    f"{path} is no results folder and no {SUFFIX} of one; expected what run wrote "
                    "with -o, or what leaderboard merge packed"
                )
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="v2t-bench-")))
            # Messages about cells then name the file that they came in.
            folder = temporary / path.name.removesuffix(SUFFIX)
            _unpack(path, folder, max_bytes)
            folders.append(folder)
        yield folders


@contextmanager
def written(output: Path) -> Iterator[Path]:
    """Give the results folder ``output``; if it ends in ``.tar.zst``, one that is packed at last.

    Raises:
        BadInput: the file cannot be written, or what should be a folder is a file.
    """
    packed = output.name.endswith(SUFFIX)
    if output.exists() and not (output.is_file() if packed else output.is_dir()):
        expected = "a file" if packed else f"a folder, or a name that ends in {SUFFIX}"
        raise BadInput(f"{output} is there and is not {expected}; choose another name with -o")
    if not packed:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="v2t-bench-") as temporary:
        folder = Path(temporary) / output.name.removesuffix(SUFFIX)
        yield folder
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            pack(folder, output)
        except OSError as error:
            raise BadInput(
                f"{output} cannot be written ({error.strerror}); choose another with -o"
            ) from error


class _Counted:
    """A stream that knows how much passed, and where its last byte other than zero stood."""

    def __init__(self, stream: IO[bytes], archive: Path, most: int) -> None:
        self._stream, self._archive, self._most = stream, archive, most
        self.passed = self.filled = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if body := data.rstrip(b"\0"):
            self.filled = self.passed + len(body)
        self.passed += len(data)
        if self.passed > self._most:
            raise BadInput(
                f"{self._archive} unpacks to more than {self._most:,} bytes; expected the cells "
                "of one run: split it"
            )
        return data


def _unpack(archive: Path, folder: Path, max_bytes: int) -> None:
    import zstandard

    (folder / "cells").mkdir(parents=True)
    try:
        with (
            archive.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream,
        ):
            counted = _Counted(stream, archive, max_bytes)
            with tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|") as tar:
                for entry in tar:
                    _unpack_entry(tar, entry, folder, archive)
                while counted.read(_PIECE):
                    pass
                # At a header it cannot read tarfile just stops, as if there were no more cells.
                if counted.filled > tar.offset or counted.passed < tar.offset + _END:
                    raise EOFError("it breaks off, or something follows its end")
    # Some headers that make no sense end in a plain ValueError.
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise CorruptArtifact(
            f"{archive} is damaged ({error}); fetch it again, or pack its cells anew"
        ) from error


def _unpack_entry(
    tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, archive: Path
) -> None:
    target = folder / _checked(entry, archive)
    content = tar.extractfile(entry)
    if content is None or target.exists():
        raise BadInput(f"{archive} holds {entry.name!r} twice; pack it anew")
    target.parent.mkdir(exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file)


def _checked(entry: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    """Return where a file goes, if it is one of a cell and cannot leave the folder."""
    path = PurePosixPath(entry.name)
    if (
        entry.isreg()
        and not entry.issparse()  # a few bytes of it would fill any disk
        and len(path.parts) == 3
        and path.parts[0] == "cells"
        and _CELL.fullmatch(path.parts[1])
        and _FILE.fullmatch(path.parts[2])
    ):
        return path
    raise BadInput(
        f"{archive} holds {entry.name[:_SHOWN]!r}; expected nothing but the files of cells, "
        "cells/<cell id>/<name>"
    )
