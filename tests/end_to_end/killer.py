"""Run the command line in this process and kill it, with no goodbye, at a chosen moment.

``python killer.py MOMENT N ARGUMENT...``: the N-th time the moment comes, SIGKILL. The
code under test runs unchanged up to that instruction.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def kill_at(owner: Any, name: str, n: int, *, after: bool = False) -> None:
    """Make the n-th call of a method end the process, before or after it did its work."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == n and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def arm(moment: str, n: int) -> None:
    """Choose the moment."""
    if moment == "embedding":
        from v2t_plugins.embedders import hashed

        kill_at(hashed.Hashed, "embed", n)
    elif moment == "training":
        from transformers import Trainer

        kill_at(Trainer, "training_step", n)
    elif moment == "cell":
        from v2t_bench import harness

        kill_at(harness, "score_samples", n)
    elif moment == "rename":
        from pathlib import Path

        original = Path.rename
        calls = 0

        def rename(self: Path, target: Any) -> Any:
            nonlocal calls
            calls += str(target).count("/cells/v1-")
            if calls == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, target)

        Path.rename = rename  # type: ignore[method-assign]
    elif moment == "csv":
        from v2t_bench import canonical

        # Half of the CSV is on disk, under its temporary name.
        def write_half(path: Any, data: Any) -> None:
            if path.name != "leaderboard.csv":
                original_write(path, data)
                return
            with canonical.replacing(path) as temporary:
                temporary.write_text(data[: len(data) * n // 3])
                os.kill(os.getpid(), signal.SIGKILL)

        from v2t_bench.leaderboard import csv_file

        original_write = canonical.write_atomically
        csv_file.write_atomically = write_half  # type: ignore[attr-defined]
    else:
        raise SystemExit(f"no moment is called {moment}")


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    from v2t_bench.cli import main

    sys.argv = ["v2t-bench", *sys.argv[3:]]
    main()
