"""The argument RESULTS... of verbs that read results: folders, and what is packed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def takes_results(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument RESULTS... as folders; what is packed is unpacked meanwhile."""

    @functools.wraps(command)
    def with_folders(*, results: tuple[Path, ...], **given: Any) -> None:
        from v2t_bench.leaderboard.packed_results import opened

        with opened(results) as folders:
            command(results=tuple(folders), **given)

    return click.argument(
        "results", nargs=-1, required=True, metavar="RESULTS...",
        type=click.Path(path_type=Path, exists=True),
    )(with_folders)  # fmt: skip
