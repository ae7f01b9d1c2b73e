"""What the host gives a learned attack that is trained against a defense."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from v2t_bench import hookimpl
from v2t_bench.checkpoints import read_record
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Embedder,
    Processes,
    Recipe,
    Role,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import BrokenPromise
from v2t_bench.lesson import Lesson
from v2t_bench.registry import Origin, Registry, discover
from v2t_bench.release import attacker_secret
from v2t_bench.text_hashes import read_hashes, sampled_runs, text_hash, words
from v2t_bench.threat import Oracle
from v2t_bench.training import School
from v2t_bench.vectors import VectorCache

SIGMA = np.float32(0.3)
taught: list[tuple[list[str], Vectors]] = []
measured: list[list[str]] = []
attacked: list[Vectors] = []


@dataclass(frozen=True, kw_only=True)
class Pupil:
    """An attack that writes down what it is given; ``stumbling`` it is stopped once."""

    checkpoint: Path | None = None

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Keep texts and vectors; the option ``deaf`` takes no heed of the defense."""
        vectors = oracle.embed(texts, keep=True)
        if "deaf" not in context.options:
            vectors = context.release(vectors, texts)
        taught.append((list(texts), vectors))
        measured.append(list(context.dev))
        if "stumbling" in context.options and len(taught) == 1:
            time.sleep(0.3)
            context.progress("so far")
            raise KeyboardInterrupt
        (context.folder / "learned.json").write_text("{}")
        return TrainReport(recipe={})

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Say nothing of every vector."""
        attacked.append(vectors)
        return [""] * len(vectors)


class Plugin:
    @hookimpl
    def v2t_attacks(self) -> Iterator[Recipe[Attack]]:
        yield Recipe(name="pupil", build=Pupil, learned=True)


def noise(texts: Sequence[str], dim: int) -> Vectors:
    """Return what the attacker's own secret adds to the vectors of ``texts``."""
    return SIGMA * attacker_secret(0).normal((len(texts), dim), "document", texts)


@pytest.fixture
def school(embedder: Embedder, context: BuildContext, tmp_path: Path) -> School:
    registry: Registry = discover(strangers=())
    registry.add(Plugin(), Origin("test", "1", "test"))
    taught.clear()
    measured.clear()
    attacked.clear()
    return School(
        registry=registry,
        embedder=embedder,
        embedder_text="hashed",
        context=context,
        cache=VectorCache(tmp_path / "vectors"),
    )


def lesson(texts: list[str], **more: object) -> Lesson:
    return Lesson(attack="pupil", texts=texts, trained_on="toy", **more)  # type: ignore[arg-type]


