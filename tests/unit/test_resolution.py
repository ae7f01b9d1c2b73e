"""From a spelled attack to the checkpoint it runs with, and what is said of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from toy_checkpoint import write_checkpoint
from v2t_bench.canonical import hash_texts
from v2t_bench.checkpoints import checkpoint_in
from v2t_bench.contracts import BuildContext, Checkpoint, Embedder
from v2t_bench.errors import MissingCheckpoint, UnknownComponent
from v2t_bench.lesson import Lesson
from v2t_bench.registry import Registry
from v2t_bench.resolution import CheckpointFinder, missing_lines
from v2t_bench.shelves import Shelves
from v2t_bench.spelling import parse

CARRIER = "v2t-toys==1.2"
DEMO_TEXTS = ["a red door", "two maps"]


@pytest.fixture
def packaged(embedder: Embedder, tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "weights" / "toy-wiki-32"
    write_checkpoint(folder, space=embedder.space, min_tokens=4)
    return replace(checkpoint_in(folder), distribution=CARRIER)


@pytest.fixture
def demo(embedder: Embedder, tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "weights" / "toy-demo"
    texts = {"sha256": hash_texts(DEMO_TEXTS)}
    write_checkpoint(folder, space=embedder.space, trained_on="demo", texts=texts)
    return replace(checkpoint_in(folder), distribution=CARRIER)


@pytest.fixture
def finder(
    registry: Registry,
    context: BuildContext,
    embedder: Embedder,
    packaged: Checkpoint,
    demo: Checkpoint,
) -> CheckpointFinder:
    return CheckpointFinder(
        registry=registry,
        context=context,
        embedder=embedder,
        embedder_text="hashed",
        max_tokens=16,
        shelves=Shelves((), [packaged, demo]),
    )


def on_demo(finder: CheckpointFinder, texts: list[str], tmp_path: Path) -> CheckpointFinder:
    """Return the finder for a demo corpus whose training texts are ``texts``."""
    lesson = Lesson(attack="bow", texts=texts, trained_on="demo", max_tokens=32)
    return replace(
        finder, max_tokens=32, demo_lessons={"bow": lesson}, demo_folder=tmp_path / "made"
    )


class TestAPackagedCheckpoint:
    def test_is_used_shown_by_hash_and_credited(
        self, finder: CheckpointFinder, packaged: Checkpoint
    ) -> None:
        found = finder.resolve(parse("bow"))
        assert found.spelling.named["checkpoint"] == str(packaged.folder)
        assert found.label == f'bow:checkpoint="{packaged.identity}"'
        assert found.carriers == (CARRIER,)
        assert found.notices == (f"bow uses {packaged.identity} of {CARRIER}",)
        # It was trained for this length, among others.
        assert (found.flags, found.lessons) == ((), {})

    def test_is_credited_and_told_by_the_floor_around_it(self, finder: CheckpointFinder) -> None:
        inner, outer = finder.resolve(parse("bow")), finder.resolve(parse("prior:attack=[bow]"))
        assert (outer.carriers, outer.notices) == (inner.carriers, inner.notices)

    def test_is_found_by_its_name(
        self, finder: CheckpointFinder, demo: Checkpoint, packaged: Checkpoint
    ) -> None:
        found = finder.resolve(parse("bow:checkpoint=toy-demo"))
        assert found.spelling.named["checkpoint"] == str(demo.folder)
        assert found.flags == ("trained-on-32-tokens",)
        long = replace(finder, max_tokens=48).resolve(parse("bow:checkpoint=toy-wiki-32"))
        assert long.flags == ("trained-on-4-to-32-tokens",)
        assert long.carriers == (CARRIER,)

    def test_gives_way_to_a_folder_of_its_name(
        self,
        finder: CheckpointFinder,
        embedder: Embedder,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_checkpoint(tmp_path / "toy-wiki-32", space=embedder.space)
        found = finder.resolve(parse("bow:checkpoint=toy-wiki-32"))
        assert found.spelling.named["checkpoint"] == "toy-wiki-32"
        assert found.carriers == ()

    def test_that_nobody_carries_is_refused_with_those_that_are(
        self, finder: CheckpointFinder
    ) -> None:
        with pytest.raises(UnknownComponent, match=r"'nix'.*toy-demo, toy-wiki-32"):
            finder.resolve(parse("bow:checkpoint=nix"))


def test_where_only_other_lengths_are_served_they_are_named_beside_the_train_line(
    finder: CheckpointFinder,
) -> None:
    errors = []
    for spelled in ("bow", "prior:attack=[bow]", "nearest"):
        with pytest.raises(MissingCheckpoint) as caught:
            replace(finder, max_tokens=48).resolve(parse(spelled))
        errors.append(caught.value)
    line = "v2t-bench train {} --texts FILE --embedder hashed --max-tokens 48"
    assert str(missing_lines(errors)) == (
        f"no fitting checkpoint for bow and nearest (toy-wiki-32 of {CARRIER} serves 4-to-32 "
        "tokens); train first (FILE holds one text a line): "
        f"{line.format('bow')} && {line.format('nearest')}"
    )


class TestOnADemoCorpus:
    def test_the_packaged_one_of_its_texts_is_used(
        self, finder: CheckpointFinder, demo: Checkpoint, tmp_path: Path
    ) -> None:
        found = on_demo(finder, DEMO_TEXTS, tmp_path).resolve(parse("bow"))
        assert found.label == f'bow:checkpoint="{demo.identity}"'
        assert (found.lessons, found.carriers) == ({}, (CARRIER,))

    def test_one_of_other_texts_is_not_and_one_is_trained(
        self, finder: CheckpointFinder, tmp_path: Path
    ) -> None:
        found = on_demo(finder, DEMO_TEXTS[:1], tmp_path).resolve(parse("bow"))
        ((folder, lesson),) = found.lessons.items()
        assert folder.parent == tmp_path / "made"
        assert lesson.texts == DEMO_TEXTS[:1]
        assert found.label.startswith('bow:checkpoint="demo@')
        assert found.carriers == ()
        (notice,) = found.notices
        assert "toy-demo" in notice
        assert "is trained on the spot" in notice

    def test_without_a_packaged_one_it_is_trained_and_nothing_told(
        self, finder: CheckpointFinder, packaged: Checkpoint, tmp_path: Path
    ) -> None:
        alone = replace(finder, shelves=Shelves((), [packaged]))
        found = on_demo(alone, DEMO_TEXTS, tmp_path).resolve(parse("bow"))
        assert len(found.lessons) == 1
        assert found.notices == ()

    def test_one_that_is_named_is_used_there_too(
        self, finder: CheckpointFinder, packaged: Checkpoint, tmp_path: Path
    ) -> None:
        on = on_demo(finder, DEMO_TEXTS, tmp_path)
        found = on.resolve(parse("bow:checkpoint=toy-wiki-32"))
        assert found.spelling.named["checkpoint"] == str(packaged.folder)
