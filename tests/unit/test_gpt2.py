"""The language model behind a vector: what it writes, how, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from unit.gpt2_world import ask, learn, toy_texts
from v2t_bench.contracts import BuildContext, Embedder, Vectors
from v2t_bench.errors import (
    BadInput,
    BadParameter,
    CorruptArtifact,
    MissingCheckpoint,
    SpaceMismatch,
)
from v2t_bench.registry import Registry
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.gpt2 import Gpt2
from v2t_plugins.attacks.gpt2.decoding import Decoding, Drawn, chances_of, write
from v2t_plugins.attacks.gpt2.model import Decoder, DecoderConfig, fresh_lm_config
from v2t_plugins.attacks.gpt2.networks import DECODER, SETTINGS, Networks
from v2t_plugins.attacks.lesson_texts import IGNORED
from v2t_plugins.attacks.prior import MEAN, Prior
from v2t_plugins.training import seeded

LEARNED, HELD_OUT = toy_texts()[:320], toy_texts()[320:360]


@pytest.fixture(scope="module")
def toy(
    embedder: Embedder, context: BuildContext, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An attack trained on 320 of the 400 sentences."""
    place = tmp_path_factory.mktemp("toy")
    learn(context, ask(embedder), LEARNED, place, steps=120, batch_size=32)
    mean = embedder.embed(LEARNED, "document").mean(axis=0, keepdims=True)
    save_file({"mean": mean}, place / "made" / MEAN)
    return place / "made"


@pytest.fixture(scope="module")
def networks(toy: Path) -> Networks:
    return Networks.load(toy)


@pytest.fixture(scope="module")
def targets(embedder: Embedder) -> Vectors:
    return embedder.embed(HELD_OUT, "document")


def f1(guesses: list[str]) -> float:
    return float(token_f1_per_text(HELD_OUT, guesses).mean())


def fresh(*, smoothing: float = 0.0) -> Decoder:
    """A decoder of 12 subwords that has learned nothing."""
    lm = fresh_lm_config("tiny", vocabulary=12, longest=6, end_id=1)
    config = DecoderConfig(dim=4, max_length=6, pad_id=0, end_id=1, lm=lm, input_scale=2.0)
    with seeded("decoder"):
        return Decoder(config, smoothing=smoothing).eval()


VECTORS = torch.linspace(-1, 1, 12).reshape(3, 4)
LABELS = torch.tensor([[5, 3, 7, 1], [4, 1, IGNORED, IGNORED], [9, 9, 1, IGNORED]])


@pytest.mark.parametrize("decode", ["beam", "greedy", "nucleus"])
def test_it_reads_what_the_prior_and_shuffled_vectors_cannot_tell(
    toy: Path, targets: Vectors, embedder: Embedder, context: BuildContext, decode: Any
) -> None:
    attack = Gpt2(decode=decode, checkpoint=toy, context=context)
    oracle = ask(embedder)
    spelled = Spelling("gpt2", (), {"decode": decode, "checkpoint": str(toy)})
    floor = f1(Prior(attack=spelled, context=context).invert(targets, oracle))
    assert f1(attack.invert(targets, oracle)) > floor + 0.5
    assert f1(attack.invert(np.roll(targets, 7, axis=0), oracle)) < floor + 0.2
    assert oracle.texts_asked == 0


def test_the_labels_are_shifted_once() -> None:
    # transformers shifts labels itself: what it is given stands where it is read.
    decoder = fresh()
    read = decoder.lm.get_input_embeddings()(LABELS.clamp(min=0))
    inputs = torch.cat([decoder.prefix(VECTORS), read], dim=1)
    behind = torch.cat([torch.full((3, 1), IGNORED), LABELS], dim=1)
    theirs = decoder.lm(inputs_embeds=inputs, labels=behind).loss
    torch.testing.assert_close(decoder(VECTORS, LABELS)["loss"], theirs)


def test_the_first_subword_is_learned_from_the_vector_alone() -> None:
    decoder = fresh()
    one, other = torch.tensor([[5, 3]]), torch.tensor([[5, 8]])
    with torch.no_grad():
        logits = decoder.logits(VECTORS[:1], one)
        changed = decoder.logits(VECTORS[:1], other)
        moved = decoder.logits(VECTORS[1:2], one)
    torch.testing.assert_close(logits[:, :2], changed[:, :2])
    assert not torch.allclose(logits[:, 2], changed[:, 2])
    assert not torch.allclose(logits[:, 0], moved[:, 0])


