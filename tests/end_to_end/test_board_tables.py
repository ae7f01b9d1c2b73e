"""The script that prints a board as Markdown."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.commands import ROOT
from v2t_bench.leaderboard.rows import COLUMNS

USUAL = {
    "corpus": "demo-nq", "track": "cut", "max_tokens": "32", "embedder": "minilm",
    "threat": "oblivious", "defense": "none", "n_texts": "50", "ndcg_kept": "1.000000",
    "bleu": "10.04", "bleu_lo": "9", "bleu_hi": "11.26", "bleu_norm": "12", "bleu_norm_lo": "11",
    "bleu_norm_hi": "13", "token_f1": "0.5", "exact_norm": "0", "cos": "0.75", "oracle_texts": "0",
}  # fmt: skip


def printed(tmp_path: Path, *rows: dict[str, str]) -> list[str]:
    """Return what the script prints of ``rows``, each with what it has beside `USUAL`."""
    board = tmp_path / "board.csv"
    with board.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(USUAL | row for row in rows)
    script = ROOT / "benchmarks" / "board_tables.py"
    done = subprocess.run(
        [sys.executable, str(script), str(board)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_a_row_shows_its_steps_and_what_most_of_its_attack_do_not_say(tmp_path: Path) -> None:
    lines = printed(
        tmp_path,
        {"attack": "vec2text:beam=4,checkpoint=a,steps=20", "oracle_texts": "105"},
        {"attack": "vec2text:beam=1,checkpoint=b,steps=20", "headroom": "8.25"},
        {"attack": "vec2text:beam=1,steps=5", "bleu_lo": "", "bleu_hi": ""},
        {"attack": "nearest:checkpoint=c"},
        {"attack": "prior:attack=[vec2text:beam=1,steps=20]"},
    )
    assert lines == [
        "demo-nq, cut, 32, minilm, oblivious, none, 50 texts, 1.000 of NDCG@10 kept",
        "| attack | bleu | bleu_norm | token F1 | exact_norm | cosine | headroom | texts asked |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| `nearest` | 10.0 [9.0, 11.3] | 12.0 [11.0, 13.0] | 0.500 | 0.000 | 0.750 |  |  |",
        "| `vec2text:steps=5` | 10.0 | 12.0 [11.0, 13.0] | 0.500 | 0.000 | 0.750 |  |  |",
        "| `vec2text:steps=20` | 10.0 [9.0, 11.3] | 12.0 [11.0, 13.0] | 0.500 | 0.000 | 0.750 "
        "| 8.2 |  |",
        "| `vec2text:steps=20,beam=4` | 10.0 [9.0, 11.3] | 12.0 [11.0, 13.0] | 0.500 | 0.000 "
        "| 0.750 |  | 2 |",
    ]


def test_rows_of_unlike_settings_never_share_a_table(tmp_path: Path) -> None:
    unlike = ("corpus", "track", "max_tokens", "embedder", "threat", "defense", "n_texts")
    rows = [{"attack": "silent"}, *({"attack": "silent", name: "7"} for name in unlike)]
    lines = printed(tmp_path, *rows)
    assert [line.split(" texts")[0] for line in lines if " texts, " in line] == [
        ", ".join((USUAL | row)[name] for name in unlike) for row in rows
    ]
    assert sum(line.startswith("| `silent`") for line in lines) == len(rows)


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "cannot be read"), ("a,b\n1,2\n", "no column 'attack'")]
)
def test_what_is_no_board_is_refused_in_one_line(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    board = tmp_path / "board.csv"
    if content is not None:
        board.write_text(content)
    script = ROOT / "benchmarks" / "board_tables.py"
    done = subprocess.run(
        [sys.executable, str(script), str(board)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
