"""A submission of anything at all is looked at whole; what is wrong is told in a line each."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from forgery import edit, find, record_of, rehash, rename, replace_column, table_of
from made_submission import MadeCells
from v2t_bench.cli.leaderboard_validate import command
from v2t_bench.corpora.demo import DEMO_NAMES, demo_corpus
from v2t_bench.corpora.rules import flags_of, is_quotable, is_restricted
from v2t_bench.errors import BadInput
from v2t_bench.leaderboard.validation import validate
from v2t_bench.shown import without_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return MadeCells(folder=tmp_path / "results").write()


def told(*folders: Path, **options: Any) -> list[str]:
    return [str(problem) for problem in validate(folders, **options).problems]


def only(lines: list[str], *expected: str) -> str:
    """Return the only line, which holds all of this."""
    assert len(lines) == 1, lines
    for words in expected:
        assert words in lines[0], lines[0]
    return lines[0]


def attacked(folder: Path) -> Path:
    return find(folder, "leakage", defense="noise")


def test_cells_of_a_plugin_that_is_gone_are_fine(folder: Path) -> None:
    report = validate([folder])
    assert report.problems == ()
    assert (report.n_utility, report.n_leakage) == (2, 3)


def test_a_folder_without_cells_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no results folder"):
        validate([tmp_path])


def test_a_results_folder_that_is_empty_is_told(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    only(told(tmp_path), "holds no cells")


def write(content: bytes) -> Callable[[Path], object]:
    return lambda cell: (cell / "result.json").write_bytes(content)


def change(**fields: Any) -> Callable[[Path], object]:
    return lambda cell: edit(cell, lambda record: record.update(fields))


BOMB = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (write(b""), "is not the JSON of a result"),
        (write(b"\x00\xff\xfe"), "is not the JSON of a result"),
        (write(b"[1, 2]"), "a list where an object is expected"),
        (write(b'{"schema_version": 1, "schema_version": 1}'), "stands twice"),
        (write(BOMB), "nested too deeply"),
        (write(b'{"a":' * 20 + b"1" + b"}" * 20), "nested more than 12 deep"),
        (write(b'{"a": "' + b"x" * 2**20 + b'"}'), "more than 1,048,576 bytes"),
        (write(b'{"schema_version": NaN}'), "holds NaN"),
        (write(b'{"schema_version": 1e999}'), "holds 1e999"),
        (write(b'{"schema_version": 1' + b"0" * 5000 + b"}"), "is not the JSON of a result"),
        (write(b"{}"), "has schema_version None"),
        (change(schema_version="1"), "has schema_version '1'"),
        (change(schema_version=2), "use a newer v2t-bench"),
        (change(schema_version=0), "run the same grid again"),
        (change(kind="opinion"), "'kind'"),
        (change(remarks="a secret"), "'remarks'"),
        (change(scores={"bleu": {"value": "high", "n": 1}}), "'scores.bleu.value'"),
        (change(notices=["x" * 500]), "is not one line of at most 300 characters"),
        (change(notices=["a\x1b[2Jb"]), "is not one line of at most 300 characters"),
        (change(notices=["read from /" + "srv/texts"]), "where a machine keeps its files"),
        (change(environment={"device": "cpu", "user": "me"}), "environment: 'user' is 'me'"),
        (change(environment={"platform": "the patient was seen"}), "environment: 'platform'"),
        (change(signatures={"bleu": "a secret, word for word"}), "has the signature"),
        (change(seconds={"cell": -1.0}), "has the time"),
        (change(facts={"redistributable": False, "secret": 1}), "holds the fact 'secret'"),
        (change(facts={"redistributable": False, "n_attacked": 10**30}), "n_attacked is 1000"),
        (change(facts={"redistributable": False, "n_attacked": True}), "holds the fact"),
        (change(facts={"redistributable": False, "adapted_by": "a b c d e"}), "three plain words"),
        (change(facts={"redistributable": False, "adapted_cosine": 1.5}), "expected -1 to 1"),
        (change(facts={}), "facts.redistributable is None"),
        (change(files={"../../result.json": "0" * 64}), "lists a file '../../result.json'"),
    ],
)
def test_a_record_that_no_run_wrote_is_told(
    folder: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    spoil(attacked(folder))
    lines = [line for line in told(folder) if expected in line]
    assert len(lines) == 1, told(folder)
    assert len(lines[0]) < 600
    assert lines[0].startswith(attacked_name(folder))


def attacked_name(folder: Path) -> str:
    """Return the id of the attacked cell, which may be unreadable by now."""
    fresh = MadeCells(folder=folder.with_name("fresh")).write()
    return attacked(fresh).name


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"defense": "noise:" + "[a:" * 300}, "no canonical spelling"),
        ({"defense": "noise:\n\x1b[31msigma=1"}, "'defense'"),
        ({"defense": "x" * 5000}, "'defense'"),
        ({"attack": "../../etc"}, "identity.attack is '../../etc'"),
        ({"attack": "nearest:checkpoint=latest"}, "is not pinned"),
        ({"attack": "bow:model=somebody/model"}, "'somebody/model' is not pinned"),
        ({"attack": "bow@main"}, "'bow@main' is not pinned"),
        ({"threat": "omniscient"}, "identity.threat is 'omniscient'"),
        ({"threat": "adaptive:denoise,oracle=clean"}, "identity.adaptation is missing"),
        ({"defense_seed": 10**40}, "'defense_seed'"),
        ({"n_texts": True}, "'n_texts'"),
        ({"n_texts": 0}, "'n_texts'"),
        ({"fingerprint": "../x"}, "'fingerprint'"),
        ({"track": "whole"}, "'track'"),
        ({"remarks": "a secret"}, "'remarks'"),
        ({"plugins": {}}, "'plugins'"),
        ({"metrics": 0}, "was made by version 0 of metrics"),
        ({"search": 2}, "use a newer v2t-bench"),
    ],
)
def test_an_identity_that_no_run_has_is_told(
    folder: Path, identity: dict[str, Any], expected: str
) -> None:
    cell = rename(attacked(folder), identity, {})
    lines = [line for line in told(folder) if line.startswith(cell.name)]
    assert any(expected in line for line in lines), told(folder)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"seeds": "3"}, "shows seeds '3'"),
        ({"max_tokens": 32.0}, "shows max_tokens 32.0"),
        ({"embedder": "\x1b]0;x\x07"}, "shows embedder"),
        ({"embedder": "minilm"}, "calls the embedder otherwise"),
        ({"noise_on": "queries"}, "shows noise_on 'queries'"),
        ({"plugins": []}, "shows plugins []"),
        ({"pairs": -4}, "shows pairs -4"),
        ({"pairs": 128}, "other pairs or flags"),
        ({"flags": "none"}, "its flags are 'none'"),
        ({"flags": ["x" * 9]}, "has the flag"),
        ({"flags": ["stand-in"]}, "is flagged ['stand-in'] as a collection"),
        ({"flags": ["unofficial"]}, "is flagged unofficial, which only --limit does"),
        ({"remarks": "a secret"}, "hold 'remarks'"),
    ],
)
def test_a_label_that_does_not_follow_is_told(
    folder: Path, labels: dict[str, Any], expected: str
) -> None:
    edit(attacked(folder), lambda record: record["labels"].update(labels))
    assert any(expected in line for line in told(folder)), told(folder)


class TestAHalfWrittenFolder:
    """What a killed run, or a killed copy, leaves."""

    def test_of_which_nothing_is_there(self, folder: Path) -> None:
        (folder / "cells" / "v1-empty").mkdir()
        only(told(folder), "v1-empty: holds no result.json", "half written")

    def test_that_was_never_renamed(self, folder: Path) -> None:
        (folder / "cells" / ".v1-x.partial").mkdir()
        only(told(folder), ".v1-x.partial", "is no finished cell")

    def test_without_its_outputs(self, folder: Path) -> None:
        (attacked(folder) / "samples.parquet").unlink()
        only(told(folder), "samples.parquet is missing")

    def test_whose_record_is_cut(self, folder: Path) -> None:
        path = attacked(folder) / "result.json"
        path.write_text(path.read_text()[:-40])
        only(told(folder), "is not the JSON of a result")

    def test_whose_record_is_a_folder(self, folder: Path) -> None:
        path = attacked(folder) / "result.json"
        path.unlink()
        path.mkdir()
        only(told(folder), "result.json cannot be read")


def parquet(content: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what changes the outputs of a cell and writes their hash anew."""

    def spoil(cell: Path) -> None:
        content(table_of(cell)[0])
        rehash(cell)

    return spoil