def test_what_stands_behind_a_text_changes_nothing() -> None:
    decoder = fresh()
    padded = torch.cat([LABELS, torch.full((3, 2), IGNORED)], dim=1)
    torch.testing.assert_close(decoder(VECTORS, padded)["loss"], decoder(VECTORS, LABELS)["loss"])


def test_labels_are_smoothed_in_training_only() -> None:
    plain, smooth = fresh(), fresh(smoothing=0.3)
    expected = plain(VECTORS, LABELS)["loss"]
    torch.testing.assert_close(smooth(VECTORS, LABELS)["loss"], expected)
    loss = smooth.train()(VECTORS, LABELS)["loss"]
    assert not torch.allclose(loss, expected, atol=1e-4)


def test_a_subword_is_drawn_from_the_fewest_that_hold_enough() -> None:
    # .5 + .3 + .15 reach .9; of the .95 these are shares of .526, .842 and 1.
    logits = torch.tensor([[0.05, 0.3, 0.5, 0.15]]).log().repeat(6, 1)
    chances = torch.tensor([[0.0], [0.52], [0.53], [0.84], [0.85], [0.99999]])
    drawn = Drawn(chances, p=0.9, temperature=1.0)(torch.zeros(6, 0, dtype=torch.long), logits)
    assert drawn.argmax(dim=1).tolist() == [2, 2, 1, 1, 3, 3]
    assert (drawn > -torch.inf).sum(dim=1).tolist() == [1] * 6


def test_a_temperature_makes_the_likely_likelier() -> None:
    # Squared, .5 and .3 are .74 and .26 of what they hold together.
    logits = torch.tensor([[0.5, 0.3]]).log()
    for temperature, word in ((1.0, 1), (0.5, 0)):
        draw = Drawn(torch.tensor([[0.7]]), p=1.0, temperature=temperature)
        assert draw(torch.zeros(1, 0, dtype=torch.long), logits).argmax().item() == word


def test_chances_depend_on_vector_and_seed_and_nothing_else(targets: Vectors) -> None:
    chances = chances_of(targets, 3, 7)
    np.testing.assert_array_equal(chances_of(targets[::-1].copy(), 3, 7), chances[::-1])
    assert not np.array_equal(chances_of(targets, 4, 7), chances)
    assert len(np.unique(chances)) > 0.99 * chances.size
    assert abs(float(chances.mean()) - 0.5) < 0.1


def test_a_seed_draws_other_texts_and_the_same_seed_the_same(
    toy: Path, targets: Vectors, embedder: Embedder, context: BuildContext
) -> None:
    def draw(seed: int) -> list[str]:
        hot: dict[str, Any] = {"decode": "nucleus", "temperature": 3.0, "p": 1.0}
        attack = Gpt2(seed=seed, checkpoint=toy, context=context, **hot)
        return attack.invert(targets, ask(embedder))

    torch.manual_seed(0)
    first = draw(1)
    torch.manual_seed(1)
    assert draw(1) == first
    assert draw(2) != first


def test_one_beam_is_greedy_and_more_find_likelier_texts(
    tmp_path: Path, embedder: Embedder, context: BuildContext, targets: Vectors
) -> None:
    learn(context, ask(embedder), LEARNED, tmp_path, steps=8, batch_size=32)
    networks = Networks.load(tmp_path / "made")

    def write(**more: Any) -> list[str]:
        attack = Gpt2(checkpoint=tmp_path / "made", context=context, **more)
        return attack.invert(targets[:8], ask(embedder))

    def likelihood(texts: list[str]) -> float:
        from v2t_plugins.attacks.gpt2.networks import label_texts

        labels = label_texts(networks.tokenizer, texts, networks.decoder.shape)
        with torch.no_grad():
            return -float(networks.decoder(torch.from_numpy(targets[:8]), labels)["loss"])

    greedy = write(decode="greedy")
    assert write(beams=1) == greedy
    assert likelihood(write(beams=8)) > likelihood(greedy)


def test_a_text_does_not_depend_on_its_batch(
    toy: Path, targets: Vectors, networks: Networks, embedder: Embedder, context: BuildContext
) -> None:
    from dataclasses import replace

    for decode in ("beam", "nucleus"):
        alike: dict[str, Any] = {"decode": decode, "checkpoint": toy}
        one = Gpt2(context=replace(context, batch_size=1), **alike)
        all_at_once = Gpt2(context=context, **alike)
        oracle = ask(embedder)
        assert one.invert(targets[:12], oracle) == all_at_once.invert(targets[:12], oracle)


