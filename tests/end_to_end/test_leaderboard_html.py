"""``v2t-bench leaderboard html``: one page of real cells, the same bytes every time."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from end_to_end.commands import Invoke, refused


def data_of(page: Path) -> Any:
    """Return the boards that a page holds."""
    (text,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text())
    return json.loads(text)


def texts_of(results: Path) -> set[str]:
    """Return every text and guess that the cells of a folder hold."""
    found: set[str] = set()
    for path in results.glob("cells/*/samples.parquet"):
        table = pq.read_table(path)
        for name in {"text", "guess"} & set(table.column_names):
            found |= set(table.column(name).to_pylist())
    return found


def test_a_page_has_every_release_and_a_few_texts(
    invoke: Invoke, demo_results: Path, tmp_path: Path
) -> None:
    page = tmp_path / "boards" / "index.html"
    done = invoke("leaderboard", "html", demo_results, "-o", page)
    assert done.status == 0, done.err
    data = data_of(page)
    assert [table["corpus"] for table in data["tables"]] == ["demo-mimic", "demo-nq"]
    assert len(data["releases"]) == 4
    shown = {text for sample in data["texts"]["samples"] for _, _, text in sample["originals"]}
    assert len(shown) == 10
    assert shown <= texts_of(demo_results)


def test_a_page_is_the_same_in_whatever_order_its_cells_come(
    invoke: Invoke, demo_results: Path, beir_results: Path, tmp_path: Path
) -> None:
    folders = [shutil.copytree(results, tmp_path / name)
               for name, results in (("one", demo_results), ("two", beir_results))]  # fmt: skip
    for name, order in (("a", folders), ("b", folders[::-1])):
        assert invoke("leaderboard", "html", *order, "-o", tmp_path / name).status == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["beir", "mimic"])
def test_no_text_of_another_collection_is_shown(
    invoke: Invoke, request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    results: Path = request.getfixturevalue(f"{kind}_results")
    page = tmp_path / "index.html"
    done = invoke("leaderboard", "html", results, "-o", page)
    assert done.status == 0, done.err
    assert data_of(page)["texts"] == {"guesses": [], "samples": []}
    quoted = data_of(page)["tables"][0]["corpus"]
    asked = invoke("leaderboard", "html", results, "--quote", f"{quoted}=me", "-o", page)
    refused(asked, "--quote")


def test_an_empty_folder_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    done = invoke("leaderboard", "html", tmp_path, "-o", tmp_path / "index.html")
    refused(done, "no finished cell")