def retyped(path: Path) -> None:
    table = pq.read_table(path)
    at = table.column_names.index("cos")
    pq.write_table(table.set_column(at, "cos", pa.array(["0"] * table.num_rows)), path)


def without_a_row(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def many_rows(path: Path) -> None:
    pq.write_table(pa.table({"id": pa.DictionaryArray.from_arrays(
        pa.array([0] * 1_100_000, pa.int8()), ["x"])}), path)  # fmt: skip


def no_utf8(path: Path) -> None:
    table = pq.read_table(path)
    names = pa.array([b"\xff%d" % row for row in range(8)]).cast(pa.string(), safe=False)
    pq.write_table(table.set_column(0, "id", names), path)


def told_of_itself(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"comment": "a secret"}), path)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (parquet(lambda path: path.write_bytes(b"PAR1 no table PAR1")), "cannot be read as Parq"),
        (parquet(lambda path: path.write_bytes(b"")), "cannot be read as Parquet"),
        (parquet(lambda path: path.write_bytes(path.read_bytes()[:-9])), "cannot be read as Parq"),
        (parquet(many_rows), "holds 1,100,000 rows"),
        (parquet(retyped), "may hold text|cos is of type string"),
        (parquet(told_of_itself), "metadata of its own"),
        (parquet(without_a_row), "holds 0 attacked texts"),
        (parquet(no_utf8), "its outputs cannot be scored"),
    ],
)
def test_a_table_that_no_run_wrote_is_told(
    folder: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    spoil(attacked(folder))
    lines = told(folder)
    assert any(words in line for line in lines for words in expected.split("|")), lines


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("id", ["d0"] * 8, "stands twice"),
        ("id", ["a red door and a green one too"] * 8, "looks like a text"),
        ("id", [None] * 8, "has a row without id"),
        ("text_sha256", ["../x"] * 8, "is no sha256"),
        ("text_sha256", ["0" * 64] * 8, "texts twice"),
        ("exact", [0.5] * 8, "exact is 0.5 in row 0; expected 0 or 1"),
        ("cos", [-2.0] * 8, "cos is -2.0 in row 0"),
        ("names_first", [None] * 8, "names_first is nan"),
        ("exact", [1.0] * 8, "an exact guess with another token_f1"),
        ("guess", ["a"] * 8, "columns 'guess', which may hold text"),
        ("whatever", [1.0] * 8, "has 'whatever'"),
    ],
)
def test_a_column_that_no_run_writes_is_told(
    folder: Path, column: str, values: list[Any], expected: str
) -> None:
    cell = attacked(folder)
    if column == "names_first":
        values = pa.array(values, pa.float64())
    replace_column(cell, column, values)
    rehash(cell)
    assert any(expected in line for line in told(folder)), told(folder)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("judgements", "[" * 100_000, "the judgements of 'q0'"),
        ("judgements", '{"d0": "very"}', "the judgements of 'q0'"),
        ("judgements", '{"d0": 0}', "cannot be computed"),
        ("found", ["d0", "d0"], "the ranking of 'q0'"),
        ("ndcg_at_10", float("nan"), "ndcg_at_10 is nan"),
        ("ndcg_at_10", 0.25, "ndcg_at_10 is 0.250000 for 'q0'"),
        ("query", "q1", "stands twice"),
    ],
)
def test_a_ranking_that_no_run_writes_is_told(
    folder: Path, column: str, value: Any, expected: str
) -> None:
    cell = find(folder, "utility", defense="noise")
    second = table_of(cell)[1].column(column)[1].as_py()
    both = [value, value] if expected == "cannot be computed" else [value, second]
    replace_column(cell, column, both)
    rehash(cell)
    assert any(expected in line for line in told(folder)), told(folder)


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    edit(attacked(folder), lambda record: record["scores"]["bleu"].update(value=9.0))
    edit(attacked(folder), lambda record: record.update(notices=["x" * 500]))
    shutil.rmtree(find(folder, "leakage", attack="silent"))
    (folder / "secrets.txt").write_text("")
    checks = [line.rpartition("[")[2] for line in told(folder)]
    assert sorted(checks) == ["floor-missing]", "notice]", "score]", "unknown-file]"]