def test_what_the_tokenizer_cannot_spell_is_never_written(targets: Vectors) -> None:
    decoder = fresh()
    with torch.no_grad():  # subwords from 7 on are the likeliest by far
        decoder.lm.lm_head.weight[7:] *= 1000
    plain: dict[str, Any] = {"beams": 3, "p": 1.0, "temperature": 1.0, "seed": 0}
    for decode in ("beam", "greedy", "nucleus"):
        decoding = Decoding(decode=decode, **plain)
        written = write(decoder, targets[:8, :4].copy(), decoding, known=7)
        assert int(written.max()) < 7
        assert int(write(decoder, targets[:8, :4].copy(), decoding, known=12).max()) >= 7


def test_zeros_and_one_single_vector_are_guessed(
    toy: Path, targets: Vectors, embedder: Embedder, context: BuildContext
) -> None:
    attack = Gpt2(checkpoint=toy, context=context)
    assert len(attack.invert(np.zeros_like(targets[:2]), ask(embedder))) == 2
    assert len(attack.invert(targets[:1], ask(embedder))) == 1
    assert attack.invert(targets[:0], ask(embedder)) == []


def test_vectors_that_hold_no_numbers_are_refused(
    toy: Path, targets: Vectors, embedder: Embedder, context: BuildContext
) -> None:
    damaged = targets[:3].copy()
    damaged[1, 5] = np.nan
    with pytest.raises(BadInput, match=r"1 of 3 vectors hold NaN or infinity \(first: row 1\)"):
        Gpt2(checkpoint=toy, context=context).invert(damaged, ask(embedder))


def test_vectors_of_another_dimension_are_refused(
    toy: Path, targets: Vectors, embedder: Embedder, context: BuildContext
) -> None:
    with pytest.raises(SpaceMismatch, match="64 dimensions, these have 32"):
        Gpt2(checkpoint=toy, context=context).invert(targets[:, :32], ask(embedder))


def test_without_a_checkpoint_the_train_line_is_named(
    context: BuildContext, oracle: Oracle, vectors: Vectors
) -> None:
    with pytest.raises(MissingCheckpoint, match="v2t-bench train gpt2"):
        Gpt2(context=context).invert(vectors, oracle)


def test_a_checkpoint_of_another_attack_is_refused(
    tmp_path: Path, context: BuildContext, oracle: Oracle, vectors: Vectors
) -> None:
    (tmp_path / "bag_of_words.json").write_text("{}")
    with pytest.raises(BadInput, match="no checkpoint of gpt2"):
        Gpt2(checkpoint=tmp_path, context=context).invert(vectors, oracle)


@pytest.mark.parametrize("name", [SETTINGS, DECODER, "tokenizer.json"])
def test_a_truncated_file_is_a_corrupt_artifact(
    toy: Path, tmp_path: Path, context: BuildContext, oracle: Oracle, vectors: Vectors, name: str
) -> None:
    for path in toy.iterdir():
        content = path.read_bytes()
        half = content[: len(content) // 2] if path.name == name else content
        (tmp_path / path.name).write_bytes(half)
    with pytest.raises(CorruptArtifact, match=name.split(".")[0]):
        Gpt2(checkpoint=tmp_path, context=context).invert(vectors, oracle)


@pytest.mark.parametrize(
    "change",
    [{"dim": "64"}, {"lm": []}, {"lm": {"model_type": "t5"}}, {"lm": {"model_type": "gpt9"}},
     {"lm": {}}, {"colour": 1}, {"input_scale": None}],
)  # fmt: skip
def test_a_configuration_of_no_network_is_a_corrupt_artifact(
    toy: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    for path in toy.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((toy / SETTINGS).read_text()) | change
    (tmp_path / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(CorruptArtifact):
        Networks.load(tmp_path)


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ("gpt2:beams=0", "beams must be 1 to 256"),
        ("gpt2:beams=1000", "beams must be 1 to 256"),
        ("gpt2:greedy,beams=3", "beams= goes with decode=beam"),
        ("gpt2:p=0.5", "p= goes with decode=nucleus"),
        ("gpt2:greedy,seed=1", "seed= goes with decode=nucleus"),
        ("gpt2:nucleus,p=0", "p must be above 0"),
        ("gpt2:nucleus,p=1.5", "at most 1"),
        ("gpt2:nucleus,p=nan", "p must be"),
        ("gpt2:nucleus,temperature=0", "temperature must be"),
        ("gpt2:nucleus,temperature=inf", "temperature must be"),
        ("gpt2:nucleus,seed=-1", "seed must be"),
        ("gpt2:sampling", "decode must be"),
    ],
)
def test_a_way_of_decoding_that_means_nothing_is_refused(
    registry: Registry, context: BuildContext, spelled: str, message: str
) -> None:
    with pytest.raises(BadParameter, match=message):
        registry.build("attacks", spelled, context)
