"""What is kept of a corpus of which nothing may outlive a run."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from v2t_bench.errors import BadInput
from v2t_bench.restricted import KEY_BYTES, KEY_FILE, Pseudonyms, RestrictedFolder

KEY = b"k" * KEY_BYTES


def test_a_pseudonym_is_the_hmac_of_the_name() -> None:
    expected = hmac.new(KEY, b"note-1", hashlib.sha256).hexdigest()
    assert Pseudonyms(KEY).of("note-1") == expected[:32]


def test_without_a_key_every_run_has_names_of_its_own() -> None:
    first, second = Pseudonyms(), Pseudonyms()
    assert first.of("note-1") == first.of("note-1") != second.of("note-1")


def test_no_id_or_hash_of_a_text_is_left_in_samples() -> None:
    table = pa.table(
        {"id": ["n1#0"], "document": ["n1"], "text_sha256": ["aa"], "bleu": [3.5], "text": ["x"]}
    )
    names = Pseudonyms(KEY)
    hidden = names.table(table).to_pylist()[0]
    assert hidden == {
        "id": names.of("n1#0"),
        "document": names.of("n1"),
        "text_sha256": names.of("aa"),
        "bleu": 3.5,
        "text": "x",  # the store drops it
    }


def test_rankings_can_still_be_scored_under_pseudonyms() -> None:
    from v2t_bench.samples import retrieval_table, score_retrieval

    table = retrieval_table({"q": ["b", "a"]}, {"q": {"a": 1}})
    names = Pseudonyms(KEY)
    hidden = names.table(table)
    row = hidden.to_pylist()[0]
    assert row["found"] == [names.of("b"), names.of("a")]
    assert json.loads(row["judgements"]) == {names.of("a"): 1}
    assert score_retrieval(hidden)[1] == score_retrieval(table)[1]


def test_a_restricted_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = RestrictedFolder(tmp_path / "mine", tmp_path / "results")
    folder.write("v1-0", "samples.parquet", pa.table({"text": ["x"]}))
    folder.pseudonyms()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "mine").rglob("*")}
    assert modes == {KEY_FILE: 0o600, "cells": 0o700, "v1-0": 0o700, "samples.parquet": 0o600}
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    [stored] = (tmp_path / "mine").rglob("*.parquet")
    assert pq.read_table(stored).to_pylist() == [{"text": "x"}]


def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(BadInput, match=r"has mode 0755, so others may read it; expected 0700"):
        RestrictedFolder(tmp_path / "open", tmp_path / "results")


def test_a_file_is_no_restricted_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be used"):
        RestrictedFolder(tmp_path / "file", tmp_path / "results")


def test_a_resumed_run_uses_the_same_pseudonyms(tmp_path: Path) -> None:
    first = RestrictedFolder(tmp_path / "mine", tmp_path / "results").pseudonyms().of("note")
    assert (
        RestrictedFolder(tmp_path / "mine", tmp_path / "results").pseudonyms().of("note") == first
    )


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    folder = RestrictedFolder(tmp_path / "mine", tmp_path / "results")
    (folder.folder / KEY_FILE).write_bytes(b"short")
    with pytest.raises(BadInput, match="holds 5 bytes; expected 32"):
        RestrictedFolder(tmp_path / "mine", tmp_path / "results")


@pytest.mark.parametrize(("own", "results"), [("a", "a"), ("a/b", "a"), ("a", "a/b")])
def test_what_is_handed_on_and_what_is_not_lie_apart(
    tmp_path: Path, own: str, results: str
) -> None:
    with pytest.raises(BadInput, match="lie in one another"):
        RestrictedFolder(tmp_path / own, tmp_path / results)
