"""GTR in both readings, on a tiny T5 laid out as gtr-t5-base is."""

import hashlib
import json
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from v2t_bench.contracts import BuildContext, Vectors
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_plugins.embedders.gtr import GtrEmbedder, gtr_base
from v2t_plugins.embedders.gtr_st import gtr_base_st
from v2t_plugins.embedders.whole_tokenizer import spans_of
from v2t_plugins.hub import MODEL_FILES

TEXTS = [
    "The committee met in Vienna on 3 May 1921.",
    "",
    "the leaves of plants, chiefly in the chloroplasts. " * 6,
    "café",
    "Who wrote the novel that the film is based on?",
]


@pytest.fixture(scope="module")
def gtr(tiny_gtr: Path, context: BuildContext) -> GtrEmbedder:
    return gtr_base(str(tiny_gtr), context=context)


@pytest.fixture
def copy(tiny_gtr: Path, tmp_path: Path) -> Path:
    """The model's folder, to be changed."""
    shutil.copytree(tiny_gtr, tmp_path / "copy")
    return tmp_path / "copy"


def by_hand(folder: Path, text: str) -> Vectors:
    """Return the mean of transformers' own T5EncoderModel over the tokens of one text."""
    import torch
    from transformers import AutoTokenizer, T5EncoderModel

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model: Any = T5EncoderModel.from_pretrained(str(folder), dtype="float32")
    with torch.no_grad():
        hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
    vector: Vectors = hidden[0].mean(dim=0).numpy()
    return vector


def tensors(folder: Path) -> dict[str, Any]:
    return load_file(folder / "model.safetensors")


def write_inversion_model(
    folder: Path, source: Path, *, rename: Callable[[str], str], shards: int = 1, **config: Any
) -> Path:
    """Write a Vec2Text checkpoint that carries the encoder of ``source`` as its embedder."""
    import torch

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"embedder_model_name": "gtr_base"} | config))
    stored = {rename(name): tensor for name, tensor in tensors(source).items()}
    stored["embedding_transform.0.weight"] = torch.ones(4, 4)
    stored["encoder_decoder.shared.weight"] = torch.zeros(9, 9)
    if shards == 1:
        save_file(stored, folder / "model.safetensors")
        return folder
    names: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: stored[key] for key in sorted(stored)[number::shards]}
        save_file(part, folder / file)
        names |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def as_stack(name: str) -> str:
    """Return the name a tensor has in a checkpoint whose embedder is a bare T5Stack."""
    return "embedder." + {"shared.weight": "embed_tokens.weight"}.get(
        name, name.removeprefix("encoder.")
    )


