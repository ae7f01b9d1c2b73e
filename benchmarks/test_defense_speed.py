"""That ``defense_speed.py`` still runs, for what is fitted, what draws, and what does neither."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("defense_speed.py")


def test_a_row_is_printed_for_each_defense(tmp_path: Path) -> None:
    spellings = ["none", "noise:0.01", "pca:64", "quantize:int8+normalize"]
    words = [sys.executable, str(SCRIPT), "--rows", "20000", "--json", str(tmp_path / "raw.json")]
    for spelling in spellings:
        words += ["--defense", spelling]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]]
    assert rows == spellings
    raw = json.loads((tmp_path / "raw.json").read_text())
    assert [found["released_dim"] for found in raw] == [384, 384, 64, 384]
    assert [found["fit_seconds"] is None for found in raw] == [True, True, False, False]
    # What is returned is as large as the input, but for what drops dimensions.
    assert raw[0]["held_in_chunks"] > 0.99
    assert raw[2]["held_in_chunks"] < 1


def test_what_is_no_defense_is_one_line() -> None:
    words = [sys.executable, str(SCRIPT), "--rows", "9", "--defense", "pca:999"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("error: pca: k is 999")
    assert "Traceback" not in done.stderr
