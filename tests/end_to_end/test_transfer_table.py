"""The script that prints transfers as Markdown."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from end_to_end.commands import ROOT
from toy_checkpoint import write_checkpoint
from v2t_bench.checkpoints import RECORD, checkpoint_in
from v2t_bench.leaderboard.rows import COLUMNS

USUAL = {
    "corpus": "wiki", "max_tokens": "16", "embedder": "lsa", "defense": "none", "n_texts": "100",
    "bleu_norm": "9.04", "bleu_norm_lo": "8", "bleu_norm_hi": "10.26", "token_f1": "0.5",
}  # fmt: skip
FACTS: dict[str, Any] = {
    "cosine": 0.51234, "top1": 0.25, "rank": 1234.5,
    "identity_cosine": None, "identity_top1": None, "identity_rank": None,
    "shuffled_cosine": 0.1, "shuffled_top1": 0.00012, "shuffled_rank": 4096.5,
    "target_texts": 8320,
}  # fmt: skip


def printed(tmp_path: Path, *rows: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Return what the script did of ``rows``, each with what it has beside `USUAL`."""
    board = tmp_path / "board.csv"
    with board.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(USUAL | row for row in rows)
    script = ROOT / "benchmarks" / "transfer_table.py"
    words = [sys.executable, str(script), str(board), str(tmp_path)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def aligner(tmp_path: Path) -> str:
    """An aligner as the CSV spells it; of its checkpoint only the record is there."""
    folder = write_checkpoint(tmp_path / "a", attack="aligner", facts=FACTS)
    for file in folder.iterdir():
        if file.name != RECORD:
            file.unlink()
    identity = checkpoint_in(folder).identity
    return f'aligner:checkpoint="{identity}",inverter=[vec2text:steps=5],method=linear,pairs=128'


def test_a_row_joins_what_is_read_with_how_well_it_is_aligned(aligner: str, tmp_path: Path) -> None:
    done = printed(
        tmp_path,
        {"attack": f"shuffled:attack=[{aligner}]", "pairs": "128", "bleu_norm": "1"},
        {"attack": aligner, "pairs": "128", "bleu_norm_prior": "2.5"},
        {"attack": f"prior:attack=[{aligner}]", "pairs": "128"},
        {"attack": 'nearest:checkpoint="n@0"', "bleu_norm_lo": "", "bleu_norm_hi": ""},
    )
    assert done.returncode == 0, done.stderr
    told = (
        "0.512 (n/a, 0.100) | 0.2500 (n/a, 0.0001) | 1,234 (n/a, 4,096) | {bleu_norm} "
        "[8.0, 10.3] | {prior} | 0.500 | 8,320 |"
    )
    assert [line for line in done.stdout.splitlines() if line] == [
        "wiki, 16, lsa, none, 100 texts",
        "| attack | pairs | cosine (identity, shuffled) | top-1 | mean rank | bleu_norm | prior | "
        "token F1 | target texts |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| `nearest` |  |  |  |  | 9.0 |  | 0.500 |  |",
        f"| `aligner:linear` | 128 | {told.format(bleu_norm='9.0', prior='2.5')}",
        f"| `shuffled:[aligner:linear]` | 128 | {told.format(bleu_norm='1.0', prior='')}",
    ]


def test_a_row_whose_aligner_is_not_there_is_refused(aligner: str, tmp_path: Path) -> None:
    done = printed(tmp_path, {"attack": aligner.replace("a@", "b@")})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no record of b@")
    assert len(done.stderr.splitlines()) == 1


def test_rows_of_unlike_settings_never_share_a_table(tmp_path: Path) -> None:
    unlike = ("corpus", "max_tokens", "embedder", "defense", "n_texts")
    rows = [{"attack": "silent"}, *({"attack": "silent", name: "7"} for name in unlike)]
    done = printed(tmp_path, *rows)
    assert done.stdout.count("| `silent` |") == done.stdout.count(" texts\n") == len(rows)
