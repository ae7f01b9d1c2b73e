"""Canonical JSON and the content hashes made from it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2t_bench.errors import V2TError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def canonical_json(value: Any) -> str:
    """Return JSON that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def content_hash(value: Any) -> str:
    """Return 32 hexadecimal digits (BLAKE2b) of the canonical JSON of ``value``."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


def hash_texts(texts: Iterable[str]) -> str:
    """Return the sha256 of a list of texts; lengths are hashed, so borders cannot move."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def hash64(text: str) -> int:
    """Return 64 bits (BLAKE2b) that are the same for equal texts, and hardly ever for others."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def order_by_hash(names: Sequence[str], purpose: str) -> list[int]:
    """Return the positions of ``names`` in an order that only they and ``purpose`` decide."""
    order: list[int] = order_by_digest(names, f"{purpose} ").tolist()
    return order


def order_by_digest(names: Iterable[str], start: str) -> NDArray[np.int64]:
    """Return the positions of ``names`` in the order of the sha256 of ``start`` and name, (n,)."""
    import numpy as np

    begun = hashlib.sha256(start.encode("utf-8", "surrogatepass"))
    digests = bytearray()  # 32 bytes a name, where a list would take several times that
    for name in names:
        digest = begun.copy()
        digest.update(name.encode("utf-8", "surrogatepass"))
        digests += digest.digest()
    # Bytes compare as numbers of 8 bytes do whose first byte counts most.
    words = np.frombuffer(digests, ">u8").reshape(-1, 4)
    order: NDArray[np.int64] = np.lexsort(words.T[::-1])
    return order


def hash_file(path: Path, kind: str = "sha256") -> str:
    """Return the checksum of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    A kill at any moment leaves the old file, or the new one, and never half of one.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".partial")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        # mkstemp's 0600 would hide results from the group that could read their folder.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write ``data`` so that ``path`` never holds half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def empty_ones_removed(*folders: Path) -> Iterator[None]:
    """Remove those of ``folders`` that are empty if the block ends by an error of ours."""
    try:
        yield
    except V2TError:
        for folder in folders:
            with suppress(OSError):  # what was begun is kept: it may go on
                folder.rmdir()
        raise
