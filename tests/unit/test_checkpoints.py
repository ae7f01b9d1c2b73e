"""Reading what training left, with and without its weights, and what fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toy_checkpoint import SPACE, damage, write_checkpoint
from v2t_bench.checkpoints import (
    RECORD,
    checkpoint_in,
    checkpoints_in,
    fitting,
    read_checkpoint,
    read_record,
    shelf,
)
from v2t_bench.errors import BadInput, CorruptArtifact


def rewrite(folder: Path, **changes: Any) -> Path:
    """Change the record of a checkpoint, values of None taken out, and return the folder."""
    record = json.loads((folder / RECORD).read_text()) | changes
    kept = {key: value for key, value in record.items() if value is not None}
    (folder / RECORD).write_text(json.dumps(kept))
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "made", min_tokens=4, texts={"sha256": "ab"})


class TestLengths:
    @pytest.mark.parametrize(
        ("shortest", "served", "said"),
        [(None, {32}, "32"), (32, {32}, "32"), (30, {30, 31, 32}, "30-to-32")],
    )
    def test_are_those_from_the_shortest_to_the_longest(
        self, made: Path, shortest: int | None, served: set[int], said: str
    ) -> None:
        found = checkpoint_in(rewrite(made, min_tokens=shortest))
        assert {length for length in range(1, 65) if found.serves(length)} == served
        assert found.lengths == said

    def test_of_a_record_from_before_there_were_mixtures_is_one(self, made: Path) -> None:
        rewrite(made, min_tokens=None)
        assert "min_tokens" not in (made / RECORD).read_text()
        assert read_checkpoint(made).min_tokens is None

    @pytest.mark.parametrize("shortest", [0, -1, 33, 4.5])
    def test_that_cannot_be_are_refused(self, made: Path, shortest: float) -> None:
        with pytest.raises(CorruptArtifact, match=r"checkpoint\.json cannot be read"):
            checkpoint_in(rewrite(made, min_tokens=shortest))

    def test_decide_what_fits(self, made: Path) -> None:
        mixed = checkpoint_in(made)
        single = replace(mixed, min_tokens=None)
        for length, expected in ((3, []), (16, [mixed]), (32, [mixed, single]), (33, [])):
            found = fitting([mixed, single], attack="bow", space=SPACE, max_tokens=length)
            assert found == expected


class TestTheRecord:
    def test_says_all_that_a_checkpoint_is(self, made: Path) -> None:
        found = checkpoint_in(made)
        assert (found.name, found.attack, found.embedder) == ("made", "bow", "toy")
        assert (found.trained_on, found.texts_sha256, found.distribution) == ("wiki", "ab", "")
        assert found.space == SPACE
        assert found.folder == made

    def test_is_all_that_is_read_until_files_are_checked(self, made: Path) -> None:
        whole = checkpoint_in(made)
        damage(made)
        assert checkpoint_in(made) == whole
        assert shelf(made.parent) == [whole]
        for read in (read_record, read_checkpoint):
            with pytest.raises(CorruptArtifact, match=r"network\.safetensors is missing, trunc"):
                read(made)

    def test_is_left_out_where_its_record_is_none(self, made: Path) -> None:
        (made.parent / "folder" / RECORD).mkdir(parents=True)
        assert [found.name for found in shelf(made.parent)] == ["made"]

    def test_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="holds no checkpoint"):
            checkpoint_in(tmp_path)

    def test_without_files_is_refused(self, made: Path) -> None:
        with pytest.raises(CorruptArtifact, match="lists no files"):
            checkpoint_in(rewrite(made, files={}))


class TestAFolderOfThem:
    def test_is_read_in_the_order_of_names(self, made: Path) -> None:
        write_checkpoint(made.parent / "another")
        (made.parent / "notes").mkdir()
        assert [found.name for found in checkpoints_in(made.parent)] == ["another", "made"]

    def test_that_is_not_there_holds_none(self, tmp_path: Path) -> None:
        assert list(checkpoints_in(tmp_path / "weights")) == []

    def test_gives_the_others_before_it_tells_of_a_damaged_record(self, made: Path) -> None:
        (write_checkpoint(made.parent / "another") / RECORD).write_text("{")
        found = checkpoints_in(made.parent)
        assert next(found).name == "made"
        with pytest.raises(CorruptArtifact, match=r"another.checkpoint\.json cannot be read"):
            next(found)


def test_the_demos_fit_only_where_they_are_asked_for(made: Path) -> None:
    other = checkpoint_in(made)
    demo = replace(other, trained_on="demo")
    for wanted, expected in ((True, [demo]), (False, [other])):
        found = fitting([demo, other], attack="bow", space=SPACE, max_tokens=8, demo=wanted)
        assert found == expected
