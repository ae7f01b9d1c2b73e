"""What collections are on a machine and in what state."""

from __future__ import annotations

from pathlib import Path

import pytest

from v2t_bench.corpora.catalogue import COLLECTIONS
from v2t_bench.corpora.inventory import fetches, inventory, verdicts
from v2t_bench.corpora.sources import Sources

STAND_INS = {
    "beir:arguana", "beir:nfcorpus", "beir:scifact", "nq-25k", "msmarco-dl19-dl20-30k",
    "aci-bench", "mtsamples",
}  # fmt: skip


@pytest.mark.data
def test_the_public_stand_ins_are_as_pinned(shared_data: Path) -> None:
    found = list(verdicts((), Sources(data_dir=shared_data, offline=True)))
    assert {verdict.name for verdict in found} == STAND_INS
    assert {verdict.text for verdict in found} == {"as pinned"}


@pytest.mark.data
def test_the_public_stand_ins_are_listed_as_here(shared_data: Path) -> None:
    states = {str(line["name"]): str(line["state"]) for line in inventory(shared_data)}
    assert {name for name, state in states.items() if state.startswith("here")} == STAND_INS


def test_all_of_beir_is_fetched_archive_by_archive() -> None:
    # Fifteen collections, one of them twelve forums.
    assert len(fetches("beir")) == 26
    assert len(fetches("cqadupstack")) == 12
    # The texts to invert and BEIR's collection.
    assert len(fetches("nq")) == len(fetches("msmarco")) == 2


def test_every_collection_is_listed_once(tmp_path: Path) -> None:
    names = [line["name"] for line in inventory(tmp_path)]
    assert len(names) == len(set(names))
    assert {f"beir:{name}" for name in COLLECTIONS} < set(names)
    assert all(line["state"] == "not here" for line in inventory(tmp_path) if line["name"] not in
               ("nq", "msmarco"))  # fmt: skip


def test_nothing_is_verified_where_nothing_is(tmp_path: Path) -> None:
    assert list(verdicts((), Sources(data_dir=tmp_path))) == []