def test_an_interval_and_a_count_are_compared_too(folder: Path) -> None:
    edit(attacked(folder), lambda record: record["scores"]["bleu"].update(low=0.0))
    edit(attacked(folder), lambda record: record["scores"]["cos"].update(n=80))
    only(told(folder), "bleu has low 0.0", "and 1 more scores differ")


@pytest.mark.parametrize(("off", "fine"), [(0.9e-6, True), (1.1e-6, False)])
def test_scores_may_be_off_by_a_millionth(folder: Path, off: float, fine: bool) -> None:
    edit(attacked(folder), lambda record: record["scores"]["bleu"].update(value=off))
    assert (told(folder) == []) is fine


class TestSeveralFolders:
    """They are looked at as one submission."""

    def test_may_hold_the_same_cell(self, folder: Path) -> None:
        again = shutil.copytree(folder, folder.with_name("again"))
        assert told(folder, again) == []

    def test_may_not_hold_it_with_other_scores(self, folder: Path) -> None:
        again = shutil.copytree(folder, folder.with_name("again"))
        cell = attacked(again)
        replace_column(cell, "bleu", [50.0] * 8)
        rehash(cell)
        edit(cell, lambda record: record["scores"]["bleu"].update(value=50.0))
        only(told(folder, again), f"{again}/cells/{cell.name}", "with other scores", str(folder))

    def test_may_refer_to_one_another(self, folder: Path) -> None:
        other = folder.with_name("other")
        (other / "cells").mkdir(parents=True)
        for cell in (find(folder, "utility", defense="none"), find(folder, "leakage",
                     attack="silent")):  # fmt: skip
            shutil.move(cell, other / "cells")
        assert told(folder) != []
        assert told(folder, other) == []


