"""The page that lays ours beside what others published."""

from __future__ import annotations

import csv
import itertools
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from benchmarks import reproduction
from benchmarks.bleu_by_cosine import bins_of
from benchmarks.our_rows import Boards, Found, read_beside
from benchmarks.published import read_published
from benchmarks.reproduction import CSV, PAGE, files, filled
from benchmarks.side_by_side import our_number, share_of_published

from v2t_bench.cli.run_verb import command as run_command
from v2t_bench.cli.train_verb import command as train_command
from v2t_bench.errors import BadInput
from v2t_bench.registry import Registry, discover
from v2t_bench.spelling import parse, parse_composition

FOLDER = Path(__file__).parents[2] / "leaderboards"
KINDS = {"--attack": "attacks", "--embedder": "embedders"}


@pytest.fixture(scope="module")
def records() -> list[dict[str, str]]:
    with (FOLDER / CSV).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover(strangers=())


def test_the_committed_files_are_what_the_boards_say() -> None:
    for name, text in files(FOLDER).items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, name


def test_every_published_number_has_a_source_and_a_tag(records: list[dict[str, str]]) -> None:
    published = [record for record in records if record["published"]]
    assert len(published) > 600
    assert [r for r in published if not (r["source"] and r["where"] and r["tag"])] == []


def test_every_number_of_ours_is_of_a_cell_on_a_board(records: list[dict[str, str]]) -> None:
    boards = Boards(folder=FOLDER)
    ours = [r for r in records if r["ours"] and r["file"] != "results"]
    assert ours
    for record in ours:
        cells = {row["cell_id"] for row in boards.rows(FOLDER / record["file"])}
        assert record["cell_id"] in cells


def test_what_needs_the_hub_has_no_number_of_ours_from_there(
    records: list[dict[str, str]],
) -> None:
    theirs = [r for r in records if "published=" in r["command"]]
    assert theirs == []
    assert any("published=gtr-base" in r["hub_command"] for r in records)


def test_anchors_are_as_printed(records: list[dict[str, str]]) -> None:
    # Read in the paper and in the repositories' files, not in our own output.
    anchors = {
        ("t1-gtr", "50 steps + sbeam", "exact"): "92.0",
        ("t2-vec2text", "quora", "bleu"): "95.5",
        ("t3", "Vec2Text", "full"): "89.2",
        ("t5", "base model", "exact"): "51.6",
        ("t7", "0.01", "bleu"): "10.334",
        ("retrieval-full", "arguana", "λ = 0"): "0.489",
        ("ir2-lengths", "16 tokens", "bleu"): "71.1",
        ("vec2vec", "e5 to gtr", "rank"): "2.56",
    }
    found = {(r["table"], r["row"], r["column"]): r["published"] for r in records}
    assert {key: found[key] for key in anchors} == anchors


def _commands(records: list[dict[str, str]]) -> list[str]:
    page = (FOLDER / PAGE).read_text(encoding="utf-8")
    told = [r[key] for r in records for key in ("command", "hub_command")]
    told += [line for line in page.splitlines() if line.startswith("v2t-bench ")]
    told += re.findall(r"`(v2t-bench [^`]+)`", page)
    return sorted({line for line in told if line})


def test_every_command_is_one_that_ours_understands(
    records: list[dict[str, str]], registry: Registry
) -> None:
    verbs: dict[str, click.Command] = {"run": run_command, "train": train_command}
    commands = _commands(records)
    assert len(commands) > 100
    for line in commands:
        _, verb, *arguments = shlex.split(line)
        parser = verbs[verb].make_parser(click.Context(verbs[verb]))
        parser.parse_args(list(arguments))
        for option, value in itertools.pairwise(arguments):
            if option in KINDS:
                registry.canonical(KINDS[option], parse(value))  # type: ignore[arg-type]
            if option == "--defense":
                for part in parse_composition(value):
                    registry.canonical("defenses", part)


def test_a_row_is_found_whatever_its_checkpoint(tmp_path: Path) -> None:
    _board(tmp_path / "a.csv", 'vec2text:beam=1,checkpoint="w@1",fluency=1,guesses=16,'
           "samples=4,search=best,steps=5")  # fmt: skip
    found = Boards(folder=tmp_path).find("*.csv", "vec2text:steps=5", {"max_tokens": "16"})
    assert found is not None
    assert found.file == "a.csv"


def test_another_parameter_is_another_row(tmp_path: Path) -> None:
    _board(tmp_path / "a.csv", "vec2text:beam=4,fluency=1,guesses=16,samples=4,search=best,steps=5")
    assert Boards(folder=tmp_path).find("*.csv", "vec2text:steps=5", {}) is None


