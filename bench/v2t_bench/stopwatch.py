"""How long a training has taken, over all the runs that worked on it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from v2t_bench.canonical import write_atomically


class Stopwatch:
    """Runs from now on, and counts what earlier ones noted in ``path``.

    What passes between the last note and a kill is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._began = path, time.monotonic()
        try:
            self._before = float(json.loads(path.read_bytes())["seconds"])
        except (OSError, ValueError, TypeError, KeyError):
            self._before = 0.0

    @property
    def seconds(self) -> float:
        """What has passed while one was running."""
        return self._before + time.monotonic() - self._began

    def note(self) -> None:
        """Keep the seconds for a later run."""
        write_atomically(self.path, json.dumps({"seconds": self.seconds}))