def test_a_folder_may_not_be_too_large(folder: Path) -> None:
    only(told(folder, max_mb=0.01), "expected at most 0.01 MB")


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    cell = attacked(folder)
    moved = cell.rename(tmp_path / "elsewhere")
    cell.symlink_to(moved)
    only(told(folder), "is a symbolic link")


def test_what_was_attacked_must_have_been_drawn(folder: Path) -> None:
    for cell in (folder / "cells").iterdir():
        if record_of(cell)["kind"] == "leakage":
            replace_column(cell, "id", list(reversed(table_of(cell)[1].column("id").to_pylist())))
            rehash(cell)
    lines = told(folder)
    assert len(lines) == 3
    assert all("do not stand in the order in which sample seed 0" in line for line in lines)


def test_hostile_names_do_not_reach_the_terminal(folder: Path) -> None:
    edit(attacked(folder), lambda record: record.update(notices=["\x1b[31m"]))
    (folder / "cells" / "v1-\x1b[2J\nerror: fine").mkdir()
    done = CliRunner().invoke(command, [str(folder)])
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    assert len(done.stdout.splitlines()) == 2


def test_what_is_fine_is_said_in_one_line(folder: Path) -> None:
    done = CliRunner().invoke(command, [str(folder)])
    assert (done.exit_code, done.output.count("\n")) == (0, 1)
    assert done.output.startswith("5 cells are fine (2 of search, 3 of attacks)")


