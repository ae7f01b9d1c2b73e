"""Training gpt2: what it can be told, what it begins from, and that it can be resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from unit.gpt2_world import ask, learn, tiny_lm, toy_texts
from v2t_bench.cli.train_verb import command
from v2t_bench.contracts import BuildContext, Embedder, Processes, TrainContext, TrainReport
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_bench.registry import Registry
from v2t_bench.release import KnownDefense
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_plugins.attacks.gpt2 import DEMO_TRAINING, TRAININGS, Gpt2
from v2t_plugins.attacks.gpt2.choices import Choices
from v2t_plugins.attacks.gpt2.networks import DECODER, SETTINGS, Networks
from v2t_plugins.attacks.gpt2.pretrained import load_pretrained

Learn = Callable[..., TrainReport]


@pytest.fixture
def teach(context: BuildContext, embedder: Embedder, texts: list[str]) -> Learn:
    """Train on the tiny world below a folder, with these settings."""

    def teach(path: Path, *, given: list[str] = texts, **more: Any) -> TrainReport:
        return learn(context, ask(embedder), given, path, **more)

    return teach


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lm(tmp_path_factory.mktemp("lm") / "tiny-lm")


def weights(path: Path) -> bytes:
    return (path / "made" / DECODER).read_bytes()


def test_the_same_training_gives_the_same_bytes_and_another_seed_others(
    teach: Learn, tmp_path: Path
) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        teach(tmp_path / name, seed=seed)
    assert weights(tmp_path / "one") == weights(tmp_path / "again")
    assert weights(tmp_path / "one") != weights(tmp_path / "other")


class SavingEachStep(Processes):
    """Says that it is time to save after every step, and stops at the one that is told."""

    stop = 0
    asked = 0

    def agree(self, number: float) -> float:
        SavingEachStep.asked += 1
        if SavingEachStep.asked == SavingEachStep.stop:
            raise InterruptedError
        return 1.0


def test_a_training_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    teach: Learn, tmp_path: Path
) -> None:
    SavingEachStep.stop = 3
    with pytest.raises(InterruptedError):
        teach(tmp_path / "stopped", steps=5, processes=SavingEachStep())
    told: list[str] = []
    teach(tmp_path / "stopped", steps=5, progress=told.append)
    teach(tmp_path / "whole", steps=5)
    assert "decoder: resuming at step 2" in told
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")


def test_what_is_done_is_not_done_again_but_for_another_training(
    teach: Learn, tmp_path: Path
) -> None:
    first = teach(tmp_path, steps=3)
    before = weights(tmp_path)
    done = tmp_path / "work" / "decoder" / "done" / "model.safetensors"
    made_at = done.stat().st_mtime_ns
    shutil.rmtree(tmp_path / "made")
    assert teach(tmp_path, steps=3).curve == first.curve
    assert (weights(tmp_path), done.stat().st_mtime_ns) == (before, made_at)
    teach(tmp_path, steps=3, options={"store": "int8"})
    assert done.stat().st_mtime_ns == made_at
    teach(tmp_path, steps=3, options={"smoothing": "0.1"})
    assert done.stat().st_mtime_ns != made_at


def test_a_budget_in_minutes_ends_the_training(teach: Learn, tmp_path: Path) -> None:
    report = teach(tmp_path, steps=None, minutes=0.02)
    assert (report.recipe["steps"], report.recipe["minutes"]) == (None, 0.02)
    assert report.curve


def test_it_keeps_everything_that_was_decided(teach: Learn, tmp_path: Path) -> None:
    report = teach(tmp_path, options={"smoothing": "0.02"})
    recipe = json.loads(json.dumps(report.recipe))
    expected = {"size": "tiny", "steps": 2, "batch_size": 8, "learning_rate": 0.003, "seed": 0,
                "smoothing": 0.02, "lm": "", "vocabulary": 400, "dim": 64, "n_texts": 108,
                "store": "fp16", "n_labels_cut": 0}  # fmt: skip
    assert {name: recipe[name] for name in expected} == expected
    assert recipe["lm_config"]["n_embd"] == 128
    assert recipe["n_parameters"] > 800_000


@pytest.mark.parametrize(("size", "width"), [("tiny", 128), ("small", 256)])
def test_a_size_is_a_size(teach: Learn, tmp_path: Path, size: str, width: int) -> None:
    teach(tmp_path, size=size, steps=1)
    settings = json.loads((tmp_path / "made" / SETTINGS).read_text())
    assert settings["lm"]["n_embd"] == width


def test_only_the_training_texts_are_asked_for(
    context: BuildContext, embedder: Embedder, texts: list[str], tmp_path: Path
) -> None:
    oracle = ask(embedder)
    learn(context, oracle, texts, tmp_path, dev=texts[:5])
    assert oracle.texts_asked == len(texts) + 5


def test_the_loss_on_dev_texts_joins_the_curve(
    teach: Learn, texts: list[str], tmp_path: Path
) -> None:
    report = teach(tmp_path, dev=texts[:3])
    measured = [row["dev_loss"] for row in report.curve if "dev_loss" in row]
    # A subword of 400 drawn blindly costs 6 nats.
    assert measured == [pytest.approx(6, abs=1)]


def test_released_vectors_are_learned_from(
    teach: Learn,
    registry: Registry,
    context: BuildContext,
    embedder: Embedder,
    texts: list[str],
    tmp_path: Path,
) -> None:
    clean = embedder.embed(texts, "document")
    noisy = KnownDefense.build(registry, context, "noise:0.3", seed=0, clean=clean)
    teach(tmp_path / "clean")
    teach(tmp_path / "noisy", release=noisy)
    assert weights(tmp_path / "clean") != weights(tmp_path / "noisy")


def test_slices_of_a_step_come_to_the_whole_step(teach: Learn, tmp_path: Path) -> None:
    whole, sliced = (
        teach(tmp_path / n, steps=1, options={"accumulate": n}).curve[0] for n in ("1", "3")
    )
    assert whole["loss"] == pytest.approx(sliced["loss"], rel=1e-5)
    assert whole["grad_norm"] == pytest.approx(sliced["grad_norm"], rel=1e-4)


def test_global_randomness_is_left_as_it_was(teach: Learn, lm: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.get_rng_state()
    teach(tmp_path, options={"lm": str(lm)})
    assert torch.equal(torch.get_rng_state(), expected)


def test_a_language_model_of_a_folder_is_trained_on(
    teach: Learn, lm: Path, tmp_path: Path, embedder: Embedder, context: BuildContext
) -> None:
    learned, held_out = toy_texts()[:320], toy_texts()[320:360]
    rate = {"lm": str(lm), "learning_rate": "0.005"}
    report = teach(tmp_path, given=learned, steps=160, batch_size=32, options=rate)
    assert report.recipe["lm"].startswith("tiny-lm@")
    assert report.recipe["size"] is None
    attack = Gpt2(decode="greedy", checkpoint=tmp_path / "made", context=context)
    targets = embedder.embed(held_out, "document")
    read = token_f1_per_text(held_out, attack.invert(targets, ask(embedder)))
    other = token_f1_per_text(held_out, attack.invert(np.roll(targets, 7, axis=0), ask(embedder)))
    assert read.mean() > other.mean() + 0.3
    # What it is trained on need not be there any more, and leaves no trace of where it was.
    assert not any(str(lm.parent).encode() in p.read_bytes() for p in (tmp_path / "made").iterdir())


def test_its_weights_are_where_training_begins(
    teach: Learn, lm: Path, tmp_path: Path, context: BuildContext
) -> None:
    teach(tmp_path, steps=1, options={"lm": str(lm), "learning_rate": "1e-9"})
    given = load_pretrained(str(lm), context).lm.state_dict()
    for name, value in Networks.load(tmp_path / "made").decoder.lm.state_dict().items():
        torch.testing.assert_close(value, given[name], atol=1e-3, rtol=1e-3)


def test_a_short_memory_shortens_texts(teach: Learn, tmp_path: Path) -> None:
    short = tiny_lm(tmp_path / "short", positions=5)
    told: list[str] = []
    report = teach(tmp_path, options={"lm": str(short)}, progress=told.append)
    assert report.recipe["max_length"] == 4
    assert report.recipe["n_labels_cut"] > 0
    assert any("longer than the 4 subwords" in line for line in told)


def test_a_causal_language_model_without_a_tokenizer_is_refused(
    teach: Learn, tmp_path: Path
) -> None:
    bare = tiny_lm(tmp_path / "bare", tokenizer=False)
    with pytest.raises(BadInput, match="bare is a causal language model without a tokenizer"):
        teach(tmp_path, options={"lm": str(bare)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "is a BertForMaskedLM; expected a causal"),
        ({"is_encoder_decoder": True}, "expected a causal language model"),
        ({"architectures": ["GPT2Model"]}, "is a GPT2Model"),
    ],
)
def test_what_is_no_causal_language_model_is_refused(
    lm: Path, tmp_path: Path, context: BuildContext, change: dict[str, Any], message: str
) -> None:
    other = Path(shutil.copytree(lm, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text()) | change
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match=message):
        load_pretrained(str(other), context)


def test_a_model_that_is_not_there_is_refused(context: BuildContext, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no folder 'v2t/no-such-model'"):
        load_pretrained("v2t/no-such-model", context)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"empty holds no config\.json"):
        load_pretrained(str(tmp_path / "empty"), context)


def test_pickled_weights_are_read_only_where_that_is_allowed(
    lm: Path, tmp_path: Path, context: BuildContext
) -> None:
    other = Path(shutil.copytree(lm, tmp_path / "other"))
    held = load_file(other / "model.safetensors")
    (other / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="holds no weights here"):
        load_pretrained(str(other), context)
    torch.save(held, other / "pytorch_model.bin")
    with pytest.raises(BadInput, match="only as a pickle"):
        load_pretrained(str(other), context)
    loaded = load_pretrained(str(other), replace(context, allow_bin=True)).lm.state_dict()
    for name, value in held.items():
        torch.testing.assert_close(loaded[name], value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_language_model_is_refused(
    lm: Path, tmp_path: Path, context: BuildContext, name: str
) -> None:
    other = Path(shutil.copytree(lm, tmp_path / "other"))
    content = (other / name).read_bytes()
    (other / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptArtifact, match="gpt2: "):
        load_pretrained(str(other), context)


def test_a_language_model_that_lacks_weights_is_refused(
    lm: Path, tmp_path: Path, context: BuildContext
) -> None:
    other = Path(shutil.copytree(lm, tmp_path / "other"))
    held = load_file(other / "model.safetensors")
    del held["transformer.h.0.mlp.c_fc.weight"]
    save_file(held, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorruptArtifact, match=r"lack transformer\.h\.0\.mlp\.c_fc\.weight"):
        load_pretrained(str(other), context)


def test_weights_are_found_under_the_names_of_the_first_gpt2(
    lm: Path, tmp_path: Path, context: BuildContext
) -> None:
    # The Hub's gpt2 says h.0 where others say transformer.h.0.
    other = Path(shutil.copytree(lm, tmp_path / "other"))
    held = load_file(other / "model.safetensors")
    short = {name.removeprefix("transformer."): value for name, value in held.items()}
    assert set(short).isdisjoint(held)
    save_file(short, other / "model.safetensors", metadata={"format": "pt"})
    loaded = load_pretrained(str(other), context).lm.state_dict()
    for name, value in held.items():
        torch.testing.assert_close(loaded[name], value)


def test_too_few_texts_are_refused(teach: Learn, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="gpt2 needs at least 20 different texts to train on, got 1"):
        teach(tmp_path, given=["a red door"] * 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "gpt2 has no option 'colour'"),
        ({"accumulate": "0"}, "accumulate=0"),
        ({"precision": "int8"}, "precision='int8' is none of auto, bf16, float32"),
        ({"store": "int4"}, "store='int4' is none of fp16, int8"),
        ({"smoothing": "1"}, "smoothing is 1"),
        ({"smoothing": "nan"}, "smoothing is nan"),
        ({"learning_rate": "-1"}, "learning_rate is -1"),
        ({"learning_rate": "much"}, "learning_rate='much' is not a number"),
        ({"lm": " "}, "lm is empty; give a folder or a Hub id, or leave it out"),
        ({"vocabulary": "9"}, "vocabulary_size must be at least"),
    ],
)
def test_a_bad_option_is_refused(
    teach: Learn, tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(BadParameter, match=message):
        teach(tmp_path, options=options)


def test_a_language_model_keeps_its_own_tokenizer(teach: Learn, lm: Path, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="leave --tokenizer out"):
        teach(tmp_path, options={"lm": str(lm)}, tokenizer="t5-small")


@pytest.mark.parametrize("settings", [*TRAININGS.values(), DEMO_TRAINING])
def test_a_recipe_sets_only_what_train_and_the_attack_know(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    assert set(settings) <= {parameter.name for parameter in command.params}
    options = settings.get("options", {})
    Choices.read(TrainContext(folder=tmp_path, work=tmp_path, max_tokens=32, options=options))
