"""``v2t-bench leaderboard html``: where the page may be written."""

from __future__ import annotations

import os
from pathlib import Path

from end_to_end.commands import Invoke, refused
from made_cells import leakage, write


def test_a_page_replaces_no_device_or_pipe(invoke: Invoke, tmp_path: Path) -> None:
    source = write(tmp_path / "a", leakage([5.0] * 40))
    os.mkfifo(tmp_path / "page.html")
    refused(invoke("leaderboard", "html", source, "-o", tmp_path / "page.html"), "is not a file")
    assert (tmp_path / "page.html").is_fifo()


def test_a_page_that_cannot_be_written_is_told(invoke: Invoke, tmp_path: Path) -> None:
    source = write(tmp_path / "a", leakage([5.0] * 40))
    (tmp_path / "file").write_text("")
    done = invoke("leaderboard", "html", source, "-o", tmp_path / "file" / "page.html")
    refused(done, "cannot be written")
