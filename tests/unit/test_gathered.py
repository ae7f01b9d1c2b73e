"""Several results folders as one: each cell once, what is wrong with the others told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from made_cells import Made, leakage, utility, write
from v2t_bench.canonical import hash_file
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_bench.leaderboard.gathered import gather
from v2t_bench.results import Measured
from v2t_bench.samples import SAMPLES

CELL = leakage([1.0, 2.0, 3.0])


def rescored(made: Made, name: str, value: float) -> Made:
    """The same cell with a score that no table of it holds."""
    result, table = made
    scores = result.scores | {name: Measured(value=value, n=3)}
    return result.model_copy(update={"scores": scores}), table


def folder_of(root: Path, made: Made = CELL) -> Path:
    return root / "cells" / made[0].cell_id


def edit(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the record of the cell."""
    path = folder_of(root) / "result.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def retable(root: Path, table: pa.Table) -> None:
    """Replace the table of the cell, its hash with it."""
    path = folder_of(root) / SAMPLES
    pq.write_table(table, path)
    edit(root, lambda record: record["files"].update({SAMPLES: hash_file(path)}))


class TestTheSameCellInTwoFolders:
    def test_is_one(self, tmp_path: Path) -> None:
        gathered = gather([write(tmp_path / name, CELL) for name in "ab"])
        assert [result.cell_id for result in gathered.results] == [CELL[0].cell_id]
        assert (gathered.repeated, gathered.conflicts) == (1, ())

    def test_with_other_scores_is_a_conflict_and_makes_no_row(self, tmp_path: Path) -> None:
        folders = [write(tmp_path / "a", rescored(CELL, "cos", 0.5)),
                   write(tmp_path / "b", rescored(CELL, "cos", 0.25))]  # fmt: skip
        gathered = gather(folders)
        (conflict,) = gathered.conflicts
        assert gathered.results == ()
        assert str(conflict).endswith("cos is 0.5 in the first and 0.25 in the second")
        assert (conflict.first, conflict.other) == tuple(map(folder_of, folders))
        assert gathered.first_of_conflicts[0].scores["cos"].value == 0.5

    def test_where_one_lacks_a_score_is_a_conflict(self, tmp_path: Path) -> None:
        folders = [write(tmp_path / "a", CELL), write(tmp_path / "b", rescored(CELL, "cos", 0.25))]
        (conflict,) = gather(folders).conflicts
        assert conflict.differences == ("cos is in the second and not in the first",)

    @pytest.mark.parametrize("turn", [1, -1])
    def test_is_read_where_it_tells_more(self, tmp_path: Path, turn: int) -> None:
        result, table = CELL
        more = result.model_copy(update={"references": {"prior": "x"}})
        folders = [write(tmp_path / "a", CELL), write(tmp_path / "b", (more, table))]
        gathered = gather(folders[::turn])
        assert gathered.results[0].references == {"prior": "x"}
        assert gathered.places[result.cell_id] == folder_of(folders[1])


class TestWhatIsNotFinished:
    def test_is_counted(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        for name, file in (("v1-failed", "error.json"), ("v1-half", SAMPLES), ("v1-empty", "")):
            (root / "cells" / name).mkdir()
            if file:
                (root / "cells" / name / file).write_text("{}")
        (root / "cells" / ".v1-x-abc.partial").mkdir()
        (root / "cells" / ".DS_Store").write_text("")
        gathered = gather([root])
        assert (len(gathered.results), gathered.failed, gathered.damaged) == (1, 1, ())
        left = [path.name for path in gathered.half_written]
        assert left == [".v1-x-abc.partial", "v1-empty", "v1-half"]

    def test_may_be_everything(self, tmp_path: Path) -> None:
        (tmp_path / "cells").mkdir()
        assert gather([tmp_path]).results == ()

    def test_is_not_even_a_results_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=r"no results folder \(it has no cells/\)"):
            gather([tmp_path])


