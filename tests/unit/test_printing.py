"""Tables on stdout are whole and say what is in them."""

from __future__ import annotations

import io
import re

import pytest
from rich.table import Table

from v2t_bench.cli.printing import print_table, printable


def test_no_row_is_cut_and_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("attack", "scores")
    table.add_row("prior:attack=[bow] :smile:", "x" * 300)
    print_table(table)
    said = capsys.readouterr().out
    assert "prior:attack=[bow] :smile:" in said
    assert "x" * 300 in said


@pytest.mark.parametrize("wrap", [True, False])
def test_off_a_terminal_no_cell_is_broken(capsys: pytest.CaptureFixture[str], wrap: bool) -> None:
    table = Table("text")
    table.add_row("word " * 60 + "end")
    print_table(table, wrap=wrap)
    assert "word word end" in capsys.readouterr().out


def test_on_a_terminal_prose_keeps_to_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("text")
    table.add_row("word " * 60)
    print_table(table, wrap=True)
    said = re.sub("\x1b[^m]*m", "", capsys.readouterr().out)
    assert said.count("word") == 60
    assert max(len(line) for line in said.splitlines()) <= 40


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\nc\x1b[31md\x00", r"a\tb\r\nc\x1b[31md\x00"),
        ("\u202eright to left\u2028", r"\u202eright to left\u2028"),
        ("half \ud800", r"half \ud800"),
        ("[red]Zoë 猫 🙂[/red] :smile: \\", "[red]Zoë 猫 🙂[/red] :smile: \\"),
    ],
)
def test_what_would_move_the_cursor_is_escaped_and_nothing_else(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_stdout_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", narrow)
    assert printable("Zoë 猫") == r"Zoë \u732b"
