"""Room on a disk, and what it refuses."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from v2t_bench.errors import BadInput


def check_space(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to begin what cannot be finished.

    Raises:
        BadInput: the disk has less than ``n_bytes`` left.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise BadInput(
            f"{what}: needs {megabytes(n_bytes)} in {folder}, where {megabytes(free)} are free; "
            "make room, or name another folder with --data-dir"
        )


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line.

    Raises:
        BadInput: the disk is full or the folder is not writable.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise BadInput(
                f"{target}: the disk is full; make room and run the same command again: what is "
                "here is not fetched again"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise BadInput(
                f"{target}: cannot be written ({error.strerror}); name another folder with "
                "--data-dir"
            ) from error
        raise


def megabytes(n_bytes: int) -> str:
    """Return a size in words."""
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:,.2f} GB"