def test_two_cells_that_fit_are_refused(tmp_path: Path) -> None:
    _board(tmp_path / "a.csv", "silent", "v1-a")
    _board(tmp_path / "b.csv", "silent", "v1-b")
    with pytest.raises(BadInput, match="2 cells of"):
        Boards(folder=tmp_path).find("*.csv", "silent", {})


def test_a_table_that_is_no_board_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "frontier.csv").write_text("corpus,cell_ids\nnq,v1-a\n", encoding="utf-8")
    _board(tmp_path / "a.csv", "silent")
    found = Boards(folder=tmp_path).find("*.csv", "silent", {})
    assert found is not None
    assert found.file == "a.csv"


def _board(path: Path, attack: str, cell_id: str = "v1-a") -> None:
    row = {
        "attack": attack, "cell_id": cell_id, "bleu": "1", "defense": "none", "oracle": "clean",
        "threat": "oblivious", "track": "cut", "embedder": "minilm", "max_tokens": "16",
    }  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, row)
        writer.writeheader()
        writer.writerow(row)


def test_ours_is_in_the_published_unit() -> None:
    found = Found(file="a.csv", row={"token_f1": "0.381229", "cos": "0.68"})
    assert our_number(found, "token_f1", "%") == "38.1229"
    assert our_number(found, "cos", "-1 to 1") == "0.68"


def test_a_ratio_is_of_bleu_of_undefended_vectors_alone() -> None:
    clean = Found(file="a.csv", row={"attack": "vec2text:steps=5", "defense": "none"})
    noisy = Found(file="a.csv", row={"attack": "vec2text:steps=5", "defense": "noise:sigma=1"})
    assert share_of_published(clean, "bleu", "5", "20") == "0.250"
    assert share_of_published(noisy, "bleu", "5", "20") == ""
    assert share_of_published(clean, "cos", "0.5", "0.9") == ""


def test_a_marker_without_a_table_is_refused() -> None:
    with pytest.raises(BadInput, match="t9"):
        filled("<!-- t9 -->\n<!-- end -->\n", {})


def test_what_stands_outside_the_markers_is_kept() -> None:
    page = "before\n\n<!-- t1 -->\nold\n<!-- end -->\n\nafter\n"
    assert filled(page, {"t1": "new"}) == "before\n\n<!-- t1 -->\n\nnew\n\n<!-- end -->\n\nafter\n"


def test_a_number_short_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "published.toml").read_text(encoding="utf-8")
    broken = text.replace('["bag of words", "0.3", ', '["bag of words", ')
    assert broken != text
    (tmp_path / "published.toml").write_text(broken, encoding="utf-8")
    with pytest.raises(BadInput, match="bag of words has 3 of 4 numbers"):
        read_published(tmp_path / "published.toml")


def test_rows_of_ours_are_beside_rows_that_there_are() -> None:
    tables, _ = read_published(FOLDER / "published.toml")
    rows = {table.id: set(table.rows) for table in tables}
    for beside in read_beside(FOLDER / "reproduction.toml"):
        assert set(beside.rows) <= set().union(*(rows[table] for table in beside.tables))


def test_check_fails_where_a_number_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "leaderboards"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("results"))
    shutil.copy(FOLDER / CSV, copied / CSV)
    monkeypatch.setattr(sys, "argv", ["reproduction", "--folder", str(copied)])
    reproduction.main()
    changed = (copied / CSV).read_text(encoding="utf-8").replace(",31.9,", ",32.9,")
    (copied / CSV).write_text(changed, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["reproduction", "--folder", str(copied), "--check"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        reproduction.main()
    assert ended.value.code == 1
    assert CSV in capsys.readouterr().out


def test_bins_hold_every_text_once_and_their_means() -> None:
    bins = {each.name: each for each in bins_of(_gathered([0.35, 0.4, 0.95, 1.0]), "v1-a")}
    assert sum(each.n for each in bins.values()) == 4
    assert bins["below 0.4"].bleu == 0
    assert bins["cosine 0.4 to 0.5"].bleu == 10
    assert (bins["cosine 0.9 to 1"].bleu, bins["cosine 0.9 to 1"].cos) == (25, 0.975)
    assert bins["cosine 0.5 to 0.6"].bleu is None


def _gathered(cosines: list[float]) -> Any:
    from types import SimpleNamespace

    import pyarrow as pa

    table = pa.table({"cos": cosines, "bleu": [10.0 * place for place in range(len(cosines))]})
    labels = {"attack": "silent", "max_tokens": 16}
    result = SimpleNamespace(cell_id="v1-a", labels=labels)
    return SimpleNamespace(results=(result,), table=lambda *_, **__: table)