@pytest.mark.parametrize("name", DEMO_NAMES)
def test_names_say_of_generated_collections_what_they_do(name: str) -> None:
    corpus = demo_corpus(name, n_training=0)
    assert is_quotable(name) is corpus.redistributable
    assert is_restricted(name) is corpus.restricted
    assert flags_of(name) == frozenset(corpus.flags)


@pytest.mark.parametrize(
    "name", ["mimic", "mimic-generated", "beir:scifact", "texts:mine", "mtsamples", "nq",
             "nq-25k", "msmarco", "msmarco-dl19-dl20-30k", "aci-bench-local", "demo-nq-local"],
)  # fmt: skip
def test_no_other_text_may_be_passed_on(name: str) -> None:
    assert not is_quotable(name)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("nq-25k: read from /" + "srv/data/ir/nq (2,655)", "nq-25k: read from nq (2,655)"),
        ("'C:\\data\\q.jsonl': bad", "'q.jsonl': bad"),
        ("beir:./x, 1/2 and a/b", "beir:./x, 1/2 and a/b"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
    ],
)
def test_a_line_does_not_say_where_files_lie(line: str, left: str) -> None:
    assert without_folders(line) == left


def test_every_check_is_explained() -> None:
    root = Path(__file__).parents[2]
    explained = re.findall(r"`([a-z-]+)`", (root / "leaderboards" / "CONTRIBUTING.md").read_text())
    used: set[str] = set()
    for path in (root / "bench/v2t_bench/leaderboard/validation").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.search(
                r"(^|_|\.)(tell|odd_ones_out)$|_told\(", ast.unparse(node.func)
            ):
                names = [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
                used |= {one for one in names if re.fullmatch("[a-z-]+", one)}
    assert len(used) > 50
    assert sorted(used - set(explained)) == []


BOW, RETRAINED = ('bow:checkpoint="clean@0123456789ab"', 'bow:checkpoint="known@0123456789ab"')


@pytest.fixture
def retrained(folder: Path) -> Path:
    """The cell of an attack that was trained against the defense, with its references."""
    made = MadeCells(folder=folder)
    undefended, utility = (
        find(folder, "utility", defense=name).name for name in ("none", "noise")
    )  # fmt: skip
    clean = made.leakage("none", BOW, undefended, undefended)
    prior = made.leakage("none", f"prior:attack=[{BOW}]", undefended, undefended)
    noise = "noise:on=both,sigma=1"
    threat = "adaptive:retrain,oracle=clean"
    cell = made.leakage(noise, RETRAINED, utility, undefended, threat)
    for name in (clean, cell):
        references = {"undefended": clean, "prior": prior}
        edit(folder / "cells" / name, lambda record: record["references"].update(references))  # noqa: B023
    flags = [f"trained-against:{noise}"]
    edit(folder / "cells" / cell, lambda record: record["labels"].update(flags=flags))
    return folder / "cells" / cell


def test_a_retrained_attack_is_read_against_the_one_that_was_not(
    folder: Path, retrained: Path
) -> None:
    assert told(folder) == []


def test_a_retrained_attack_must_know_the_defense(folder: Path, retrained: Path) -> None:
    flags = ["trained-against:noise:on=both,sigma=9"]
    edit(retrained, lambda record: record["labels"].update(flags=flags))
    only(told(folder), "is retrained and not flagged 'trained-against:noise:on=both,sigma=1'")


def test_an_attack_that_learned_needs_its_prior(folder: Path, retrained: Path) -> None:
    edit(retrained, lambda record: record["references"].pop("prior"))
    only(told(folder), retrained.name, "the same attack without the vector is missing")


def test_the_prior_of_another_attack_does_not_do(folder: Path, retrained: Path) -> None:
    silent = find(folder, "leakage", attack="silent").name
    edit(retrained, lambda record: record["references"].update(prior=silent))
    only(told(folder), f"its reference prior is {silent}", "is not the same attack without")
