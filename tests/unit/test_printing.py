"""Tables on stdout are whole and say what is in them."""

from __future__ import annotations

import pytest
from rich.table import Table

from v2t_bench.cli.printing import print_table


def test_no_row_is_cut_and_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("attack", "scores")
    table.add_row("prior:attack=[bow]", "x" * 300)
    print_table(table)
    said = capsys.readouterr().out
    assert "prior:attack=[bow]" in said
    assert "x" * 300 in said
