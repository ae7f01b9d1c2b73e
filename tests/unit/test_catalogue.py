"""The collections of BEIR as data."""

from __future__ import annotations

import re

from v2t_bench.corpora.catalogue import COLLECTIONS, GROUPS, LICENSED, PUBLIC, named, names

# The names of the issue, as BEIR's README has them.
NINETEEN = set(
    "arguana climate-fever cqadupstack dbpedia-entity fever fiqa hotpotqa msmarco nfcorpus nq "
    "quora scidocs scifact trec-covid webis-touche2020 bioasq signal1m trec-news robust04".split()
)


def test_all_nineteen_collections_are_there() -> None:
    assert {*PUBLIC, *LICENSED} == NINETEEN
    assert len(PUBLIC) == 15
    assert all(named(name) for name in NINETEEN)


def test_cqadupstack_is_its_twelve_forums() -> None:
    forums = named("cqadupstack")
    assert len(forums) == 12
    assert len({forum.name for forum in forums}) == 12
    # The row of CQADupStack in the BEIR paper, table 1.
    assert sum(forum.n_documents for forum in forums) == 457_199
    assert sum(forum.n_queries for forum in forums) == 13_145
    assert GROUPS["cqadupstack"] == forums


def test_msmarco_is_measured_on_dev_and_its_test_split_is_another_collection() -> None:
    [dev], [dl19] = named("msmarco"), named("msmarco-dl19")
    assert (dev.split, dev.n_queries) == ("dev", 6_980)
    assert (dl19.split, dl19.n_queries) == ("test", 43)
    assert dev.archive == dl19.archive
    assert dev.folder == dl19.folder


def test_every_other_collection_is_measured_on_its_test_split() -> None:
    assert {one.split for one in COLLECTIONS.values() if one.name != "msmarco"} == {"test"}


def test_only_the_queries_of_arguana_and_quora_are_documents() -> None:
    declared = {one.name for one in COLLECTIONS.values() if one.queries_are_documents}
    assert declared == {"arguana", "quora"}


def test_whatever_is_offered_has_a_published_md5_of_its_own() -> None:
    archives = {one.archive for one in COLLECTIONS.values() if one.archive is not None}
    assert len(archives) == 15
    assert len({archive.md5 for archive in archives}) == 15
    assert all(re.fullmatch("[0-9a-f]{32}", archive.md5) for archive in archives)
    assert all(archive.n_bytes > 10**6 for archive in archives)


def test_what_is_not_offered_says_where_it_is_obtained() -> None:
    for name in LICENSED:
        [one] = named(name)
        assert one.archive is None
        assert "http" in one.obtain


def test_an_unknown_name_stands_for_nothing() -> None:
    assert named("nowhere") == ()
    assert "msmarco-dl19" in names()
    assert "cqadupstack/tex" in names()
