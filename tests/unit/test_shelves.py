"""Which checkpoint is used: the user's own, one that a package carries, or the one named."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toy_checkpoint import SPACE, damage, write_checkpoint
from v2t_bench.checkpoints import checkpoint_in
from v2t_bench.contracts import Checkpoint
from v2t_bench.errors import BadInput, CorruptArtifact, UnknownComponent
from v2t_bench.shelves import Choice, Shelves

CARRIER = "v2t-toys==1.2"


@pytest.fixture
def own(tmp_path: Path) -> Checkpoint:
    return checkpoint_in(write_checkpoint(tmp_path / "own" / "mine"))


@pytest.fixture
def packaged(tmp_path: Path) -> Checkpoint:
    folder = write_checkpoint(tmp_path / "packaged" / "toy-wiki-32", min_tokens=4)
    return replace(checkpoint_in(folder), distribution=CARRIER)


@pytest.fixture
def demo(tmp_path: Path) -> Checkpoint:
    texts = {"sha256": "present"}
    folder = write_checkpoint(tmp_path / "packaged" / "toy-demo", trained_on="demo", texts=texts)
    return replace(checkpoint_in(folder), distribution=CARRIER)


def choose(own: list[Checkpoint], packaged: list[Checkpoint], length: int = 32) -> Choice:
    return Shelves(own, packaged).choose("bow", SPACE, length)


def choose_demo(packaged: list[Checkpoint], length: int = 32, texts: str = "present") -> Choice:
    return Shelves((), packaged).choose_demo("bow", SPACE, length, texts)


def copy(checkpoint: Checkpoint, name: str, **changes: Any) -> Checkpoint:
    """Return another checkpoint like it, in a folder of its own."""
    folder = write_checkpoint(checkpoint.folder.parent / name)
    return replace(checkpoint, folder=folder, identity=checkpoint_in(folder).identity, **changes)


class TestWithoutAName:
    def test_the_packaged_one_is_used_where_there_is_no_other(self, packaged: Checkpoint) -> None:
        choice = choose([], [packaged], 16)
        assert choice.checkpoint == packaged
        assert choice.notice == f"bow uses {packaged.identity} of {CARRIER}"

    def test_the_users_own_comes_first_and_that_is_told(
        self, own: Checkpoint, packaged: Checkpoint
    ) -> None:
        choice = choose([own], [packaged])
        assert choice.checkpoint == own
        assert choice.notice == (
            f"bow uses your own checkpoint {own.folder}, not toy-wiki-32 of {CARRIER}; to use "
            "that, say bow:checkpoint=toy-wiki-32"
        )

    def test_nothing_is_told_where_no_package_has_one(
        self, own: Checkpoint, demo: Checkpoint
    ) -> None:
        assert choose([own], [demo]) == Choice(own)

    def test_the_packaged_one_is_used_where_the_own_is_of_another_length(
        self, own: Checkpoint, packaged: Checkpoint
    ) -> None:
        assert choose([own], [packaged], 16).checkpoint == packaged

    def test_none_fits_another_length(self, packaged: Checkpoint) -> None:
        shelves = Shelves((), [packaged])
        assert shelves.choose("bow", SPACE, 33) == Choice()
        assert shelves.of_other_lengths("bow", SPACE) == [
            f"toy-wiki-32 of {CARRIER} serves 4-to-32 tokens"
        ]

    @pytest.mark.parametrize(
        "change", [{"attack": "nearest"}, {"space": replace(SPACE, pooling="cls")},
                   {"defense": "noise:0.1"}, {"trained_on": "demo"}]
    )  # fmt: skip
    def test_another_attack_space_defense_or_the_demos_does_not_fit(
        self, packaged: Checkpoint, change: dict[str, Any]
    ) -> None:
        other = replace(packaged, **change)
        assert choose([], [other]) == Choice()
        assert Shelves((), [other]).of_other_lengths("bow", SPACE) == []

    def test_of_several_own_one_must_be_named(self, own: Checkpoint, packaged: Checkpoint) -> None:
        with pytest.raises(BadInput, match=r"several .*mine, .*other\); .*checkpoint=<folder>"):
            choose([own, copy(own, "other")], [packaged])

    def test_of_several_packaged_one_must_be_named(self, packaged: Checkpoint) -> None:
        other = copy(packaged, "another")
        with pytest.raises(
            BadInput, match=rf"toy-wiki-32 of {CARRIER}, another of .*checkpoint=<name>"
        ):
            choose([], [packaged, other])


class TestADamagedOne:
    def test_of_the_user_is_left_out_with_one_warning(
        self, own: Checkpoint, packaged: Checkpoint, caplog: pytest.LogCaptureFixture
    ) -> None:
        damage(own.folder)
        shelves = Shelves([own], [packaged])
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                assert shelves.choose("bow", SPACE, 32).checkpoint == packaged
        (line,) = caplog.messages
        assert line.startswith(f"{own.folder}")
        assert line.endswith("left out")

    def test_that_does_not_fit_is_not_even_read(
        self, own: Checkpoint, packaged: Checkpoint, caplog: pytest.LogCaptureFixture
    ) -> None:
        damage(own.folder)
        assert choose([own], [packaged], 16).checkpoint == packaged
        assert caplog.messages == []

    def test_of_a_package_is_refused_with_its_distribution(
        self, packaged: Checkpoint, demo: Checkpoint
    ) -> None:
        damage(packaged.folder)
        damage(demo.folder)
        shelves = Shelves((), [packaged, demo])
        for attempt in (
            lambda: shelves.choose("bow", SPACE, 8),
            lambda: shelves.named("toy-wiki-32", "bow"),
            lambda: shelves.choose_demo("bow", SPACE, 32, "present"),
        ):
            with pytest.raises(CorruptArtifact, match=rf"^checkpoint toy-\S+ of {CARRIER}: "):
                attempt()

    def test_without_a_record_is_refused_with_its_distribution(self, packaged: Checkpoint) -> None:
        (packaged.folder / "checkpoint.json").unlink()
        with pytest.raises(CorruptArtifact, match=f"toy-wiki-32 of {CARRIER}: .* no checkpoint"):
            choose([], [packaged])

    def test_is_looked_for_once(self, packaged: Checkpoint) -> None:
        shelves = Shelves((), [packaged])
        shelves.check(packaged)
        damage(packaged.folder)
        assert shelves.choose("bow", SPACE, 8).checkpoint == packaged


class TestByName:
    def test_the_packaged_one_is_found(self, packaged: Checkpoint, demo: Checkpoint) -> None:
        shelves = Shelves((), [packaged, demo])
        assert shelves.named("toy-demo", "bow") == demo

    def test_an_unknown_one_is_answered_with_those_that_are_known(
        self, packaged: Checkpoint, demo: Checkpoint
    ) -> None:
        with pytest.raises(
            UnknownComponent, match=r"'toy-wiki'.* mean 'toy-wiki-32'.*: toy-demo, toy-wiki-32\)"
        ):
            Shelves((), [packaged, demo]).named("toy-wiki", "bow")

    def test_one_of_the_same_name_for_this_attack_is_meant(self, packaged: Checkpoint) -> None:
        other = replace(packaged, attack="nearest", identity="toy-wiki-32@1")
        shelves = Shelves((), [other, packaged])
        assert shelves.named("toy-wiki-32", "bow") == packaged
        assert shelves.named("toy-wiki-32", "nearest") == other

    def test_twins_are_refused_naming_both_packages(self, packaged: Checkpoint) -> None:
        twin = replace(packaged, identity="toy-wiki-32@1", distribution="v2t-other==3")
        with pytest.raises(BadInput, match=rf"several packages .*\({CARRIER}, v2t-other==3\)"):
            Shelves((), [packaged, twin]).named("toy-wiki-32", "bow")


class TestForTheDemo:
    def test_the_packaged_one_of_the_present_texts_is_used(
        self, packaged: Checkpoint, demo: Checkpoint
    ) -> None:
        choice = choose_demo([packaged, demo])
        assert choice == Choice(demo, f"bow uses {demo.identity} of {CARRIER}")

    def test_one_of_other_texts_is_left_out_and_that_is_told(self, demo: Checkpoint) -> None:
        choice = choose_demo([demo], texts="newer")
        assert choice.checkpoint is None
        assert choice.notice.startswith(f"warning: toy-demo of {CARRIER} was trained on other demo")

    def test_one_that_does_not_say_its_texts_is_trusted(self, demo: Checkpoint) -> None:
        silent = replace(demo, texts_sha256="")
        assert choose_demo([silent], texts="newer").checkpoint == silent

    def test_of_another_length_none_is_used_and_nothing_told(self, demo: Checkpoint) -> None:
        assert choose_demo([demo], 16) == Choice()
        assert choose_demo([replace(demo, min_tokens=4)], 16).checkpoint is not None

    def test_of_several_one_must_be_named(self, demo: Checkpoint) -> None:
        with pytest.raises(BadInput, match="several checkpoints of bow fit"):
            choose_demo([demo, copy(demo, "another")])
