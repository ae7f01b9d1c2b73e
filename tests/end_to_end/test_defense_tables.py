"""The scripts that print and draw boards of defenses."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from end_to_end.commands import ROOT
from v2t_bench.leaderboard.rows import COLUMNS

USUAL = {
    "corpus": "beir:nq", "track": "cut", "max_tokens": "16", "embedder": "minilm",
    "noise_on": "both", "threat": "oblivious", "oracle": "clean", "n_texts": "200",
    "ndcg_at_10": "0.74", "ndcg_kept": "1.0", "bleu": "9", "headroom": "8",
    "bytes_per_vector": "1536", "attack": "bow:x=1",
}  # fmt: skip
ROTATE, NOISE = {"defense": "rotate"}, {"defense": "noise:on=both,sigma=0.05", "ndcg_kept": "0.8"}


def scored(bleu_norm: float) -> dict[str, str]:
    low, high = bleu_norm - 1, bleu_norm + 1
    return {"bleu_norm": str(bleu_norm), "bleu_norm_lo": str(low), "bleu_norm_hi": str(high)}


ROWS = [
    {"defense": "none", **scored(10)},
    {"defense": "none", "attack": "nearest:c=1", "headroom": "", **scored(4)},
    {**ROTATE, **scored(2)},
    {**ROTATE, "threat": "adaptive:align", "pairs": "16", **scored(3)},
    {**ROTATE, "threat": "adaptive:align", "pairs": "1024", **scored(9.5)},
    {**ROTATE, "threat": "worst", "n_texts": "100", **scored(99)},
    {**ROTATE, "oracle": "protected", **scored(98)},
    {**NOISE, **scored(5), "snr_db": "0.25"},
    {**NOISE, "threat": "adaptive:denoise", **scored(6.5), "snr_db": "0.25"},
    {"defense": "opaque:scheme=ckks", "attack": "", "threat": "", "oracle": "", "n_texts": "",
     "flags": "not-applicable-unless-key-leaks", "bytes_per_vector": ""},
]  # fmt: skip


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.csv"
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(USUAL | row for row in ROWS)
    return path


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "bench"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_a_defense_is_a_line_with_every_threat(board: Path) -> None:
    done = script("defense_tables", board, "--corpus", "nq")
    assert done.returncode == 0, done.stderr
    assert (
        "| `rotate` | 1.000 |  | 1536 | bow | 200 "
        "| 2.0 [1.0, 3.0] |  | 9.5 [8.5, 10.5], P=1024 |  |"
    ) in done.stdout
    assert (
        "| `noise:0.05` | 0.800 | 0.2 | 1536 | bow | 200 | 5.0 [4.0, 6.0] | 6.5 [5.5, 7.5] |  |  |"
    ) in done.stdout
    assert "| `opaque:ckks` | 1.000 |  |  | not-applicable-unless-key-leaks |" in done.stdout
    assert "99" not in done.stdout


def test_what_falls_is_told_with_its_numbers(board: Path) -> None:
    done = script("defense_tables", board)
    remarks = [line for line in done.stdout.splitlines() if line.startswith("- ")]
    assert remarks == [
        "- `rotate`, bow, align: 9.5 [8.5, 10.5], P=1024: reads more than who does not know "
        "(2.0 [1.0, 3.0]); at least 90 % of undefended (10.0 [9.0, 11.0])"
    ]


def test_the_noise_curve_stands_beside_the_papers(board: Path) -> None:
    done = script("defense_tables", board, "--noise")
    assert "| 0 |  | 0.740 | 1.000 | 10.0 [9.0, 11.0] |  |  | 0.302 | 80.4 |" in done.stdout
    assert (
        "| 0.05 | 0.2 | 0.740 | 0.800 | 5.0 [4.0, 6.0] | 6.5 [5.5, 7.5] |  |  |  |" in done.stdout
    )
    assert "| 0.1 |  |  |  |  |  |  | 0.002 | 0.15 |" in done.stdout


@pytest.mark.parametrize("name", ["defense_tables", "frontier_picture"])
def test_what_is_no_board_is_refused_in_one_line(name: str, board: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    empty = tmp_path / "empty.csv"
    empty.write_text(",".join(COLUMNS) + "\n")
    out = ["-o", tmp_path / "x.svg"] if name == "frontier_picture" else []
    for path, said in ((other, "no column"), (empty, "no row of"), (tmp_path / "none", "No such")):
        done = script(name, path, *out)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_the_frontier_is_drawn_alike_every_time(board: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        assert not os.environ.get("CI"), "the extra figures is not installed"
        pytest.skip("matplotlib is not installed: pip install 'v2t-bench[figures]'")
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in pictures:
        done = script("frontier_picture", board, "-o", path)
        assert done.returncode == 0, done.stderr
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    told = " ".join(ET.parse(pictures[0]).getroot().itertext())
    for words in ("rotate", "noise:0.05", "undefended", "Pareto front", "who does not know",
                  "opaque:ckks: not applicable unless the key leaks",
                  "headroom 8.0: attack too weak to call anything safe"):  # fmt: skip
        assert words in told
