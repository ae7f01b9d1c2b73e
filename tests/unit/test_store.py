"""The results folder: whole cells or none, one writer, no text that may not be kept."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pyarrow as pa
import pytest

from v2t_bench.errors import BadInput, CorruptArtifact, ResultsBusy
from v2t_bench.results import Failure, Measured, Result, cell_id
from v2t_bench.store import Store, read_cell

GOLDEN = Path(__file__).parents[1] / "golden"


def result(**identity: object) -> Result:
    whole = {"corpus": "c", **identity}
    return Result(
        kind="leakage",
        cell_id=cell_id(whole),
        identity=whole,
        labels={"corpus": "c", "threat": "oblivious"},
        scores={"bleu_norm": Measured(value=1.5, low=None, high=None, n=3)},
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "results")
    with made.lock():
        pass
    return made


SAID = {"text": ["a secret"], "guess": ["a secret"], "first": ["secret"], "last": ["secret"],
        "label": ["secret"]}  # fmt: skip
TABLE = pa.table({"id": ["1"], **SAID, "bleu": [1.5]})


def test_a_stored_cell_comes_back(store: Store) -> None:
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=True)
    assert store.read(written.cell_id) == written
    assert store.table(written.cell_id, "samples.parquet").equals(TABLE)


def test_a_cell_that_was_never_written_is_not_there(store: Store) -> None:
    assert store.read("v1-none") is None


def test_text_is_dropped_where_it_may_not_be_held(store: Store) -> None:
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=False)
    assert store.table(written.cell_id, "samples.parquet").column_names == ["id", "bleu"]
    for path in store.folder.rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes()


def test_an_identity_that_was_edited_is_not_trusted(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=True)
    path = store.cells / written.cell_id / "result.json"
    edited = json.loads(path.read_text())
    edited["identity"]["corpus"] = "another"
    path.write_text(json.dumps(edited))
    with caplog.at_level(logging.WARNING):
        assert store.read(written.cell_id) is None
    assert "does not belong to the cell" in caplog.text


def test_a_failure_gives_way_to_a_result(store: Store) -> None:
    ours = result()
    store.write_failure(
        Failure(kind="leakage", cell_id=ours.cell_id, labels={}, error="e", traceback="t")
    )
    assert store.read(ours.cell_id) is None
    store.write(ours, {"samples.parquet": TABLE}, may_hold_text=True)
    assert not (store.cells / ours.cell_id / "error.json").exists()


def test_the_folder_has_one_writer(store: Store) -> None:
    with store.lock(), pytest.raises(ResultsBusy, match="another run"), Store(store.folder).lock():
        pass


def test_a_replacement_that_was_cut_short_is_undone(store: Store) -> None:
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=True)
    folder = store.cells / written.cell_id
    folder.rename(store.cells / f".{written.cell_id}.replaced")  # as a kill would leave it
    with store.lock():
        assert store.read(written.cell_id) == written


@pytest.mark.parametrize("stray", ["file", "link"])
def test_a_stray_thing_in_a_cells_place_gives_way(store: Store, stray: str) -> None:
    ours = result()
    place = store.cells / ours.cell_id
    place.write_text("") if stray == "file" else place.symlink_to(store.folder / "nowhere")
    assert store.read(ours.cell_id) is None
    written = store.write(ours, {"samples.parquet": TABLE}, may_hold_text=True)
    with store.lock():
        assert store.read(ours.cell_id) == written


def test_a_result_without_what_a_row_needs_is_damage(store: Store) -> None:
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=True)
    path = store.cells / written.cell_id / "result.json"
    edited = json.loads(path.read_text())
    edited["labels"] = {}
    path.write_text(json.dumps(edited))
    assert store.results() == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"), Store(tmp_path / "file" / "x").lock():
        pass


def test_equal_identities_have_one_id_whatever_their_order() -> None:
    assert cell_id({"a": 1, "b": [2]}) == cell_id({"b": [2], "a": 1})
    assert cell_id({"a": 1}) != cell_id({"a": 2})


def test_the_schema_of_results_is_the_committed_one() -> None:
    committed = json.loads((GOLDEN / "result-v1.schema.json").read_text())
    assert Result.model_json_schema() == committed


def test_a_result_of_the_first_schema_still_loads() -> None:
    stored = Result.model_validate_json((GOLDEN / "result-v1.json").read_bytes())
    assert stored.schema_version == 1
    assert cell_id(stored.identity) == stored.cell_id


def test_a_table_cut_short_is_damage(store: Store) -> None:
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=True)
    (store.cells / written.cell_id / "samples.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptArtifact, match="changed after it was written"):
        read_cell(store.cells / written.cell_id)


def edited(store: Store, old: str, new: str) -> Path:
    """Store a cell, and return its folder with a part of its record replaced."""
    written = store.write(result(), {"samples.parquet": TABLE}, may_hold_text=True)
    path = store.cells / written.cell_id / "result.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return path.parent


@pytest.mark.parametrize("found", ["0", "2", '"2.0"'])
def test_a_record_of_another_schema_is_told_from_a_broken_one(store: Store, found: str) -> None:
    folder = edited(store, '"schema_version": 1', f'"schema_version": {found}')
    with pytest.raises(CorruptArtifact, match=f"has schema_version {found}; this .* reads 1"):
        read_cell(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_score_that_is_no_number_is_damage(store: Store, number: str) -> None:
    folder = edited(store, '"value": 1.5', f'"value": {number}')
    with pytest.raises(CorruptArtifact, match="no finite number as bleu_norm"):
        read_cell(folder)


def test_a_fact_that_is_no_number_is_damage(store: Store) -> None:
    folder = edited(store, '"facts": {}', '"facts": {"snr_db": NaN}')
    with pytest.raises(CorruptArtifact, match="no finite number as snr_db"):
        read_cell(folder)


def test_an_identity_that_holds_nan_is_damage(store: Store) -> None:
    folder = edited(store, '"corpus": "c"', '"corpus": NaN')
    with pytest.raises(CorruptArtifact, match="does not belong"):
        read_cell(folder)
