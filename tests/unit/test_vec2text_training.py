"""What training vec2text can be told, and what it keeps in its work folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from v2t_bench.contracts import BuildContext, Embedder, TrainContext, TrainReport, Vectors
from v2t_bench.errors import BadParameter
from v2t_bench.registry import Registry
from v2t_bench.release import KnownDefense
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import scaled_like_targets
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.lexical import RidgeLexical
from v2t_plugins.attacks.vec2text.model import NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.train import train
from v2t_plugins.networks import load_tensors, read_json, save_tensors

Train = Callable[..., TrainReport]
OPTIONS = {"vocabulary": "400", "pseudo_tokens": "4", "precision": "float32"}


def place(path: Path, **more: Any) -> TrainContext:
    folder, work = path / "folder", path / "work"
    folder.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    options = OPTIONS | more.pop("options", {})
    settings: dict[str, Any] = {"size": "tiny", "steps": 3, "batch_size": 8} | more
    return TrainContext(folder=folder, work=work, max_tokens=32, options=options, **settings)


@pytest.fixture
def learn(embedder: Embedder, texts: list[str]) -> Train:
    """Train on the tiny world in a folder, with these settings."""

    def learn(path: Path, *, given: list[str] = texts, **more: Any) -> TrainReport:
        oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
        return train(given, oracle, place(path, **more))

    return learn


@pytest.fixture
def noisy(
    registry: Registry, context: BuildContext, embedder: Embedder, texts: list[str]
) -> Callable[[Vectors, Any], Vectors]:
    clean = embedder.embed(texts, "document")
    return KnownDefense.build(registry, context, "noise:0.3", seed=0, clean=clean)


def made(path: Path, *names: str) -> list[bytes]:
    wanted = names or ("base", "corrector")
    return [(path / "folder" / f"{name}.safetensors").read_bytes() for name in wanted]


def guess_files(path: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (path / "work" / "guesses").iterdir()}


def test_slices_of_a_step_come_to_the_whole_step(learn: Train, tmp_path: Path) -> None:
    # One step of Adam is the sign of the gradient, so the norm is compared, not the weights.
    whole, sliced = (
        learn(tmp_path / n, steps=1, options={"accumulate": n, "lexical": "none"}).curve
        for n in ("1", "3")
    )
    assert [row["stage"] for row in whole] == ["base", "corrector"]
    for one, other in zip(whole, sliced, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert whole[0]["grad_norm"] == pytest.approx(sliced[0]["grad_norm"], rel=1e-5)


def test_precision_is_what_it_was_told_to_be(learn: Train, tmp_path: Path) -> None:
    for precision in ("bf16", "float32"):
        report = learn(tmp_path / precision, options={"precision": precision})
        assert report.recipe["precision"] == precision
    assert made(tmp_path / "bf16") != made(tmp_path / "float32")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"accumulate": "0"}, "accumulate=0"),
        ({"accumulate": "-2"}, "accumulate=-2"),
        ({"accumulate": "half"}, "accumulate='half' is not a number"),
        ({"precision": "int8"}, "precision='int8' is none of auto, bf16, float32"),
        ({"store": "int4"}, "store='int4' is none of fp16, int8"),
        ({"feedback": "maybe"}, "feedback='maybe' is not true or false"),
        ({"lexical": "bag"}, "lexical='bag' is none of ridge, bow, none"),
        ({"optimizer": "sgd"}, "optimizer='sgd' is none of adamw, muon"),
        ({"shared": "yes"}, "shared='yes' is not true or false"),
        ({"shared": "true", "feedback": "false"}, "feedback=false is the ablation of two networks"),
        ({"rounds": "0"}, "rounds is 0; expected 1 to 20"),
        ({"rounds": "21"}, "rounds is 21; expected 1 to 20"),
        ({"rounds": "two"}, "rounds='two' is not a number"),
        ({"learning_rate": "inf"}, "learning_rate is inf"),
        ({"learning_rate": "nan"}, "learning_rate is nan"),
        ({"pseudo_tokens": "0"}, "pseudo_tokens is 0"),
        ({"pseudo_tokens": "1000000000"}, "pseudo_tokens is 1000000000"),
    ],
)
def test_a_bad_option_is_refused(tmp_path: Path, option: dict[str, str], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        Choices.read(place(tmp_path, options=option))


def test_weights_are_stored_as_told_and_it_is_the_same_training(
    learn: Train, tmp_path: Path, vectors: Vectors
) -> None:
    learn(tmp_path)
    half = Networks.load(tmp_path / "folder")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "folder").iterdir()}
    kept = guess_files(tmp_path)
    report = learn(tmp_path, options={"store": "int8"})
    assert report.recipe["store"] == "int8"
    assert guess_files(tmp_path) == kept
    whole = Networks.load(tmp_path / "folder")
    for name in ("base", "corrector", "lexical"):
        path = tmp_path / "folder" / f"{name}.safetensors"
        assert path.stat().st_size < 0.6 * sizes[path.name]
    assert "weight.last" in load_file(tmp_path / "folder" / "lexical.safetensors")
    for one, other in ((half.inverter, whole.inverter), (half.corrector, whole.corrector)):
        assert one is not None
        assert other is not None
        stored, rounded = one.state_dict(), other.state_dict()
        for name, weight in stored.items():
            step = weight.abs().max() / 127
            assert float((weight - rounded[name]).abs().max()) <= 0.6 * float(step) + 1e-7, name
    assert isinstance(half.inverter.lexical, RidgeLexical)
    assert isinstance(whole.inverter.lexical, RidgeLexical)
    weight, rounded_weight = half.inverter.lexical.weight, whole.inverter.lexical.weight
    torch.testing.assert_close(rounded_weight[:, -1], weight[:, -1])
    assert len(whole.first_guesses(vectors)) == len(vectors)


def test_more_slices_than_examples_are_refused(learn: Train, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="8 examples a step cannot be divided into 9 parts"):
        learn(tmp_path, options={"accumulate": "9"})


def test_without_feedback_only_the_corrector_is_another(learn: Train, tmp_path: Path) -> None:
    shown = learn(tmp_path / "shown")
    hidden = learn(tmp_path / "hidden", options={"feedback": "false"})
    assert made(tmp_path / "shown", "base") == made(tmp_path / "hidden", "base")
    assert made(tmp_path / "shown", "corrector") != made(tmp_path / "hidden", "corrector")
    assert (shown.recipe["feedback"], hidden.recipe["feedback"]) == (True, False)


def test_without_feedback_it_makes_no_odds_where_a_guess_landed(
    learn: Train, tmp_path: Path
) -> None:
    def correctors(feedback: str) -> list[list[bytes]]:
        """Return the corrector, and the one of guesses that landed on the other side."""
        path, options = tmp_path / feedback, {"feedback": feedback}
        learn(path, options=options)
        first = made(path, "corrector")
        stored = next((path / "work" / "guesses").glob("*.safetensors"))
        save_tensors(stored, {"vectors": -load_tensors(stored)["vectors"]})
        shutil.rmtree(path / "work" / "corrector")
        learn(path, options=options)
        return [first, made(path, "corrector")]

    one, other = correctors("false")
    assert one == other
    one, other = correctors("true")
    assert one != other


@pytest.mark.skipif(
    "ignore_guess_vector" not in {field.name for field in fields(NetworkConfig)},
    reason="networks of this version cannot be told to ignore it",
)
def test_the_networks_remember_that_there_was_no_feedback(learn: Train, tmp_path: Path) -> None:
    learn(tmp_path, options={"feedback": "false"})
    assert read_json(tmp_path / "folder" / "config.json")["ignore_guess_vector"] is True


def test_another_corrector_finds_base_and_guesses_made(learn: Train, tmp_path: Path) -> None:
    learn(tmp_path, options={"hypotheses": "40"})
    before = guess_files(tmp_path), made(tmp_path, "base")
    told: list[str] = []
    other = {"hypotheses": "40", "corrector_steps": "5", "feedback": "false"}
    learn(tmp_path, options=other, progress=told.append)
    assert (guess_files(tmp_path), made(tmp_path, "base")) == before
    assert not any(line.startswith("base:") for line in told)


def test_released_vectors_are_guessed_from_anew(
    learn: Train, noisy: Callable[..., Vectors], tmp_path: Path
) -> None:
    learn(tmp_path)
    clean = set(guess_files(tmp_path))
    learn(tmp_path, release=noisy)
    assert set(guess_files(tmp_path)) > clean


def test_a_defended_training_that_was_stopped_ends_as_an_undisturbed_one(
    learn: Train, noisy: Callable[..., Vectors], tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if "guessing" in line:
            raise InterruptedError

    options = {"accumulate": "2"}
    with pytest.raises(InterruptedError):
        learn(tmp_path / "stopped", release=noisy, options=options, progress=stop)
    learn(tmp_path / "stopped", release=noisy, options=options)
    learn(tmp_path / "whole", release=noisy, options=options)
    learn(tmp_path / "clean", options=options)
    assert made(tmp_path / "stopped") == made(tmp_path / "whole")
    assert made(tmp_path / "whole") != made(tmp_path / "clean")


def test_targets_are_scaled_as_the_search_scales_them(embedder: Embedder) -> None:
    rows: Vectors = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    unit = replace(embedder.space, normalize=True)
    free = replace(embedder.space, normalize=False)
    expected = np.array([[0.6, 0.8], [0.0, 0.0]], np.float32)
    np.testing.assert_allclose(scaled_like_targets(rows, unit), expected)
    np.testing.assert_array_equal(scaled_like_targets(rows, free), rows)


def test_labels_that_are_cut_are_counted_and_told(
    learn: Train, texts: list[str], tmp_path: Path
) -> None:
    told: list[str] = []
    # The 0.999 quantile of 109 lengths lies below the longest.
    odd = "of " * 60 + "bread."
    report = learn(tmp_path / "1", given=[*texts, odd], progress=told.append)
    assert report.recipe["n_labels_cut"] == 1
    assert any("1 of 109 texts are longer" in line for line in told)
    told.clear()
    alike = [f"door {number} is open" for number in range(30, 60)]
    report = learn(tmp_path / "2", given=alike, progress=told.append)
    assert report.recipe["n_labels_cut"] == 0
    assert not any("longer" in line for line in told)