def test_targets_and_mean_are_released_and_so_are_the_texts_it_is_tested_on(
    school: School, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    found = school.train(lesson(texts, defense="noise:0.3"), tmp_path / "out")
    assert found.defense == "noise:on=both,sigma=0.3"
    ((learned, vectors),) = taught
    expected = embedder.embed(learned, "document") + noise(learned, embedder.dim)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    mean = load_file(tmp_path / "out" / "mean.safetensors")["mean"]
    np.testing.assert_allclose(mean[0], expected.mean(axis=0), atol=1e-6)
    held_back = [text for text in texts if text not in set(learned)]
    tested = embedder.embed(held_back, "document") + noise(held_back, embedder.dim)
    # Tested in an order of their own.
    np.testing.assert_allclose(np.sort(attacked[0], axis=0), np.sort(tested, axis=0), atol=1e-6)


def test_without_a_defense_vectors_are_clean(
    school: School, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    for number, spelled in enumerate(["", "none"]):
        found = school.train(lesson(texts, defense=spelled), tmp_path / str(number))
        assert found.defense == ""
        learned, vectors = taught[number]
        np.testing.assert_array_equal(vectors, embedder.embed(learned, "document"))


def test_only_what_is_learned_is_hashed_and_only_where_it_may_be(
    school: School, tmp_path: Path
) -> None:
    long = [" ".join(f"w{n}x{k}" for k in range(25)) for n in range(400)]
    school.train(lesson(long), tmp_path / "out")
    ((learned, _),) = taught
    expected = set().union(*(sampled_runs(words(text)) for text in learned))
    assert expected < set().union(*(sampled_runs(words(text)) for text in long))
    assert set(read_hashes(tmp_path / "out").runs.tolist()) == expected
    whole = read_hashes(tmp_path / "out").texts
    assert whole is not None
    assert set(whole.tolist()) == {text_hash(words(text)) for text in learned}
    facts = read_record(tmp_path / "out").texts
    assert (facts["ngrams"], facts["text_hashes"]) == (len(expected), len(learned))
    school.train(lesson(long, ngrams=False), tmp_path / "without")
    for name in ("ngrams.safetensors", "texts.safetensors"):
        assert not (tmp_path / "without" / name).exists()
    assert read_record(tmp_path / "without").texts["ngrams"] is None


def test_the_record_counts_the_time_of_a_run_that_was_stopped(
    school: School, texts: list[str], tmp_path: Path
) -> None:
    stumbling = lesson(texts, options={"stumbling": "yes"})
    with pytest.raises(KeyboardInterrupt):
        school.train(stumbling, tmp_path / "out")
    school.train(stumbling, tmp_path / "out")
    assert len(taught) == 2
    assert 0.3 <= read_record(tmp_path / "out").seconds["train"] < 60


def test_an_attack_that_takes_no_heed_of_the_defense_is_refused(
    school: School, texts: list[str], tmp_path: Path
) -> None:
    deaf = lesson(texts, defense="noise:0.3", options={"deaf": "yes"})
    with pytest.raises(BrokenPromise, match=r"pupil trained on clean vectors"):
        school.train(deaf, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_defense_and_secret_are_part_of_what_is_taught(
    embedder: Embedder, texts: list[str]
) -> None:
    lessons: list[Lesson] = [
        lesson(texts),
        lesson(texts, defense="noise:on=both,sigma=0.3"),
        lesson(texts, defense="noise:on=both,sigma=0.3", defense_seed=1),
    ]
    identities = [entry.identity(embedder) for entry in lessons]
    assert all(one not in identities[:number] for number, one in enumerate(identities))
    # What was trained before there were defenses keeps its name.
    assert "defense" not in identities[0]


def test_only_the_main_process_fills_the_checkpoint(
    school: School, texts: list[str], tmp_path: Path
) -> None:
    class Other(Processes):
        def totals(self, numbers: Sequence[float]) -> list[float]:
            return list(numbers)  # nobody else is there to wait for

    of_main = school._places(lesson(texts), tmp_path / "out")
    other = replace(school, processes=Other(rank=1, count=2))
    of_other = other._places(lesson(texts), tmp_path / "out")
    assert of_main[0] == of_other[0]
    assert of_other[1].parent == of_main[0]
    assert of_main[1].is_dir()
    assert of_main[1] != of_other[1]


@dataclass(frozen=True)
class Multiplied:
    """An embedder that multiplies by torch, and so feels the precision it is asked in."""

    inner: Embedder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        vectors = torch.from_numpy(self.inner.embed(texts, role))
        product: Vectors = (vectors @ torch.eye(self.inner.dim)).float().numpy()
        return product


def test_fast_vectors_are_learned_from_and_not_tested_on(
    school: School,
    embedder: Embedder,
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("v2t_bench.training.has_fast_bfloat16", lambda device: True)

    def rounded(texts: list[str]) -> Vectors:
        exact = torch.from_numpy(embedder.embed(texts, "document"))
        vectors: Vectors = exact.bfloat16().float().numpy()
        return vectors

    fast = replace(school, embedder=Multiplied(embedder))
    fast.train(lesson(texts, fast_vectors=True), tmp_path / "out")
    ((learned, vectors),) = taught
    np.testing.assert_array_equal(vectors, rounded(learned))
    mean = load_file(tmp_path / "out" / "mean.safetensors")["mean"]
    np.testing.assert_allclose(mean[0], rounded(learned).mean(axis=0), atol=1e-6)
    held_back = [text for text in texts if text not in set(learned)]
    exact = embedder.embed(held_back, "document")
    np.testing.assert_allclose(np.sort(attacked[0], axis=0), np.sort(exact, axis=0), atol=1e-7)


def test_fast_vectors_are_the_usual_ones_where_bfloat16_is_slow(
    school: School,
    embedder: Embedder,
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("v2t_bench.training.has_fast_bfloat16", lambda device: False)
    usual = replace(school, embedder=Multiplied(embedder))
    usual.train(lesson(texts, fast_vectors=True), tmp_path / "out")
    ((learned, vectors),) = taught
    np.testing.assert_array_equal(vectors, usual.embedder.embed(learned, "document"))
    assert read_record(tmp_path / "out").fast_vectors is False
    assert "bfloat16" not in (tmp_path / "out" / "README.md").read_text()


def test_a_mixture_of_lengths_is_taught_and_recorded(school: School, tmp_path: Path) -> None:
    long = [" ".join(f"w{n}x{k}" for k in range(25)) for n in range(400)]
    mixed = lesson(long, max_tokens=20, min_tokens=4, dev=[f"dev {text}" for text in long])
    found = school.train(mixed, tmp_path / "mixed")
    assert read_record(tmp_path / "mixed").min_tokens == 4
    assert (found.serves(3), found.serves(4), found.serves(20)) == (False, True, True)
    school.train(lesson(long, max_tokens=20, dev=["a b"]), tmp_path / "plain")
    assert read_record(tmp_path / "plain").min_tokens is None
    lengths = [{len(text.split()) for text in learned} for learned, _ in taught]
    assert lengths == [set(range(4, 21)), {20}]
    # What is measured on is as long as what is learned.
    assert {len(text.split()) for text in measured[0]} == set(range(4, 21))
    assert measured[1] == ["a b"]


def test_lengths_and_precision_are_part_of_what_is_taught_and_what_it_is_measured_on_is_not(
    embedder: Embedder, texts: list[str]
) -> None:
    usual = lesson(texts).identity(embedder)
    others = [
        lesson(texts, min_tokens=4).identity(embedder),
        lesson(texts, min_tokens=5).identity(embedder),
        lesson(texts, fast_vectors=True).identity(embedder),
    ]
    assert all(one not in [usual, *others[:number]] for number, one in enumerate(others))
    assert lesson(texts, dev=["another"]).identity(embedder) == usual
    # What was trained before there were mixtures keeps its name.
    assert not {"min_tokens", "fast_vectors"} & set(usual)
