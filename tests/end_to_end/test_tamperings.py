"""Every way to tamper with results is refused by a message of its own."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from end_to_end.commands import Invoke
from end_to_end.stored_results import copied
from forgery import column_of, edit, find, record_of, rehash, rename, replace_column, table_of

NOISE = "noise"


@dataclass(frozen=True)
class Tampering:
    """One way to tamper.

    Args:
        name: In a word or two.
        spoil: Does it to a results folder, and returns the cell that is to be named.
        expected: What the line that refuses it says, and that of no other does.
        of: Which results.
    """

    name: str
    spoil: Callable[[Path], str]
    expected: str
    of: str = "demo_results"


def score(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, threat="adaptive")
    edit(cell, lambda record: record["scores"]["bleu_norm"].update(value=1.5))
    return cell.name


def score_of_a_text(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, threat="oblivious")
    replace_column(cell, "bleu_norm", [0.5] * 40)
    rehash(cell)
    return cell.name


def score_without_texts(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, attack="bow")
    replace_column(cell, "token_f1", [0.015625] * 40)
    rehash(cell)
    return cell.name


def sample(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    replace_column(cell, "guess", ["nothing"] * 40)
    return cell.name


def sample_carefully(folder: Path) -> str:
    """Leave out the texts that were read best, in one cell, hashes and scores and all."""
    import pyarrow.parquet as pq

    from v2t_bench.checkpoints import space_of
    from v2t_bench.samples import score_samples

    cell = find(folder, "leakage", defense=NOISE, threat="oblivious")
    path, table = table_of(cell)
    bleu = column_of(cell, "bleu_norm")
    kept = [row for row in range(40) if bleu[row] < sorted(bleu)[30]]
    table = table.take(kept)
    pq.write_table(table, path)
    rehash(cell)
    _, scores = score_samples(table, space_of(record_of(cell)["identity"]["space"]))

    def change(record: dict[str, object]) -> None:
        record["scores"] = {name: one.model_dump() for name, one in scores.items()}
        record["facts"]["n_attacked"] = len(kept)  # type: ignore[index]

    edit(cell, change)
    return cell.name


def sample_of_easier_texts(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    names = column_of(cell, "id")
    replace_column(cell, "id", [names[1], names[0], *names[2:]])
    rehash(cell)
    return cell.name


def text(folder: Path) -> str:
    cell = find(folder, "leakage", defense="none", attack="nearest")
    texts = column_of(cell, "text")
    replace_column(cell, "text", [texts[0].upper(), *texts[1:]])
    rehash(cell)
    return cell.name


def identity(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    edit(cell, lambda record: record["identity"].update(defense="noise:on=both,sigma=0.01"))
    return cell.name


def label(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    edit(cell, lambda record: record["labels"].update(defense="noise:on=both,sigma=0.01"))
    return cell.name


def identity_carefully(folder: Path) -> str:
    """Claim weaker noise, under a new id that the others refer to."""
    cell = find(folder, "leakage", defense=NOISE)
    changed = {"defense": "noise:on=both,sigma=0.01"}
    return rename(cell, changed, changed).name


def seed(folder: Path) -> str:
    """Claim that the cell is of another draw of the noise; a copy stands for five seeds."""
    cell = find(folder, "utility", defense=NOISE)
    copy = shutil.copytree(cell, cell.with_name("copy"))
    return rename(copy, {"defense_seed": 7}, {"seeds": "7"}, followed=False).name


def seed_of_the_sample(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    return rename(cell, {"sample_seed": 1}, {}).name


def missing_floor(folder: Path) -> str:
    shutil.rmtree(find(folder, "leakage", attack="silent", corpus="demo-nq"))
    return find(folder, "leakage", corpus="demo-nq").name


def missing_nearest(folder: Path) -> str:
    for cell in [find(folder, "leakage", attack="nearest", defense=NOISE)]:
        shutil.rmtree(cell)
    return find(folder, "leakage", attack="bow", defense=NOISE).name


def missing_prior(folder: Path) -> str:
    shutil.rmtree(find(folder, "leakage", attack="prior"))
    return find(folder, "leakage", attack="bow").name


def missing_undefended(folder: Path) -> str:
    shutil.rmtree(find(folder, "leakage", attack="bow", defense="none"))
    return find(folder, "leakage", attack="bow", defense=NOISE).name


def missing_utility(folder: Path) -> str:
    shutil.rmtree(find(folder, "utility", defense=NOISE))
    return find(folder, "leakage", attack="bow", defense=NOISE).name


def swapped_cells(folder: Path) -> str:
    one = find(folder, "leakage", defense=NOISE)
    other = find(folder, "leakage", defense="none")
    aside = one.rename(one.with_name("aside"))
    other.rename(one)
    aside.rename(other)
    return one.name


def swapped_files(folder: Path) -> str:
    one = find(folder, "leakage", defense=NOISE) / "samples.parquet"
    other = find(folder, "leakage", defense="none") / "samples.parquet"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return one.parent.name


def swapped_reference(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, corpus="demo-nq")
    other = find(folder, "utility", defense=NOISE, corpus="demo-mimic")
    edit(cell, lambda record: record["references"].update(utility=other.name))
    return cell.name


def not_a_number(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    edit(cell, lambda record: record["scores"]["bleu_norm"].update(value=math.nan))
    return cell.name


def not_a_number_in_a_table(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    replace_column(cell, "cos", [math.inf, *column_of(cell, "cos")[1:]])
    rehash(cell)
    return cell.name


def out_of_range(folder: Path) -> str:
    cell = find(folder, "leakage", attack="bow", defense=NOISE)
    replace_column(cell, "bleu", [-4.0, *column_of(cell, "bleu")[1:]])
    rehash(cell)
    return cell.name


def limit(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    return rename(cell, {"limit": 40}, {"flags": ["unofficial"]}).name


def version(folder: Path) -> str:
    cell = find(folder, "utility", defense=NOISE)
    return rename(cell, {"search": 0}, {}).name


def newer_version(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    return rename(cell, {"metrics": 99}, {}).name


def older_schema(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    edit(cell, lambda record: record.update(schema_version=0))
    return cell.name


def restricted_text(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, attack="bow")
    replace_column(cell, "text", ["what a document says"] * 40)
    rehash(cell)
    return cell.name


def restricted_text_in_a_column_of_its_own(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, attack="bow")
    replace_column(cell, "remarks", ["what a document says"] * 40)
    rehash(cell)
    return cell.name


def licence(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, attack="bow")
    edit(cell, lambda record: record["facts"].update(redistributable=True))
    return cell.name


def quoted_notice(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, attack="bow")
    line = 'odd document: "the patient was seen on Monday and went home"'
    edit(cell, lambda record: record.update(notices=[line]))
    return cell.name


def machine_path(folder: Path) -> str:
    cell = find(folder, "utility", defense=NOISE)
    path = "/".join(["", "srv", "secret", "corpus"])
    edit(cell, lambda record: record.update(notices=[f"read from {path}"]))
    return cell.name


def own_ids(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    replace_column(cell, "id", [f"note-{row}" for row in range(40)])
    rehash(cell)
    return cell.name


def revision(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, attack="bow")
    changed = {"attack": "vec2text:published=somebody/model"}
    return rename(cell, changed, changed).name


def fingerprint(folder: Path) -> str:
    cell = find(folder, "utility", defense="none")
    return rename(cell, {"fingerprint": "0" * 64}, {"fingerprint": "0" * 12}).name


def flag(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    edit(cell, lambda record: record["labels"].update(flags=["best-of-all"]))
    return cell.name


def board(folder: Path) -> str:
    path = folder / "leaderboard.csv"
    path.write_text(path.read_text().replace("oblivious-only", ""))
    return str(folder)


def failed_cell(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE, threat="adaptive")
    (cell / "result.json").rename(cell / "error.json")
    return cell.name


def unknown_file(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    (cell / "notes.txt").write_text("a secret")
    return cell.name


def link(folder: Path) -> str:
    cell = find(folder, "leakage", defense=NOISE)
    (cell / "samples.parquet").rename(folder.parent / "elsewhere.parquet")
    (cell / "samples.parquet").symlink_to(folder.parent / "elsewhere.parquet")
    return cell.name


BEIR, MIMIC = "beir_results", "mimic_results"
TAMPERINGS = [
    Tampering("score", score, "bleu_norm has value 1.5 and its stored outputs give"),
    Tampering("score of a text", score_of_a_text, "bleu_norm is 0.500000 for"),
    Tampering("score without texts", score_without_texts, "its precision and recall do not", BEIR),
    Tampering("sample", sample, "samples.parquet has sha256"),
    Tampering("sample, carefully", sample_carefully, "so texts were left out"),
    Tampering("easier texts", sample_of_easier_texts, "do not stand in the order in which"),
    Tampering("text", text, "has another sha256 than stands beside it"),
    Tampering("identity", identity, "the identity was changed after the run"),
    Tampering("label", label, "and its identity says 'noise:on=both,sigma=0.1'"),
    Tampering("identity, carefully", identity_carefully, "which is not the search of the same"),
    Tampering("seed", seed, "which has another seed: one is a copy"),
    Tampering(
        "sample seed", seed_of_the_sample, "are drawn by sample seed 0 and its identity says 1"
    ),
    Tampering("missing floor", missing_floor, "the floor silent is missing"),
    Tampering("missing nearest", missing_nearest, "the floor nearest was not given", BEIR),
    Tampering("missing prior", missing_prior, "the same attack without the vector is miss", BEIR),
    Tampering("missing undefended", missing_undefended, "on the undefended vectors is miss", BEIR),
    Tampering("missing utility", missing_utility, "the search of the same release is miss", BEIR),
    Tampering("swapped cells", swapped_cells, "so folders were renamed or swapped"),
    Tampering("swapped files", swapped_files, "so files were swapped"),
    Tampering("swapped reference", swapped_reference, "its reference utility is"),
    Tampering("NaN", not_a_number, "result.json holds NaN"),
    Tampering("NaN in a table", not_a_number_in_a_table, "cos is inf in row 0"),
    Tampering("range", out_of_range, "bleu is -4.0 in row 0; expected 0 to 100", BEIR),
    Tampering("limit", limit, "was run with --limit 40"),
    Tampering("version", version, "was made by version 0 of search"),
    Tampering("newer version", newer_version, "use a newer v2t-bench"),
    Tampering("older schema", older_schema, "has schema_version 0"),
    Tampering("restricted text", restricted_text, "has columns 'text', which may hold", BEIR),
    Tampering("other column", restricted_text_in_a_column_of_its_own, "columns 'remarks'", BEIR),
    Tampering("licence", licence, "which is not known of this collection", BEIR),
    Tampering("quote", quoted_notice, "quotes what may be a text", BEIR),
    Tampering("machine's path", machine_path, "says where a machine keeps its files"),
    Tampering("ids of notes", own_ids, "is no pseudonym", MIMIC),
    Tampering("revision", revision, "is not pinned", BEIR),
    Tampering("fingerprint", fingerprint, "than this version of v2t-bench generates"),
    Tampering("flag", flag, "has the flag 'best-of-all'"),
    Tampering("board", board, "leaderboard.csv says flags", BEIR),
    Tampering("failed cell", failed_cell, "holds error.json: the cell failed"),
    Tampering("unknown file", unknown_file, "holds 'notes.txt', which no run writes"),
    Tampering("link", link, "'samples.parquet' is a symbolic link"),
]
# What everybody tries first: each is told from the others by more than the cell it names.
TEN = ("score", "sample", "identity", "seed", "missing floor", "swapped cells", "NaN", "limit",
       "version", "restricted text")  # fmt: skip
CASES = [pytest.param(one, id=one.name) for one in TAMPERINGS]


@pytest.fixture(scope="session")
def told() -> dict[str, str]:
    """What the line that refuses each tampering says after the cell."""
    return {}


@pytest.mark.parametrize("of", ["demo_results", BEIR, MIMIC])
def test_what_nobody_touched_is_fine(
    invoke: Invoke, request: pytest.FixtureRequest, of: str
) -> None:
    done = invoke("leaderboard", "validate", request.getfixturevalue(of))
    assert (done.status, done.out.count("\n")) == (0, 1), done.out
    assert "cells are fine" in done.out


@pytest.mark.parametrize("tampering", CASES)
def test_it_is_refused_and_the_cell_is_named(
    invoke: Invoke, request: pytest.FixtureRequest, tmp_path: Path, told: dict[str, str],
    tampering: Tampering,
) -> None:  # fmt: skip
    folder = copied(request.getfixturevalue(tampering.of), tmp_path / "results")
    named = tampering.spoil(folder)
    done = invoke("leaderboard", "validate", folder)
    assert done.status == 1, done.out
    lines = [line for line in done.out.splitlines() if tampering.expected in line]
    assert [line for line in lines if named in line.split(": ")[0]], done.out
    told[tampering.name] = lines[0].split(": ", 1)[1]


def test_no_two_of_the_ten_are_refused_by_the_same_words(told: dict[str, str]) -> None:
    ten = {one.name: one for one in TAMPERINGS if one.name in TEN}
    if not ten.keys() <= told.keys():
        pytest.skip("not every tampering was tried in this run")
    shared = [
        (name, other)
        for name, one in ten.items()
        for other in ten
        if other != name and one.expected in told[other]
    ]
    assert shared == []
    # The check that refuses each stands at the end, in brackets.
    assert len({told[name].rpartition("[")[2] for name in ten}) == 10
