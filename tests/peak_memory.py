"""The most memory that this process ever held."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mib() -> float:
    """Return it in MiB."""
    # Not getrusage's: on Linux that begins with what the parent held when it forked.
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