# What the vectors are.
def test_a_vector_is_the_mean_of_the_encoders_last_states(gtr: GtrEmbedder, tiny_gtr: Path) -> None:
    expected = np.stack([by_hand(tiny_gtr, text) for text in TEXTS])
    np.testing.assert_allclose(gtr.embed(TEXTS, "document"), expected, atol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(gtr: GtrEmbedder) -> None:
    together = gtr.embed(TEXTS, "document")
    alone = np.concatenate([gtr.embed([text], "document") for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_rows_come_back_in_order_when_they_fill_several_batches(
    gtr: GtrEmbedder, tiny_gtr: Path, context: BuildContext
) -> None:
    in_twos = BuildContext(build=context.build, batch_size=2, offline=True)
    small = gtr_base(str(tiny_gtr), context=in_twos)
    assert small.batch_size == 2
    np.testing.assert_allclose(small.embed(TEXTS, "query"), gtr.embed(TEXTS, "query"), atol=1e-5)


def test_vectors_are_not_scaled(gtr: GtrEmbedder) -> None:
    assert np.linalg.norm(gtr.embed(TEXTS, "query"), axis=1).min() > 2


def test_only_the_first_512_tokens_are_read(gtr: GtrEmbedder) -> None:
    # Two tokens a word, the mark before it and "ing": 255 words and </s> are 511 tokens, and
    # of word 256 the mark alone is read.
    assert len(gtr.token_spans(["ing " * 255])[0]) == 510
    long, at_the_limit, below = gtr.embed(["ing " * n for n in (300, 256, 255)], "document")
    np.testing.assert_array_equal(long, at_the_limit)
    assert np.abs(long - below).max() > 1e-4


# Spans.
def test_a_mark_before_a_word_covers_nothing(gtr: GtrEmbedder) -> None:
    # "▁" then "one": the tokenizers library says (5, 6) and (5, 8).
    assert gtr.token_spans(["sing, one"])[0][-2:] == [(6, 6), (6, 9)]


def test_tokens_that_spell_one_character_share_its_span() -> None:
    from tokenizers import Tokenizer, models

    vocabulary = {"<0xC3>": 0, "<0xA9>": 1, "!": 2}
    of_bytes = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    assert spans_of(of_bytes, ["\u00e9!"]) == [[(0, 1), (0, 1), (1, 2)]]


# What the space says.
def test_the_space_names_what_the_published_models_need(gtr: GtrEmbedder) -> None:
    space = gtr.space
    assert (space.pooling, space.dense, space.normalize) == ("mean", "", False)
    assert (space.max_tokens, space.similarity) == (512, "cosine")
    assert (gtr.dim, gtr.special_tokens) == (32, 1)


def test_the_tokenizer_of_t5_is_found_to_see_case_but_no_spacing(gtr: GtrEmbedder) -> None:
    assert gtr.space.blind_to == ("whitespace",)


def test_the_weights_are_named_by_the_tensors_in_order(gtr: GtrEmbedder, tiny_gtr: Path) -> None:
    digest = hashlib.sha256()
    stored = {as_stack(name).removeprefix("embedder."): t for name, t in tensors(tiny_gtr).items()}
    for name in sorted(stored):
        array = stored[name].numpy()
        digest.update(f"{name} {'x'.join(str(size) for size in array.shape)}\n".encode())
        digest.update(array.tobytes())
    assert gtr.space.weights == f"t5-encoder float32 sha256:{digest.hexdigest()}"


def test_a_changed_weight_is_another_space(
    gtr: GtrEmbedder, copy: Path, context: BuildContext
) -> None:
    changed = tensors(copy)
    changed["encoder.final_layer_norm.weight"][3] += 1
    save_file(changed, copy / "model.safetensors")
    assert gtr_base(str(copy), context=context).space != gtr.space


def test_the_same_weights_in_half_precision_and_widened_are_one_space(
    copy: Path, context: BuildContext
) -> None:
    halves = {name: tensor.half() for name, tensor in tensors(copy).items()}
    save_file(halves, copy / "model.safetensors")
    narrow = gtr_base(str(copy), context=context)
    vectors = narrow.embed(TEXTS, "query")
    save_file({name: half.float() for name, half in halves.items()}, copy / "model.safetensors")
    wide = gtr_base(str(copy), context=context)
    assert wide.space == narrow.space
    np.testing.assert_array_equal(wide.embed(TEXTS, "query"), vectors)


def test_a_plain_folder_of_transformers_is_the_same_space(
    gtr: GtrEmbedder, tiny_gtr: Path, context: BuildContext
) -> None:
    plain = gtr_base(str(tiny_gtr.parent / "t5"), context=context)
    assert plain.space == gtr.space


def test_a_whole_t5_is_read_for_its_encoder(
    gtr: GtrEmbedder, copy: Path, context: BuildContext
) -> None:
    import torch

    whole = tensors(copy)
    whole["encoder.embed_tokens.weight"] = whole["shared.weight"].clone()
    whole |= {"lm_head.weight": torch.ones(2), "decoder.final_layer_norm.weight": torch.ones(2)}
    save_file(whole, copy / "model.safetensors")
    assert gtr_base(str(copy), context=context).space == gtr.space


# sentence-transformers' own reading.
def test_gtr_of_sentence_transformers_is_another_space(
    gtr: GtrEmbedder, tiny_gtr: Path, context: BuildContext
) -> None:
    other = gtr_base_st(str(tiny_gtr), context=context)
    assert other.space != gtr.space
    assert other.space.dense.startswith("Dense")
    assert other.space.normalize


def test_gtr_of_sentence_transformers_puts_its_dense_layer_behind_our_mean(
    gtr: GtrEmbedder, tiny_gtr: Path, context: BuildContext
) -> None:
    weight = load_file(tiny_gtr / "2_Dense" / "model.safetensors")["linear.weight"].numpy()
    expected = gtr.embed(TEXTS, "document") @ weight.T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    other = gtr_base_st(str(tiny_gtr), context=context)
    np.testing.assert_allclose(other.embed(TEXTS, "document"), expected, atol=1e-5)


def test_gtr_of_sentence_transformers_refuses_a_folder_without_its_layers(
    tiny_gtr: Path, context: BuildContext
) -> None:
    with pytest.raises(BadInput, match=r"gtr-base-st: t5 holds no modules\.json"):
        gtr_base_st(str(tiny_gtr.parent / "t5"), context=context)


# Weights out of a Vec2Text checkpoint.
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("rename", [as_stack, "embedder.{}".format], ids=["stack", "model"])
def test_a_checkpoint_carries_the_same_embedder(
    gtr: GtrEmbedder,
    tiny_gtr: Path,
    context: BuildContext,
    tmp_path: Path,
    rename: Callable[[str], str],
    shards: int,
) -> None:
    folder = write_inversion_model(tmp_path / "nq", tiny_gtr, rename=rename, shards=shards)
    carried = gtr_base(str(tiny_gtr), checkpoint=str(folder), context=context)
    assert carried.space == gtr.space
    np.testing.assert_array_equal(carried.embed(TEXTS, "query"), gtr.embed(TEXTS, "query"))


def test_the_weights_are_the_checkpoints_and_not_the_models(
    tiny_gtr: Path, copy: Path, context: BuildContext, tmp_path: Path
) -> None:
    folder = write_inversion_model(tmp_path / "nq", tiny_gtr, rename=as_stack)
    (copy / "model.safetensors").unlink()
    carried = gtr_base(str(copy), checkpoint=str(folder), context=context)
    assert carried.space == gtr_base(str(tiny_gtr), context=context).space


@pytest.mark.parametrize(
    ("rename", "config", "message"),
    [
        ("other.{}".format, {}, r"nq carries no embedder \(tensors called embedder\.\*\)"),
        ("embedder.0.auto_model.{}".format, {}, "sentence-transformers model.*use gtr-base-st"),
        (as_stack, {"embeddings_from_layer_n": 3}, "trained on layer 3"),
    ],
)
def test_a_checkpoint_of_another_embedder_is_refused(
    tiny_gtr: Path,
    context: BuildContext,
    tmp_path: Path,
    rename: Callable[[str], str],
    config: dict[str, int],
    message: str,
) -> None:
    folder = write_inversion_model(tmp_path / "nq", tiny_gtr, rename=rename, **config)
    with pytest.raises(BadInput, match=message):
        gtr_base(str(tiny_gtr), checkpoint=str(folder), context=context)


# What is damaged or missing.
def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def without_a_tensor(folder: Path) -> None:
    left = tensors(folder)
    del left["encoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(left, folder / "model.safetensors")


def with_a_tensor_too_many(folder: Path) -> None:
    more = tensors(folder)
    more["encoder.block.1.layer.0.layer_norm.weight"] = more["encoder.final_layer_norm.weight"] + 1
    save_file(more, folder / "model.safetensors")


def of_another_shape(folder: Path) -> None:
    reshaped = tensors(folder)
    reshaped["shared.weight"] = reshaped["shared.weight"][:-1].clone()
    save_file(reshaped, folder / "model.safetensors")


def with_a_shard_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"shared.weight": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def with_a_damaged_index(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": ')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, r"copy/model\.safetensors is damaged"),
        (without_a_tensor, r"copy: 1 of the encoder's 11 tensors are missing \(block\.0.*q"),
        (with_a_tensor_too_many, r"copy: 1 tensors belong to no encoder .* \(block\.1"),
        (of_another_shape, r"copy: embed_tokens\.weight has shape \(\d+, 32\); expected \(\d+, 32"),
        (with_a_shard_missing, r"lacks model-00001-of-00001\.safetensors"),
        (with_a_damaged_index, r"index\.json is damaged"),
    ],
)
def test_damaged_weights_are_a_corrupt_artifact(
    copy: Path, context: BuildContext, damage: Callable[[Path], None], message: str
) -> None:
    damage(copy)
    with pytest.raises(CorruptArtifact, match=message) as caught:
        gtr_base(str(copy), context=context)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_with_damaged_json_is_a_corrupt_artifact(
    tiny_gtr: Path, context: BuildContext, tmp_path: Path
) -> None:
    folder = write_inversion_model(tmp_path / "nq", tiny_gtr, rename=as_stack)
    (folder / "config.json").write_text("{")
    with pytest.raises(CorruptArtifact, match=r"nq/config\.json is damaged"):
        gtr_base(str(tiny_gtr), checkpoint=str(folder), context=context)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "copy has no configuration"),
        ("tokenizer.json", "copy has no tokenizer"),
        ("model.safetensors", "holds neither model.safetensors nor"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused(
    copy: Path, context: BuildContext, file: str, message: str
) -> None:
    (copy / file).write_text("{") if file == "tokenizer.json" else (copy / file).unlink()
    with pytest.raises(BadInput, match=message) as caught:
        gtr_base(str(copy), context=context)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_no_t5_is_refused(tiny_model: Path, context: BuildContext) -> None:
    with pytest.raises(BadInput, match="a model of type bert; expected a T5"):
        gtr_base(str(tiny_model), context=context)


def test_a_tokenizer_that_knows_more_than_the_network_is_refused(
    copy: Path, context: BuildContext
) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"vocab_size": 40}))
    weights = tensors(copy)
    weights["shared.weight"] = weights["shared.weight"][:40].clone()
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(BadInput, match="a network that knows 40"):
        gtr_base(str(copy), context=context)


@pytest.mark.parametrize(("build", "who"), [(gtr_base, "gtr-base"), (gtr_base_st, "gtr-base-st")])
def test_a_model_that_is_not_on_this_machine_is_named_in_one_line(
    context: BuildContext, build: Callable[..., object], who: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=f"^{who}: there is no folder 'no/such-t5'") as caught:
        build("no/such-t5", context=context)
    assert "\n" not in str(caught.value)


def test_no_pickled_weights_are_fetched() -> None:
    names = ["pytorch_model.bin", "2_Dense/pytorch_model.bin", "flax_model.msgpack", "x.pt"]
    assert [name for name in names for wanted in MODEL_FILES if fnmatch(name, wanted)] == []
    assert any(fnmatch("2_Dense/model.safetensors", wanted) for wanted in MODEL_FILES)


@pytest.mark.parametrize("build", [gtr_base, gtr_base_st])
def test_a_folder_has_no_revision(
    tiny_gtr: Path, context: BuildContext, build: Callable[..., object]
) -> None:
    with pytest.raises(BadParameter, match="has no revision"):
        build(str(tiny_gtr), context=context, revision="main")
