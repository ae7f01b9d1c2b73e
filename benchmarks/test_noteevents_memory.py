"""Two million notes are read in less than 1 GB: what each adds is below its share of that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("noteevents_memory.py")
SHARE = 500  # bytes: 1 GB for two million


def measured(n_notes: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--n-notes", str(n_notes)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_each_note_adds_less_than_its_share_of_a_gigabyte() -> None:
    few, many = measured(5_000), measured(25_000)
    assert few["documents"] == 4_900
    assert many["documents"] == 24_500
    added = (many["peak_mib"] - few["peak_mib"]) * 2**20 / 20_000
    assert added < SHARE
    assert few["peak_mib"] < 200
