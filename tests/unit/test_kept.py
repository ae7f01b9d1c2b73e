"""What an embedder fitted, in the cache folder."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from v2t_plugins.embedders.kept import FACTS, TENSORS, Fitted, fitted_once

KEY = {"of": "texts", "dim": 2}


@pytest.fixture
def fit() -> Callable[[], Fitted]:
    """A function that returns how often it was called, as a tensor."""
    calls: list[None] = []

    def counted() -> Fitted:
        calls.append(None)
        return Fitted(tensors={"calls": np.array([len(calls)])}, facts={"words": ["é", "b"]})

    return counted


def _calls(fitted: Fitted) -> int:
    return int(fitted.tensors["calls"][0])


def test_it_is_fitted_once_and_comes_back_whole(tmp_path: Path, fit: Callable[[], Fitted]) -> None:
    fitted_once(tmp_path, "x", KEY, fit)
    again = fitted_once(tmp_path, "x", KEY, fit)
    assert (_calls(again), again.facts) == (1, {"words": ["é", "b"]})


def test_another_key_is_fitted_for_itself(tmp_path: Path, fit: Callable[[], Fitted]) -> None:
    fitted_once(tmp_path, "x", KEY, fit)
    assert _calls(fitted_once(tmp_path, "x", KEY | {"dim": 3}, fit)) == 2


def test_without_a_cache_folder_nothing_is_kept(fit: Callable[[], Fitted]) -> None:
    fitted_once(None, "x", KEY, fit)
    assert _calls(fitted_once(None, "x", KEY, fit)) == 2


@pytest.mark.parametrize("name", [TENSORS, FACTS])
@pytest.mark.parametrize("damage", ["gone", "short", "changed"])
def test_damage_is_fitted_again_and_told(
    name: str,
    damage: str,
    tmp_path: Path,
    fit: Callable[[], Fitted],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fitted_once(tmp_path, "x", KEY, fit)
    (file,) = tmp_path.rglob(name)
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if damage == "short" else content[:-3] + b"??}")
    with caplog.at_level(logging.WARNING):
        assert _calls(fitted_once(tmp_path, "x", KEY, fit)) == 2
    assert "fitting x again" in caplog.text
    assert _calls(fitted_once(tmp_path, "x", KEY, fit)) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, fit: Callable[[], Fitted], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "embedders").write_text("a file stands in the way")
    with caplog.at_level(logging.WARNING):
        assert _calls(fitted_once(tmp_path, "x", KEY, fit)) == 1
    assert "is not kept" in caplog.text
