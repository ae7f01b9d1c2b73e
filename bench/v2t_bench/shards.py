"""The vectors of one list of texts on disk: in shards while they are made, in one file after.

Both are safetensors files with the full key in the header and the sha256 of the data.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from v2t_bench.canonical import replacing
from v2t_bench.contracts import Vectors
from v2t_bench.errors import CorruptArtifact

log = logging.getLogger(__name__)

SHARD_ROWS = 1024
"""Small enough that a kill costs seconds, large enough that sorting by length still pays."""

_TENSOR = "vectors"


@dataclass(frozen=True)
class Shards:
    """The files of one list.

    Args:
        folder: Theirs alone.
        key: What the vectors depend on; stands in every header.
    """

    folder: Path
    key: str

    @property
    def whole(self) -> Path:
        """The file with all vectors."""
        return self.folder / "all.safetensors"

    def path(self, start: int) -> Path:
        """Return the file of the shard that begins with row ``start``."""
        return self.folder / f"{start // SHARD_ROWS:06d}.safetensors"

    def missing(self, n: int) -> int:
        """Return how many of ``n`` rows have no shard."""
        starts = range(0, n, SHARD_ROWS)
        return sum(min(SHARD_ROWS, n - start) for start in starts if not self.path(start).exists())

    def write(self, start: int, vectors: Vectors) -> None:
        """Store the shard that begins with row ``start``, whole or not at all."""
        from safetensors.numpy import save_file

        self.folder.mkdir(parents=True, exist_ok=True)
        header = {"key": self.key, "sha256": hashlib.sha256(vectors.tobytes()).hexdigest()}
        with replacing(self.path(start)) as temporary:
            save_file({_TENSOR: np.ascontiguousarray(vectors)}, temporary, metadata=header)

    def read(self, start: int, rows: int, dim: int) -> Vectors | None:
        """Return a stored shard, or None where there is none worth using."""
        path = self.path(start)
        if not path.exists():
            return None
        try:
            return read_shard(path, self.key, rows, dim)
        except CorruptArtifact as error:
            log.warning("%s; embedding these texts again", error)
            return None

    def join(self, n: int, dim: int) -> Vectors:
        """Put all shards into one file and return it mapped, (n, dim).

        Raises:
            CorruptArtifact: a shard was changed meanwhile.
        """
        digest = hashlib.sha256()
        with replacing(self.whole) as temporary, temporary.open("wb") as file:
            place = _write_header(file, self.key, n, dim)
            for start in range(0, n, SHARD_ROWS):
                rows = min(SHARD_ROWS, n - start)
                data = read_shard(self.path(start), self.key, rows, dim).tobytes()
                digest.update(data)
                file.write(data)
            file.seek(place)
            file.write(digest.hexdigest().encode())
        for start in range(0, n, SHARD_ROWS):
            self.path(start).unlink()
        return _mapped(self.whole, n, dim)

    def joined(self, n: int, dim: int) -> Vectors | None:
        """Return the file of all vectors mapped, (n, dim), or None where it is of no use."""
        if not self.whole.exists():
            return None
        try:
            header = _read_header(self.whole)
            if header.get("key") != self.key:
                raise CorruptArtifact(f"{self.whole} holds other vectors than its name says")
            vectors = _mapped(self.whole, n, dim)
            digest = hashlib.sha256()
            for start in range(0, n, SHARD_ROWS):
                digest.update(vectors[start : start + SHARD_ROWS].tobytes())
            if header.get("sha256") != digest.hexdigest():
                raise CorruptArtifact(f"cache file {self.whole} was changed after it was written")
        except CorruptArtifact as error:
            log.warning("%s; embedding these texts again", error)
            return None
        return vectors


def read_shard(path: Path, key: str, rows: int, dim: int) -> Vectors:
    """Return the vectors of one shard, (rows, dim).

    Raises:
        CorruptArtifact: the file is damaged, or holds something else than ``key``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            header = stored.metadata() or {}
            vectors: Vectors = stored.get_tensor(_TENSOR)
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise CorruptArtifact(f"cache file {path} is damaged ({error})") from error
    if header.get("key") != key or vectors.shape != (rows, dim):
        raise CorruptArtifact(f"cache file {path} holds other vectors than its name says")
    if header.get("sha256") != hashlib.sha256(vectors.tobytes()).hexdigest():
        raise CorruptArtifact(f"cache file {path} was changed after it was written")
    return vectors


def _write_header(file: BinaryIO, key: str, n: int, dim: int) -> int:
    """Write the header of a safetensors file of one tensor; return where its sha256 belongs."""
    unknown = "0" * 64
    header = json.dumps(
        {
            "__metadata__": {"key": key, "sha256": unknown},
            _TENSOR: {"dtype": "F32", "shape": [n, dim], "data_offsets": [0, n * dim * 4]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    return 8 + header.index(unknown.encode())


def _read_header(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            return stored.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CorruptArtifact(f"cache file {path} is damaged ({error})") from error


def _mapped(path: Path, n: int, dim: int) -> Vectors:
    """Return the one tensor of a file, (n, dim), read where it is used.

    Raises:
        CorruptArtifact: the file is shorter than that.
    """
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
    if path.stat().st_size != start + n * dim * 4:
        raise CorruptArtifact(f"cache file {path} holds other vectors than its name says")
    return np.memmap(path, np.float32, "r", offset=start, shape=(n, dim))
