"""``v2t-bench leaderboard merge``: one folder of several, whole cells, sources left alone."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from end_to_end.commands import Finished, Invoke, refused
from made_cells import Made, leakage, utility, write
from v2t_bench.leaderboard.merge import merge
from v2t_bench.results import Measured
from v2t_bench.store import TEXT_COLUMNS, Store

SEARCH = utility([0.8] * 40)
FIRST, SECOND = leakage([5.0] * 40), leakage([7.0] * 40, "b")


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and time."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def with_cosine(made: Made, value: float) -> Made:
    result, table = made
    scores = result.scores | {"cos": Measured(value=value, n=40)}
    return result.model_copy(update={"scores": scores}), table


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "a", SEARCH, FIRST), write(tmp_path / "b", SEARCH, SECOND)]


def merged(invoke: Invoke, sources: list[Path], *more: object) -> Finished:
    return invoke("leaderboard", "merge", *sources, "-o", sources[0].parent / "m", *more)


class TestAMerge:
    def test_holds_each_cell_once_byte_by_byte(self, invoke: Invoke, sources: list[Path]) -> None:
        done = merged(invoke, sources)
        assert done.status == 0, done.err
        assert "3 cells copied, 0 there already; they make 2 rows" in done.err
        for source in sources:
            for name, (content, _) in tree(source).items():
                assert (sources[0].parent / "m" / name).read_bytes() == content

    def test_leaves_its_sources_alone(self, invoke: Invoke, sources: list[Path]) -> None:
        before = [tree(source) for source in sources]
        merged(invoke, sources)
        assert [tree(source) for source in sources] == before

    def test_is_a_results_folder(self, invoke: Invoke, sources: list[Path]) -> None:
        merged(invoke, sources)
        folder = sources[0].parent / "m"
        with (folder / "leaderboard.csv").open(newline="") as stream:
            assert [row["bleu_norm"] for row in csv.DictReader(stream)] == ["5.000000", "7.000000"]
        assert len(Store(folder).results()) == 3
        built = invoke("leaderboard", "build", folder, "-o", folder.parent / "o")
        whole = invoke("leaderboard", "build", *sources, "-o", folder.parent / "o", "--check")
        assert (built.status, whole.status) == (0, 0)

    def test_goes_on_where_it_was_stopped(self, invoke: Invoke, sources: list[Path]) -> None:
        folder = write(sources[0].parent / "m", FIRST)
        left = folder / "cells" / f".{SECOND[0].cell_id}-x.partial"
        left.mkdir()
        done = merged(invoke, sources)
        assert "2 cells copied, 1 there already" in done.err
        assert not left.exists()
        before = tree(folder / "cells")
        assert "0 cells copied, 3 there already" in merged(invoke, sources).err
        assert tree(folder / "cells") == before

    def test_replaces_what_is_damaged(self, invoke: Invoke, sources: list[Path]) -> None:
        merged(invoke, sources)
        path = sources[0].parent / "m" / "cells" / FIRST[0].cell_id / "samples.parquet"
        path.write_bytes(path.read_bytes()[:-1])
        assert "1 cells copied, 2 there already" in merged(invoke, sources).err

    def test_copies_nothing_beside_the_cell(self, invoke: Invoke, sources: list[Path]) -> None:
        (sources[0] / "cells" / FIRST[0].cell_id / "notes.txt").write_text("mine")
        merged(invoke, sources)
        own = sources[0].parent / "m" / "cells" / FIRST[0].cell_id
        assert {path.name for path in own.iterdir()} == {"result.json", "samples.parquet"}

    def test_copies_no_failure_and_counts_it(self, invoke: Invoke, sources: list[Path]) -> None:
        (sources[0] / "cells" / "v1-failed").mkdir()
        (sources[0] / "cells" / "v1-failed" / "error.json").write_text("{}")
        done = merged(invoke, sources)
        assert done.status == 0
        assert "left out: 1 failed" in done.err
        assert not (sources[0].parent / "m" / "cells" / "v1-failed").exists()


def test_what_a_damaged_cell_is_called_moves_no_cursor(invoke: Invoke, sources: list[Path]) -> None:
    path = sources[0] / "cells" / FIRST[0].cell_id / "result.json"
    record = json.loads(path.read_text())
    record["files"] = {f"\x1b[2J{'x' * 100_000}": "0"}
    path.write_text(json.dumps(record))
    done = merged(invoke, sources)
    assert done.status == 1
    assert "\x1b" not in done.err
    assert max(map(len, done.err.splitlines())) < 1100


class TestAConflict:
    @pytest.mark.parametrize("turn", [1, -1])
    def test_keeps_the_first_and_says_what_differs(
        self, invoke: Invoke, tmp_path: Path, turn: int
    ) -> None:
        values = {"a": 0.25, "b": 0.5}
        sources = [write(tmp_path / n, with_cosine(FIRST, v)) for n, v in values.items()][::turn]
        done = merged(invoke, sources)
        first, second = [*values.values()][::turn]
        assert done.status == 1
        assert f"cos is {first} in the first and {second} in the second" in done.err
        (kept,) = Store(tmp_path / "m").results()
        assert kept.scores["cos"].value == first

    def test_with_what_the_folder_holds_keeps_it(self, invoke: Invoke, tmp_path: Path) -> None:
        write(tmp_path / "m", with_cosine(FIRST, 0.5))
        done = merged(invoke, [write(tmp_path / "a", with_cosine(FIRST, 0.25))])
        assert done.status == 1
        assert "cos is 0.5 in the first and 0.25 in the second" in done.err
        (kept,) = Store(tmp_path / "m").results()
        assert kept.scores["cos"].value == 0.5


class TestAFolderToMergeInto:
    def test_is_no_source(self, invoke: Invoke, sources: list[Path]) -> None:
        before = tree(sources[0])
        (sources[0].parent / "link").symlink_to(sources[0])
        for own in (sources[0], sources[0] / "cells", sources[0].parent / "link"):
            done = invoke("leaderboard", "merge", *sources, "-o", own)
            refused(done, "one of the folders to merge")
        assert tree(sources[0]) == before

    def test_is_no_packed_source(self, invoke: Invoke, sources: list[Path], tmp_path: Path) -> None:
        archive = tmp_path / "a.tar.zst"
        invoke("leaderboard", "merge", sources[0], "-o", archive)
        before = archive.read_bytes()
        done = invoke("leaderboard", "merge", archive, "-o", archive, "--drop-texts")
        refused(done, "one of the folders to merge")
        assert archive.read_bytes() == before

    def test_may_hold_its_sources(self, invoke: Invoke, sources: list[Path]) -> None:
        assert invoke("leaderboard", "merge", *sources, "-o", sources[0].parent).status == 0

    @pytest.mark.parametrize("name", ["m", "m.tar.zst"])
    def test_is_no_device_or_pipe(self, invoke: Invoke, sources: list[Path], name: str) -> None:
        pipe = sources[0].parent / name
        os.mkfifo(pipe)
        refused(invoke("leaderboard", "merge", *sources, "-o", pipe), "choose another name")
        assert pipe.is_fifo()

    def test_is_not_made_without_results_that_are_none(
        self, invoke: Invoke, sources: list[Path], tmp_path: Path
    ) -> None:
        (tmp_path / "boards").mkdir()
        done = merged(invoke, sources, "--without", tmp_path / "boards")
        refused(done, "boards is no results folder")
        assert not (tmp_path / "m").exists()

    def test_is_not_made_of_nothing(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "a" / "cells").mkdir(parents=True)
        refused(merged(invoke, [tmp_path / "a"]), "there is no finished cell to merge")
        assert not (tmp_path / "m").exists()

    def test_is_named(self, invoke: Invoke, sources: list[Path]) -> None:
        refused(invoke("leaderboard", "merge", *sources), "--output")


def test_a_merge_that_is_killed_leaves_whole_cells(
    sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    copy = shutil.copyfile

    def killed(source: Path, target: Path) -> None:
        if Path(source).name == "result.json":
            raise KeyboardInterrupt
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        merge(sources, tmp_path / "m")
    assert [path.name for path in (tmp_path / "m" / "cells").iterdir()] == []
    monkeypatch.undo()
    assert merge(sources, tmp_path / "m").copied == 3


def test_a_merge_leaves_out_what_others_hold(invoke: Invoke, sources: list[Path]) -> None:
    assert merged(invoke, sources, "--without", sources[0]).status == 0
    left = {path.name for path in (sources[0].parent / "m" / "cells").iterdir()}
    theirs = {path.name for path in (sources[0] / "cells").iterdir()}
    assert left == {path.name for path in (sources[1] / "cells").iterdir()} - theirs
    assert left


def test_of_nothing_new_is_told(invoke: Invoke, sources: list[Path]) -> None:
    done = merged(invoke, sources, "--without", sources[0], "--without", sources[1])
    assert done.status == 2
    assert "no finished cell to merge that is not left out" in done.err


def test_a_merge_may_be_packed(invoke: Invoke, sources: list[Path], tmp_path: Path) -> None:
    assert invoke("leaderboard", "merge", *sources, "-o", tmp_path / "m.tar.zst").status == 0
    assert invoke("leaderboard", "build", tmp_path / "m.tar.zst", "-o", tmp_path).status == 0
    assert invoke("leaderboard", "build", *sources, "-o", tmp_path, "--check").status == 0


def test_a_merge_may_leave_texts_out(invoke: Invoke, tmp_path: Path) -> None:
    result, table = FIRST
    assert "text" in table.column_names
    folder = write(tmp_path / "a", SEARCH, FIRST)
    done = invoke("leaderboard", "merge", folder, "--drop-texts", "-o", tmp_path / "m")
    assert done.status == 0, done.err
    kept = pq.read_table(tmp_path / "m" / "cells" / result.cell_id / "samples.parquet")
    texts = [name for name in table.column_names if name in TEXT_COLUMNS]
    assert kept == table.drop_columns(texts)
    assert invoke("leaderboard", "build", folder, "-o", tmp_path).status == 0
    assert invoke("leaderboard", "build", tmp_path / "m", "-o", tmp_path, "--check").status == 0
