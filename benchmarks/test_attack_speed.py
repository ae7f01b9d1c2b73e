"""That ``attack_speed.py`` still runs, and that its contenders do the same work."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("attack_speed.py")


@pytest.mark.parametrize(
    ("group", "contenders", "least"),
    [("linear", 3, 0.9), ("procrustes", 2, 0.9), ("mini_vec2vec", 2, 0.2), ("nearest", 2, 0.9)],
)
def test_every_contender_finds_what_is_there(group: str, contenders: int, least: float) -> None:
    if group == "nearest" and find_spec("faiss") is None:
        pytest.skip("faiss is not installed: pip install 'v2t-bench[peers]'")
    words = [sys.executable, str(SCRIPT), group, "--quick", "--threads", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [float(line.split("|")[-2]) for line in done.stdout.splitlines()[2:]]
    assert len(found) == contenders
    assert min(found) > least