class TestADamagedCell:
    def damage(self, root: Path) -> str:
        other = write(root, leakage([4.0, 5.0, 6.0], "b"))
        gathered = gather([other])
        (line,) = gathered.damaged
        # One is damaged, and the other is still there.
        assert [result.labels["attack"] for result in gathered.results] == ["b"]
        return line

    @pytest.mark.parametrize("label", ["corpus", "attack", "seeds", "flags", "max_tokens"])
    @pytest.mark.parametrize("value", [None, {"a": 1}])
    def test_lacks_a_label(self, tmp_path: Path, label: str, value: object) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record["labels"].update({label: value}))
        assert f"label '{label}'" in self.damage(root)

    def test_lacks_a_score(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record["scores"].pop("bleu"))
        assert "score 'bleu'" in self.damage(root)

    @pytest.mark.parametrize("name", ["../../x/samples.parquet", "samples.sh", "a" * 300])
    def test_names_a_file_that_is_none_of_a_cell(self, tmp_path: Path, name: str) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record["files"].update({name: record["files"][SAMPLES]}))
        if name == "samples.sh":
            shutil.copy(folder_of(root) / SAMPLES, folder_of(root) / name)
        assert re.search("names of its files|cannot be read", self.damage(root))

    def test_has_a_label_that_is_infinite(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record["labels"].update(more=float("inf")))
        assert "numbers of its labels, all finite" in self.damage(root)

    def test_is_of_another_schema(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record.update(schema_version=0))
        assert "has schema_version 0; this version of v2t-bench reads 1" in self.damage(root)

    def test_holds_nan(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record["scores"]["bleu"].update(value=float("nan")))
        assert "no finite number as bleu" in self.damage(root)

    def test_says_another_score_than_its_table(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        edit(root, lambda record: record["scores"]["bleu_norm"].update(value=2.00001))
        assert "says that bleu_norm is 2.00001; the mean of samples.parquet is 2.0" in (
            self.damage(root)
        )

    def test_was_cut_short(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        path = folder_of(root) / SAMPLES
        path.write_bytes(path.read_bytes()[:-9])
        assert "changed after it was written" in self.damage(root)

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema_version": 1}', "\0"])
    def test_is_no_record(self, tmp_path: Path, content: str) -> None:
        root = write(tmp_path, CELL)
        (folder_of(root) / "result.json").write_text(content)
        assert "is not a result" in self.damage(root)

    def test_is_a_record_of_endless_brackets(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        (folder_of(root) / "result.json").write_text("[" * 100_000)
        assert "is not a result" in self.damage(root)

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            ("bleu_norm", [1.0, 2.0, float("nan")]), ("bleu_norm", [1.0, 2.0, None]),
            ("bleu_norm", ["x", "y", "z"]), ("id", ["x", "x", "y"]), ("id", [1, 2, 3]),
        ],
    )  # fmt: skip
    def test_has_a_table_that_nothing_can_be_made_of(
        self, tmp_path: Path, column: str, values: list[Any]
    ) -> None:
        root = write(tmp_path, CELL)
        at = CELL[1].column_names.index(column)
        retable(root, CELL[1].set_column(at, column, pa.array(values)))
        assert re.search("lacks an id or a finite bleu_norm", self.damage(root))

    @pytest.mark.parametrize("column", ["id", "document", "bleu_norm"])
    def test_has_a_table_without_a_column(self, tmp_path: Path, column: str) -> None:
        root = write(tmp_path, CELL)
        retable(root, CELL[1].drop_columns([column]))
        assert "is no table of raw outputs" in self.damage(root)

    def test_has_a_table_that_is_none(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        path = folder_of(root) / SAMPLES
        path.write_bytes(b"PAR1 no PAR1")
        edit(root, lambda record: record["files"].update({SAMPLES: hash_file(path)}))
        assert "is no table of raw outputs" in self.damage(root)

    def test_stands_in_another_s_folder(self, tmp_path: Path) -> None:
        root = write(tmp_path, CELL)
        shutil.move(folder_of(root), root / "cells" / "v1-other")
        assert "does not belong to the cell" in self.damage(root)


def test_units_are_the_scores_one_by_one(tmp_path: Path) -> None:
    search = utility([0.25, 0.75])
    gathered = gather([write(tmp_path, CELL, search)])
    texts, queries = (gathered.units[made[0].cell_id] for made in (CELL, search))
    np.testing.assert_array_equal(texts.values, [1, 2, 3])
    np.testing.assert_array_equal(queries.values, [0.25, 0.75])
    assert (texts.ids, queries.ids) == (
        ("text-0", "text-1", "text-2"), ("query-0", "query-1"),
    )  # fmt: skip


def test_a_table_is_read_with_or_without_prose(tmp_path: Path) -> None:
    gathered = gather([write(tmp_path, CELL)])
    name = CELL[0].cell_id
    assert gathered.table(name, SAMPLES).equals(CELL[1])
    bare = gathered.table(name, SAMPLES, prose=False)
    assert bare.column_names == ["id", "document", "bleu", "bleu_norm"]


def test_a_table_that_went_away_is_told(tmp_path: Path) -> None:
    gathered = gather([write(tmp_path, CELL)])
    (folder_of(tmp_path) / SAMPLES).unlink()
    with pytest.raises(CorruptArtifact, match="is no table of raw outputs"):
        gathered.table(CELL[0].cell_id, SAMPLES)


def test_few_tables_are_kept_in_memory(tmp_path: Path) -> None:
    cells = [leakage([1.0, 2.0], f"a{at}") for at in range(80)]
    gathered = gather([write(tmp_path, *cells)])
    for made, _ in cells:
        gathered.table(made.cell_id, SAMPLES)
    assert len(gathered._tables) < 80
