"""Training one network in both roles for real, and going on from a checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, load_model

from toy_checkpoint import write_checkpoint
from v2t_bench.checkpoints import RECORD
from v2t_bench.contracts import BuildContext, Embedder, TrainContext, TrainReport, Vectors
from v2t_bench.errors import BadInput, BadParameter, SpaceMismatch
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text import Vec2Text
from v2t_plugins.attacks.vec2text import train as training_module
from v2t_plugins.attacks.vec2text.dev import Dev
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.shared import Shared

Train = Callable[..., TrainReport]
# Steps too small to be seen: what is stored is what was begun from.
STILL = {"learning_rate": "1e-12"}


@pytest.fixture(scope="module")
def learn(embedder: Embedder, texts: list[str]) -> Train:
    """Train on the tiny world in a folder, with these settings."""

    def learn(path: Path, *, given: Sequence[str] = texts, **more: Any) -> TrainReport:
        folder, work = path / "folder", path / "work"
        folder.mkdir(parents=True, exist_ok=True)
        work.mkdir(exist_ok=True)
        options = {"vocabulary": "400", "pseudo_tokens": "4", "precision": "float32"}
        oracle = more.pop("oracle", None) or ask(embedder)
        options |= more.pop("options", {})
        settings: dict[str, Any] = {"size": "tiny", "steps": 2, "batch_size": 8} | more
        context = TrainContext(folder=folder, work=work, max_tokens=32, options=options, **settings)
        return training_module.train(list(given), oracle, context)

    return learn


def ask(embedder: Embedder) -> Oracle:
    return Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)


SHARED = {"shared": "true", "lexical": "bow", "optimizer": "muon", "rounds": "1"}


@pytest.fixture(scope="module")
def shared(learn: Train, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport]:
    path = tmp_path_factory.mktemp("shared")
    return path, learn(path, options=SHARED | {"hypotheses": "200"})


@pytest.fixture(scope="module")
def apart(learn: Train, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport]:
    path = tmp_path_factory.mktemp("apart")
    return path, learn(path, options={"feedback": "false"})


def stored(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "folder").iterdir()}


def test_one_network_is_stored_once_and_loaded_in_both_roles(
    shared: tuple[Path, TrainReport], vectors: Vectors, embedder: Embedder, context: BuildContext
) -> None:
    path, report = shared
    weights = {name for name in stored(path) if name.endswith(".safetensors")}
    assert weights == {"shared.safetensors", "lexical.safetensors"}
    networks = Networks.load(path / "folder")
    assert networks.corrector is not None
    assert networks.corrector.encoder_decoder is networks.inverter.encoder_decoder
    assert isinstance(networks.both, Shared)
    content = load_file(path / "folder" / "shared.safetensors")
    state = networks.both.state_dict()
    for name, value in content.items():
        torch.testing.assert_close(state[name].half(), value.half(), rtol=0, atol=0)
    assert report.recipe["n_parameters"] == sum(value.numel() for value in content.values())
    assert [row["stage"] for row in report.curve] == ["lexical", "base", "corrector-1"]
    attack = Vec2Text(steps=2, checkpoint=path / "folder", context=context)
    assert len(attack.invert(vectors, ask(embedder))) == len(vectors)


def test_one_network_has_fewer_parameters_than_two(
    shared: tuple[Path, TrainReport], apart: tuple[Path, TrainReport]
) -> None:
    n_shared, n_apart = (made[1].recipe["n_parameters"] for made in (shared, apart))
    # All but two projections of the vector are shared.
    assert n_shared < 0.65 * n_apart


def test_guesses_are_those_of_the_network_as_it_was_after_the_first_stage(
    shared: tuple[Path, TrainReport], embedder: Embedder, texts: list[str]
) -> None:
    path, _ = shared
    networks = Networks.load(path / "folder")
    load_model(networks.both, path / "work" / "base" / "done" / "model.safetensors")
    expected = networks.first_guesses(embedder.embed(texts, "document"))
    (file,) = (path / "work" / "guesses").glob("*.json")
    assert sorted(json.loads(file.read_text())["guesses"]) == sorted(expected)


def test_a_shared_training_that_was_stopped_ends_as_an_undisturbed_one(
    learn: Train, shared: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if "guessing" in line:
            raise InterruptedError

    options = SHARED | {"hypotheses": "200"}
    with pytest.raises(InterruptedError):
        learn(tmp_path, options=options, progress=stop)
    told: list[str] = []
    learn(tmp_path, options=options, progress=told.append)
    assert stored(tmp_path) == stored(shared[0])
    assert not any(line.startswith("base:") for line in told)


def same_weights(one: Path, other: Path) -> None:
    files, others = stored(one), stored(other)
    assert set(files) == set(others)
    for name in files:
        if not name.endswith(".safetensors"):
            assert files[name] == others[name], name
            continue
        begun, ended = (load_file(path / "folder" / name) for path in (one, other))
        for key, value in begun.items():
            torch.testing.assert_close(ended[key], value, rtol=1e-3, atol=1e-6, msg=f"{name} {key}")


@pytest.mark.parametrize("kind", ["shared", "apart"])
def test_a_training_goes_on_from_the_weights_of_a_checkpoint(
    kind: str, learn: Train, embedder: Embedder, texts: list[str], tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    path, report = request.getfixturevalue(kind)
    own = SHARED if kind == "shared" else {"feedback": "false"}
    oracle = ask(embedder)
    # Other texts: its subwords and its lexical scores stay what they were.
    still = learn(
        tmp_path,
        given=texts[:40],
        options=own | STILL | {"begin": str(path / "folder"), "hypotheses": "10"},
        oracle=oracle,
    )
    same_weights(path, tmp_path)
    assert still.recipe["n_parameters"] == report.recipe["n_parameters"]
    assert not any(row["stage"] == "lexical" for row in still.curve)
    # Texts and guesses are asked, and no subwords.
    assert oracle.texts_asked == 50


def test_a_training_that_begins_from_a_checkpoint_moves_on(
    learn: Train, shared: tuple[Path, TrainReport], texts: list[str], tmp_path: Path
) -> None:
    begin = {"begin": str(shared[0] / "folder"), "hypotheses": "10"}
    learn(tmp_path, given=texts[:40], options=SHARED | begin)
    files, before = stored(tmp_path), stored(shared[0])
    assert files["shared.safetensors"] != before["shared.safetensors"]
    assert files["lexical.safetensors"] == before["lexical.safetensors"]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("shared", SHARED | {"pseudo_tokens": "8"}, "pseudo_tokens: 4 there, 8 here"),
        ("shared", SHARED | {"lexical": "ridge"}, "lexical_hidden: 512 there, 0 here"),
        ("shared", {"lexical": "bow"}, "shared: True there, False here"),
        ("apart", SHARED | {"lexical": "ridge"}, "shared: False there, True here"),
        ("apart", {}, "ignore_guess_vector: True there, False here"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(
    kind: str, options: dict[str, str], message: str, learn: Train, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    path, _ = request.getfixturevalue(kind)
    with pytest.raises(BadParameter, match=message) as caught:
        learn(tmp_path, options=options | {"begin": str(path / "folder")})
    assert "\n" not in str(caught.value)
    assert "give the options it was trained with" in str(caught.value)
    assert not stored(tmp_path)


def test_a_folder_without_a_checkpoint_is_refused_before_anything_is_asked(
    learn: Train, embedder: Embedder, tmp_path: Path
) -> None:
    oracle = ask(embedder)
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadInput, match=r"begin=.* holds no checkpoint") as caught:
            learn(tmp_path / "out", options={"begin": str(folder)}, oracle=oracle)
        assert "\n" not in str(caught.value)
    assert oracle.texts_asked == 0


def test_a_checkpoint_of_another_space_is_refused_before_anything_is_asked(
    learn: Train, embedder: Embedder, shared: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    begin = tmp_path / "begin"
    shutil.copytree(shared[0] / "folder", begin)
    other = replace(embedder.space, weights="sha256:another")
    toy = write_checkpoint(tmp_path / "toy", attack="vec2text", space=other)
    shutil.copy(toy / RECORD, begin)
    oracle = ask(embedder)
    with pytest.raises(SpaceMismatch, match="was trained on another space") as caught:
        learn(tmp_path / "out", options=SHARED | {"begin": str(begin)}, oracle=oracle)
    assert "\n" not in str(caught.value)
    assert oracle.texts_asked == 0


def test_a_checkpoint_that_is_begun_from_keeps_its_subwords(
    learn: Train, shared: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    folder = str(shared[0] / "folder")
    with pytest.raises(BadParameter, match="leave --tokenizer out"):
        learn(tmp_path, options=SHARED | {"begin": folder}, tokenizer=folder)


@pytest.mark.parametrize("defended", [False, True])
def test_the_dev_loss_is_measured_on_released_vectors_of_length_one(
    learn: Train, embedder: Embedder, texts: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, defended: bool,
) -> None:  # fmt: skip
    made: list[Dev] = []

    def keep(*given: Any) -> Dev:
        made.append(Dev(*given))
        return made[-1]

    def release(vectors: Vectors, ids: Sequence[str]) -> Vectors:
        moved: Vectors = vectors + np.float32(0.1)
        return moved if defended else vectors

    monkeypatch.setattr(training_module, "Dev", keep)
    monkeypatch.setattr(training_module, "EVALUATE_EVERY", 2)
    dev = ["Bob paints two maps", "Emil buys a blue door."]
    options = {"lexical": "none", "init": "random"}
    report = learn(tmp_path, given=texts[:40], dev=dev, release=release, options=options)
    expected = embedder.embed(dev, "document")
    if defended:
        expected = expected + np.float32(0.1)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(made[0].vectors.numpy(), expected, atol=1e-6)
    decode: Any = Networks.load(tmp_path / "folder").tokenizer.decode
    labels = [row[row >= 0] for row in made[0].labels]
    assert [decode(row, skip_special_tokens=True) for row in labels] == dev
    measured = [(row["stage"], row["step"]) for row in report.curve if "dev_loss" in row]
    assert measured == [("base", 2)]


def test_without_dev_texts_nothing_is_measured(apart: tuple[Path, TrainReport]) -> None:
    assert not any("dev_loss" in row for row in apart[1].curve)
    assert read_shape(apart[0])["shared"] is False


def read_shape(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((path / "folder" / "config.json").read_text())
    return content
