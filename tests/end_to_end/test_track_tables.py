"""The script that prints either track of each collection as Markdown."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from end_to_end.commands import ROOT
from v2t_bench.leaderboard.rows import COLUMNS

USUAL = {
    "corpus": "demo-nq", "track": "cut", "defense": "none", "n_queries": "60",
    "ndcg_at_10": "0.8754", "ndcg_lo": "0.82", "ndcg_hi": "0.91", "ndcg_kept": "1",
    "attack": "nearest:checkpoint=a", "bleu_norm": "12.04", "bleu_norm_lo": "11",
    "bleu_norm_hi": "13", "flags": "",
}  # fmt: skip


def test_a_line_is_a_collection_on_a_track_with_every_attack(tmp_path: Path) -> None:
    rows = [
        {},
        {"attack": "bow:checkpoint=b", "bleu_norm": "3", "bleu_norm_lo": "", "bleu_norm_hi": ""},
        {"attack": "silent", "bleu_norm": "0"},
        {"track": "chunks", "flags": "known-item stand-in"},
        {"defense": "noise:on=both,sigma=0.1", "ndcg_kept": "0.5"},
    ]
    board = tmp_path / "board.csv"
    with board.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(USUAL | row for row in rows)
    script = ROOT / "benchmarks" / "track_tables.py"
    done = subprocess.run(
        [sys.executable, str(script), str(board)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line] == [
        "none",
        "| corpus | track | queries | NDCG@10 | kept | `nearest` | `bow` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| demo-nq * | chunks | 60 | 0.875 [0.820, 0.910] | 1.000 | 12.0 [11.0, 13.0] |  |",
        "| demo-nq | cut | 60 | 0.875 [0.820, 0.910] | 1.000 | 12.0 [11.0, 13.0] | 3.0 |",
        "noise:on=both,sigma=0.1",
        "| corpus | track | queries | NDCG@10 | kept | `nearest` |",
        "| --- | --- | --- | --- | --- | --- |",
        "| demo-nq | cut | 60 | 0.875 [0.820, 0.910] | 0.500 | 12.0 [11.0, 13.0] |",
        r"\* known items: the second piece of a document must find its first.",
    ]
