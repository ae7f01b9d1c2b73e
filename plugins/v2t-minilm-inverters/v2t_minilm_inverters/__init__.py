"""Trained inverters of all-MiniLM-L6-v2, each in a folder of ``weights`` with its card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from v2t_bench import hookimpl
from v2t_bench.contracts import Checkpoint


@hookimpl
def v2t_checkpoints() -> Iterator[Checkpoint]:
    """Offer what this package carries."""
    from v2t_bench.checkpoints import checkpoints_in

    yield from checkpoints_in(Path(__file__).parent / "weights")
