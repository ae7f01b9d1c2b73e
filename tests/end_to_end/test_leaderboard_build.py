"""``v2t-bench leaderboard build``: of real cells, the same bytes every time, checked to a digit."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from end_to_end.commands import Finished, Invoke, refused
from v2t_bench.leaderboard.rows import COLUMNS

ONE, TWO = ("--defense", "noise:0.1", "--seed", "0", "--seed", "1"), ("--defense", "quantize:int8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boards")


@pytest.fixture
def runs(made: Path, invoke: Invoke) -> list[Path]:
    """Two results folders of one table; the undefended cells are in both."""
    folders = [made / "one", made / "two"]
    for folder, defenses in zip(folders, (ONE, TWO), strict=True):
        if not folder.exists():
            done = invoke(
                "run", "--dataset", "demo-beir", "--embedder", "hashed", "--device", "cpu",
                "--attack", "nearest", "--threat", "oblivious", "--threat", "adaptive:denoise",
                *defenses, "-o", folder,
            )  # fmt: skip
            assert done.status == 0, done.err
    return folders


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def cell_folders(folder: Path) -> list[Path]:
    return sorted((folder / "cells").iterdir())


class TestABuild:
    def test_has_the_rows_of_every_folder(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        done = invoke("leaderboard", "build", *runs, "-o", tmp_path / "o")
        assert done.status == 0, done.err
        assert set(contents(tmp_path / "o")) == {"demo-beir.csv", "frontier.csv"}
        rows = read(tmp_path / "o" / "demo-beir.csv")
        own = [row["cell_id"] for run in runs for row in read(run / "leaderboard.csv")]
        assert list(rows[0]) == list(COLUMNS)
        assert {row["cell_id"] for row in rows} == set(own)
        found = [row["defense"] for row in read(tmp_path / "o" / "frontier.csv")]
        assert found == ["none", "noise:on=both,sigma=0.1", "quantize:code=int8"]

    def test_agrees_with_the_run_where_there_is_one_seed(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        invoke("leaderboard", "build", *runs, "-o", tmp_path)
        long = {(row["defense"], row["threat"]): row for row in read(runs[1] / "leaderboard.csv")
                if row["attack"].startswith("nearest")}  # fmt: skip
        rows = read(tmp_path / "frontier.csv")
        (row,) = [row for row in rows if row["defense"] == "quantize:code=int8"]
        same = ("ndcg_at_10", "ndcg_lo", "ndcg_hi", "ndcg_kept", "snr_db", "headroom")
        worst, own = long[row["defense"], "worst"], long[row["defense"], "oblivious"]
        assert [row[name] for name in same] == [own[name] for name in same]
        assert row["ndcg_lo"] != ""
        assert row["bleu_norm nearest oblivious"] == own["bleu_norm"]
        assert [row[f"worst_{name}"] for name in ("bleu_norm", "lo", "hi")] == [
            worst[name] for name in ("bleu_norm", "bleu_norm_lo", "bleu_norm_hi")
        ]  # fmt: skip

    def test_is_the_same_in_whatever_order(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        for name, folders in (("a", runs), ("b", runs[::-1]), ("c", [*runs, runs[0]])):
            assert invoke("leaderboard", "build", *folders, "-o", tmp_path / name).status == 0
        assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")

    def test_needs_no_plugin(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone() -> None:
            raise AssertionError("a plugin was looked for")

        monkeypatch.setattr("v2t_bench.registry.discover", gone)
        assert invoke("leaderboard", "build", *runs, "-o", tmp_path / "o").status == 0
        assert invoke("leaderboard", "merge", *runs, "-o", tmp_path / "m").status == 0

    def test_leaves_no_half_of_a_file(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoke("leaderboard", "build", runs[1], "-o", tmp_path)
        before = contents(tmp_path)

        def full(self: Path, data: bytes) -> int:
            with self.open("wb") as stream:
                stream.write(data[:100])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        refused(invoke("leaderboard", "build", *runs, "-o", tmp_path), "No space left")
        monkeypatch.undo()
        assert contents(tmp_path) == before


class TestACheck:
    def test_finds_nothing_where_nothing_changed(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        invoke("leaderboard", "build", *runs, "-o", tmp_path)
        done = invoke("leaderboard", "build", *runs, "-o", tmp_path, "--check")
        assert (done.status, done.out) == (0, "")

    @pytest.mark.parametrize("name", ["demo-beir.csv", "frontier.csv"])
    def test_finds_one_digit_and_writes_nothing(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path, name: str
    ) -> None:
        invoke("leaderboard", "build", *runs, "-o", tmp_path)
        path = tmp_path / name
        text = path.read_text()
        value = read(path)[0]["ndcg_at_10"]
        path.write_text(text.replace(value, f"{value[:-1]}{(int(value[-1]) + 1) % 10}", 1))
        before = contents(tmp_path)
        done = invoke("leaderboard", "build", *runs, "-o", tmp_path, "--check")
        assert done.status == 1
        assert done.out.startswith(f"{path}: row 2, ndcg_at_10: holds ")
        assert contents(tmp_path) == before

    def test_names_every_file_that_is_not_there(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        done = invoke("leaderboard", "build", *runs, "-o", tmp_path / "o", "--check")
        assert done.status == 1
        assert done.out.splitlines() == [
            f"{tmp_path / 'o' / name}: missing" for name in ("demo-beir.csv", "frontier.csv")
        ]
        assert not (tmp_path / "o").exists()

    def test_draws_nothing(self, invoke: Invoke, runs: list[Path]) -> None:
        refused(
            invoke("leaderboard", "build", *runs, "--check", "--pictures"), "without --pictures"
        )


class TestBadFolders:
    def build(self, invoke: Invoke, *folders: Path) -> Finished:
        return invoke("leaderboard", "build", *folders, "-o", folders[0].parent / "boards")

    def test_that_are_no_results_are_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "r").mkdir()
        refused(self.build(invoke, tmp_path / "r"), "it has no cells/")

    def test_that_hold_no_cell_are_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "r" / "cells" / "v1-half").mkdir(parents=True)
        done = self.build(invoke, tmp_path / "r")
        assert done.status == 2
        assert "left out: 1 half-written" in done.err
        assert "there is no finished cell" in done.err

    def test_that_are_not_there_are_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        refused(self.build(invoke, tmp_path / "nowhere"), "does not exist")

    @pytest.mark.parametrize("schema", [0, 2])
    def test_of_another_schema_are_told_and_the_rest_is_written(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path, schema: int
    ) -> None:
        shutil.copytree(runs[1], tmp_path / "r")
        path = cell_folders(tmp_path / "r")[0] / "result.json"
        path.write_text(path.read_text().replace('version": 1', f'version": {schema}', 1))
        done = self.build(invoke, tmp_path / "r")
        assert done.status == 1
        assert f"has schema_version {schema}; this version of v2t-bench reads 1" in done.err
        assert (tmp_path / "boards" / "demo-beir.csv").exists()

    def test_in_conflict_are_told_and_the_rest_is_written(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        shutil.copytree(runs[1], tmp_path / "r")
        path = next(
            p for p in (tmp_path / "r").glob("cells/*/result.json") if '"token_f1"' in p.read_text()
        )
        record = json.loads(path.read_text())
        record["scores"]["token_f1"]["value"] = 0.75
        path.write_text(json.dumps(record))
        done = self.build(invoke, tmp_path / "r", runs[1])
        assert done.status == 1
        assert f"conflict: {path.parent.name} differs between {path.parent} and " in done.err
        assert "token_f1 is 0.75 in the first and " in done.err
        ids = {row["cell_id"] for row in read(tmp_path / "boards" / "demo-beir.csv")}
        assert ids
        assert path.parent.name not in ids

    def test_half_written_and_failed_cells_make_no_row(
        self, invoke: Invoke, runs: list[Path], tmp_path: Path
    ) -> None:
        shutil.copytree(runs[1], tmp_path / "r")
        half, failed, *_ = cell_folders(tmp_path / "r")
        (half / "result.json").unlink()
        (failed / "result.json").rename(failed / "error.json")
        done = self.build(invoke, tmp_path / "r")
        assert done.status == 0
        assert "left out: 1 failed" in done.err
        assert "left out: 1 half-written" in done.err
        ids = " ".join(row["cell_ids"] for row in read(tmp_path / "boards" / "frontier.csv"))
        assert half.name not in ids
        assert failed.name not in ids


def test_a_build_imports_no_model(runs: list[Path], tmp_path: Path) -> None:
    import subprocess
    import sys

    from end_to_end.commands import environment

    script = (
        "import sys; from pathlib import Path; from v2t_bench.leaderboard.board import build_board;"
        "from v2t_bench.leaderboard.gathered import gather; from v2t_bench.leaderboard.published "
        "import csv_files; csv_files(build_board(gather([Path(p) for p in sys.argv[1:]])));"
        "print({'torch', 'transformers', 'v2t_plugins'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, runs)],
        env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
