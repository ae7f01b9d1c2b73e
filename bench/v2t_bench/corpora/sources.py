"""Where collections are found, and whether they may be fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from v2t_bench.environment import data_folder


def _silent(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What opening a collection may use.

    Args:
        data_dir: The folder that collections are fetched to and read from.
        offline: Fetch nothing.
        tell: Called with a line worth telling, such as how far a download is.
    """

    data_dir: Path = field(default_factory=data_folder)
    offline: bool = False
    tell: Callable[[str], None] = _silent
