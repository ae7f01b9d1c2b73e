"""Boards as files: safe names, safe cells, and differences told where they are."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_cells import Made, leakage, utility, write
from v2t_bench.leaderboard.board import build_board
from v2t_bench.leaderboard.csv_file import csv_text, safe_text
from v2t_bench.leaderboard.gathered import gather
from v2t_bench.leaderboard.published import csv_files, differing, file_names, write_files

HOSTILE = ["=cmd()", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "a\nb", 'a"b', "a,b", "\x00",
           "../../x", "/etc/passwd", "<script>", "…", "\u2028", "x" * 300]  # fmt: skip


class TestANameOfAFile:
    @pytest.mark.parametrize(
        ("corpus", "name"), [("nq", "nq.csv"), ("beir:scifact", "beir-scifact.csv")]
    )
    def test_is_the_corpus(self, corpus: str, name: str) -> None:
        assert file_names([corpus]) == {corpus: name}

    @pytest.mark.parametrize(
        "corpora", [["a:b", "a-b"], ["NQ", "nq"], ["a/b", "a\\b"], ["frontier", "nq"], ["Index"],
                    ["reproduction"], ["…", "::"], [".", ".."], [""], ["x" * 300, "x" * 301]],
    )  # fmt: skip
    def test_is_nobody_else_s_on_any_file_system(self, corpora: list[str]) -> None:
        names = [name.casefold() for name in file_names(corpora).values()]
        taken = {"frontier.csv", "index.csv", "reproduction.csv"}
        assert len({*names, *taken}) == len(corpora) + len(taken)

    @given(st.lists(st.text(), max_size=5))
    def test_never_leaves_the_folder(self, corpora: list[str]) -> None:
        for name in file_names(corpora).values():
            assert Path(name).name == name
            assert not name.startswith((".", "-"))
            assert len(name) < 130


class TestACell:
    @pytest.mark.parametrize("text", ["=1", "+x", "-x", "@x", "\tx", "\rx"])
    def test_that_a_spreadsheet_would_compute_is_quoted(self, text: str) -> None:
        assert safe_text(text).startswith("'")

    @pytest.mark.parametrize("text", ["-1", "+12", "0", "", "a=b", "noise:sigma=0.1", "é", "'"])
    def test_of_ordinary_text_is_left_alone(self, text: str) -> None:
        assert safe_text(text) == text

    def test_that_is_a_number_is_left_alone(self) -> None:
        rows = [{"a": -1.5, "b": -2, "c": None, "d": True}]
        assert csv_text(rows, ["a", "b", "c", "d"]).splitlines()[1] == "-1.500000,-2,,true"

    @given(st.lists(st.text(), min_size=1, max_size=4))
    def test_is_in_one_line_and_comes_back_whatever_it_holds(self, texts: list[str]) -> None:
        columns = [f"c{at}" for at in range(len(texts))]
        text = csv_text([dict(zip(columns, texts, strict=True))], columns)
        assert text.count("\n") == 2
        assert len(text.splitlines()) == 2
        _, row = csv.reader(io.StringIO(text, newline=""))
        assert row == [safe_text(one) for one in texts]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("label", ["corpus", "embedder", "attack", "defense", "seeds", "oracle"])
def test_hostile_labels_stay_data(tmp_path: Path, label: str, hostile: str) -> None:
    def cells(**labels: Any) -> list[Made]:
        return [
            utility([0.8] * 40, "d", labels=labels),
            leakage([5.0] * 40, "a", "d", labels=labels),
        ]

    results = write(tmp_path / "r", *cells(**{label: hostile}), *cells())
    files = csv_files(build_board(gather([results])))
    write_files(files, tmp_path / "o")
    assert {path.name for path in (tmp_path / "o").iterdir()} == set(files)
    assert {path.name for path in tmp_path.iterdir()} == {"o", "r"}
    for text in files.values():
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        assert {len(row) for row in rows} == {len(header)}
        assert len(rows) == len(text.splitlines()) - 1
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "\t", "\r"))]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    cells = [utility([0.8] * 40), leakage([5.0] * 40), utility([0.5] * 40, labels={"corpus": "b"}),
             leakage([5.0] * 40, labels={"corpus": "b"})]  # fmt: skip
    return csv_files(build_board(gather([write(tmp_path / "r", *cells)])))


class TestDifferences:
    def test_are_none_of_what_was_just_written(self, files: dict[str, str], tmp_path: Path) -> None:
        assert write_files(files, tmp_path / "o") == []
        assert differing(files, tmp_path / "o") == []

    def test_are_told_by_row_and_column(self, files: dict[str, str], tmp_path: Path) -> None:
        write_files(files, tmp_path)
        path = tmp_path / "c.csv"
        path.write_text(path.read_text().replace(",5.000000,", ",5.000001,", 1))
        (line,) = differing(files, tmp_path)
        assert line == f"{path}: row 2, bleu_norm: holds '5.000001', expected '5.000000'"

    def test_are_a_missing_file(self, files: dict[str, str], tmp_path: Path) -> None:
        write_files(files, tmp_path)
        (tmp_path / "frontier.csv").unlink()
        assert differing(files, tmp_path) == [f"{tmp_path / 'frontier.csv'}: missing"]

    def test_are_a_board_that_no_cell_makes(self, files: dict[str, str], tmp_path: Path) -> None:
        write_files(files, tmp_path)
        (tmp_path / "old.csv").write_text(files["c.csv"])
        (tmp_path / "reproduction.csv").write_text("table,row\n")
        (line,) = differing(files, tmp_path)
        assert line.startswith(f"{tmp_path / 'old.csv'}: no cell makes it")

    @pytest.mark.parametrize(
        ("lines", "told"), [(1, "row 2 is missing"), (3, "row 3 is made by no cell")]
    )
    def test_are_rows_too_few_or_too_many(
        self, files: dict[str, str], tmp_path: Path, lines: int, told: str
    ) -> None:
        write_files(files, tmp_path)
        kept = files["c.csv"].splitlines(keepends=True)
        (tmp_path / "c.csv").write_text("".join([*kept, *kept[1:]][:lines]))
        (line,) = differing(files, tmp_path)
        assert told in line

    def test_are_other_ends_of_lines(self, files: dict[str, str], tmp_path: Path) -> None:
        write_files(files, tmp_path)
        (tmp_path / "c.csv").write_bytes(files["c.csv"].replace("\n", "\r\n").encode())
        (line,) = differing(files, tmp_path)
        assert line.endswith("the same values in other bytes")

    def test_are_bytes_that_are_no_text(self, files: dict[str, str], tmp_path: Path) -> None:
        write_files(files, tmp_path)
        (tmp_path / "c.csv").write_bytes(b"\xff\x00")
        (line,) = differing(files, tmp_path)
        assert line.startswith(f"{tmp_path / 'c.csv'}: row 1")
