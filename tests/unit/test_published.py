"""Checkpoints in the layouts of vec2text, written by hand; tests/parity reads its own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import T5Config

from stand_in_hub import serving
from v2t_bench.contracts import BuildContext, Embedder, Space
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact, SpaceMismatch, V2TError
from v2t_bench.registry import Registry
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text import Vec2Text
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.pairs import Pair, refuse_by_looks
from v2t_plugins.attacks.vec2text.published import Source, load_pair
from v2t_plugins.seeds import seeded
from v2t_plugins.subwords import train_tokenizer

DIM = 64
SHARED = "encoder_decoder.shared.weight"
TIED = (
    "encoder_decoder.encoder.embed_tokens.weight",
    "encoder_decoder.decoder.embed_tokens.weight",
    "encoder_decoder.lm_head.weight",
)


def write_settings(folder: Path, t5: Path, **more: Any) -> None:
    settings = {
        "model_name_or_path": str(t5),
        "embedder_model_name": "somebody/unknown",
        "embedder_model_api": None,
        "num_repeat_tokens": 4,
        "max_seq_length": 12,
        "corrector_ignore_hypothesis_embedding": False,
        "learning_rate": 0.001,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings | more))


def tensors(network: Any) -> dict[str, Tensor]:
    """Return the tensors as transformers writes them: shared ones once."""
    state = network.state_dict()
    return {name: value.clone() for name, value in state.items() if name not in TIED}


@pytest.fixture
def pair(texts: list[str], tmp_path: Path) -> Path:
    """A folder with ``base`` and ``corrector``, and the T5 they are built on."""
    t5 = tmp_path / "t5"
    tokenizer = train_tokenizer(texts, vocabulary_size=300)
    tokenizer.save_pretrained(str(t5))
    build: Any = T5Config
    config = build(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
    )
    config.save_pretrained(t5)
    shape = NetworkConfig(
        dim=DIM, vocabulary_size=len(tokenizer), max_length=11, pseudo_tokens=4, d_model=32
    )
    with seeded("published"):
        base, corrector = Inverter(shape, config), Corrector(shape, config)
    for name, network in (("base", base), ("corrector", corrector)):
        write_settings(tmp_path / name, t5)
        save_file(tensors(network), tmp_path / name / "model.safetensors")
    return tmp_path


def load(folder: Path, *, allow_bin: bool = False) -> Networks:
    pair = Pair(base=str(folder / "base"), corrector=str(folder / "corrector"))
    source = Source(offline=True, allow_bin=allow_bin)
    return load_pair(pair, source, device="cpu", dtype=torch.float32, parity=False)


def rewrite(path: Path, change: Any) -> None:
    held = load_file(path)
    change(held)
    save_file(held, path)


def assert_same(one: Any, other: Any) -> None:
    theirs = other.state_dict()
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0)


def test_the_embedder_in_the_file_is_passed_over(pair: Path) -> None:
    before = load(pair)
    path = pair / "base" / "model.safetensors"
    rewrite(path, lambda held: held.update({"embedder.encoder.x": torch.ones(3)}))
    assert_same(before.inverter, load(pair).inverter)


def test_a_base_from_before_dropout_is_read(pair: Path) -> None:
    before = load(pair)

    def older(held: dict[str, Tensor]) -> None:
        for kind in ("weight", "bias"):
            held[f"embedding_transform.2.{kind}"] = held.pop(f"embedding_transform.3.{kind}")

    rewrite(pair / "base" / "model.safetensors", older)
    assert_same(before.inverter, load(pair).inverter)


@pytest.mark.parametrize("last", [2, 3])
def test_a_corrector_with_one_projection_for_all_is_read(last: int, pair: Path) -> None:
    kept: dict[str, Tensor] = {}

    def older(held: dict[str, Tensor]) -> None:
        for ours, theirs in ((0, 0), (3, last)):
            for kind in ("weight", "bias"):
                for which in (1, 2, 3):
                    kept[f"{ours}.{kind}"] = held.pop(f"embedding_transform_{which}.{ours}.{kind}")
                held[f"embedding_transform.{theirs}.{kind}"] = kept[f"{ours}.{kind}"].clone()

    rewrite(pair / "corrector" / "model.safetensors", older)
    corrector = load(pair).corrector
    assert corrector is not None
    for which in (1, 2, 3):
        projection = getattr(corrector, f"embedding_transform_{which}").state_dict()
        for name, value in kept.items():
            torch.testing.assert_close(projection[name], value)


def test_a_corrector_without_layer_norm_is_read(pair: Path) -> None:
    def older(held: dict[str, Tensor]) -> None:
        del held["layernorm.weight"], held["layernorm.bias"]

    rewrite(pair / "corrector" / "model.safetensors", older)
    corrector = load(pair).corrector
    assert corrector is not None
    assert isinstance(corrector.layernorm, torch.nn.Identity)


def test_shared_weights_may_stand_under_any_of_their_names(pair: Path) -> None:
    before = load(pair)
    path = pair / "base" / "model.safetensors"
    rewrite(path, lambda held: held.update({TIED[2]: held.pop(SHARED)}))
    assert_same(before.inverter, load(pair).inverter)


def test_weights_in_several_files_are_read(pair: Path) -> None:
    before = load(pair)
    folder = pair / "base"
    held = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(held)
    parts = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for part, inside in parts.items():
        save_file({name: held[name] for name in inside}, folder / part)
    where = {name: part for part, inside in parts.items() for name in inside}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert_same(before.inverter, load(pair).inverter)
    (folder / "two.safetensors").unlink()
    with pytest.raises(CorruptArtifact, match=r"two\.safetensors"):
        load(pair)


def as_bin(folder: Path, content: Any = None) -> None:
    path = folder / "model.safetensors"
    torch.save(load_file(path) if content is None else content, folder / "pytorch_model.bin")
    path.unlink()


def test_a_pickle_is_read_only_where_that_is_allowed(pair: Path) -> None:
    before = load(pair)
    as_bin(pair / "base")
    with pytest.raises(BadInput, match="--allow-bin"):
        load(pair)
    assert_same(before.inverter, load(pair, allow_bin=True).inverter)


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "sprung")


def test_code_in_a_pickle_is_not_run(pair: Path) -> None:
    as_bin(pair / "base", {"encoder_decoder.shared.weight": Trap(pair / "sprung")})
    with pytest.raises(CorruptArtifact, match=r"pytorch_model\.bin"):
        load(pair, allow_bin=True)
    assert not (pair / "sprung").exists()


def drop(held: dict[str, Tensor]) -> None:
    del held["embedding_transform.0.bias"]


def misshape(held: dict[str, Tensor]) -> None:
    held["embedding_transform.3.bias"] = torch.ones(3)


def add(held: dict[str, Tensor]) -> None:
    held["wings"] = torch.ones(3)


def flatten(held: dict[str, Tensor]) -> None:
    held["embedding_transform.0.weight"] = torch.ones(64)


def poison(held: dict[str, Tensor]) -> None:
    held[SHARED][3, 4] = float("nan")


def retype(held: dict[str, Tensor]) -> None:
    held[SHARED] = held[SHARED].long()


def untie(held: dict[str, Tensor]) -> None:
    held[TIED[2]] = 2 * held[SHARED]


def cut_off(held: dict[str, Tensor]) -> None:
    for name in [name for name in held if ".decoder.block.0." in name]:
        del held[name]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop, r"embedding_transform\.0\.bias"),
        (misshape, r"shape \(3,\)"),
        (add, "wings"),
        (flatten, r"embedding_transform\.0\.weight has 1 dimensions"),
        (poison, "shared.weight holds NaN"),
        (retype, "shared.weight holds torch.int64"),
        (untie, "lm_head.weight differs"),
        (cut_off, "0 layers of the decoder"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: Any, told: str, pair: Path) -> None:
    rewrite(pair / "base" / "model.safetensors", change)
    with pytest.raises(CorruptArtifact, match=told):
        load(pair)


def test_a_truncated_file_is_refused(pair: Path) -> None:
    path = pair / "corrector" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptArtifact, match="truncated"):
        load(pair)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"max_seq_length": 3}', "{"])
def test_a_config_of_something_else_is_refused(content: str, pair: Path) -> None:
    (pair / "base" / "config.json").write_text(content)
    with pytest.raises(CorruptArtifact):
        load(pair)


@pytest.mark.parametrize("wrong", [0, -1, "12", None, 1.5, True])
def test_a_length_that_is_none_is_refused(wrong: Any, pair: Path) -> None:
    write_settings(pair / "base", pair / "t5", max_seq_length=wrong)
    with pytest.raises(CorruptArtifact, match="max_seq_length"):
        load(pair)


def test_a_t5_that_is_not_there_is_named(pair: Path) -> None:
    write_settings(pair / "base", pair / "nothing")
    with pytest.raises(BadInput, match="nothing"):
        load(pair)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"d_model": "x"}, "damaged|built"),
        ({"d_model": -1}, "built"),
        ({"num_layers": 10**6}, "1000000"),
        ({"pad_token_id": 10**6}, "pad_token_id is 1000000"),
        ({"eos_token_id": [1, 2]}, "eos_token_id"),
        ({"decoder_start_token_id": 9}, "begin with subword 9"),
        ({"model_type": "bert"}, "only T5|damaged"),
        ({"vocab_size": 9}, "belong together|damaged"),
    ],
)
def test_a_t5_that_cannot_be_is_refused(settings: dict[str, Any], told: str, pair: Path) -> None:
    path = pair / "t5" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    with pytest.raises((BadInput, CorruptArtifact), match=told):
        load(pair)


@pytest.mark.parametrize("content", ["{}", "[" * 100_000, "x"])
def test_a_damaged_tokenizer_is_refused(content: str, pair: Path) -> None:
    (pair / "t5" / "tokenizer.json").write_text(content)
    with pytest.raises((BadInput, CorruptArtifact), match="tokenizer"):
        load(pair)


def test_a_flag_that_is_a_string_is_refused(pair: Path) -> None:
    write_settings(pair / "corrector", pair / "t5", corrector_ignore_hypothesis_embedding="false")
    with pytest.raises(CorruptArtifact, match="true or false"):
        load(pair)


def test_a_base_is_not_its_own_corrector(pair: Path) -> None:
    both = Pair(base=str(pair / "base"), corrector=str(pair / "base"))
    source = Source(offline=True, allow_bin=False)
    with pytest.raises(BadInput, match="as base model and as corrector"):
        load_pair(both, source, device="cpu", dtype=torch.float32, parity=False)


def test_a_swapped_pair_is_told_to_be_swapped(pair: Path) -> None:
    swapped = Pair(base=str(pair / "corrector"), corrector=str(pair / "base"))
    source = Source(offline=True, allow_bin=False)
    with pytest.raises(CorruptArtifact, match="swapped"):
        load_pair(swapped, source, device="cpu", dtype=torch.float32, parity=False)


@pytest.mark.parametrize("listed", [["one.bin"], [3], [], "x", None, ["../base/x.safetensors"]])
def test_an_index_of_anything_but_safetensors_beside_it_is_refused(listed: Any, pair: Path) -> None:
    folder = pair / "base"
    torch.save(load_file(folder / "model.safetensors"), folder / "one.bin")
    (folder / "model.safetensors").unlink()
    where = dict(zip("abc", listed, strict=False)) if isinstance(listed, list) else listed
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    with pytest.raises(CorruptArtifact, match="index"):
        load(pair)


def test_a_pickle_in_the_old_format_is_read_where_that_is_allowed(pair: Path) -> None:
    before = load(pair)
    folder = pair / "base"
    held = load_file(folder / "model.safetensors")
    torch.save(held, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    (folder / "model.safetensors").unlink()
    assert_same(before.inverter, load(pair, allow_bin=True).inverter)


def test_a_folder_without_weights_is_refused(pair: Path) -> None:
    (pair / "base" / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="no weights"):
        load(pair)


def test_a_pair_that_is_not_here_is_refused_offline(context: BuildContext) -> None:
    attack = Vec2Text(published="jxm/nothing-at-all", steps=0, context=context)
    space = Space(weights="", pooling="", normalize=False, max_tokens=1)
    with pytest.raises(BadInput, match="jxm/nothing-at-all"):
        attack.check_space(space)


def test_it_inverts_without_a_checkpoint(
    pair: Path, embedder: Embedder, context: BuildContext
) -> None:
    attack = Vec2Text(
        published=str(pair / "base"), corrector=str(pair / "corrector"), steps=3, context=context
    )
    oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
    guesses = attack.invert(embedder.embed(["Ann buys a door", "two maps"], "document"), oracle)
    assert len(guesses) == 2
    assert oracle.texts_asked > 0


def test_the_no_feedback_ablation_is_read_from_its_config(pair: Path) -> None:
    write_settings(pair / "corrector", pair / "t5", corrector_ignore_hypothesis_embedding=True)
    corrector = load(pair).corrector
    assert corrector is not None
    vectors, elsewhere = torch.randn(2, DIM), torch.randn(2, DIM)
    words = torch.tensor([[0, 5, 1], [0, 7, 1]])
    one, _ = corrector.encoder_inputs(vectors, elsewhere, words, None)
    other, _ = corrector.encoder_inputs(vectors, vectors, words, None)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"published": "gtr-base", "checkpoint": Path("somewhere")},
        {"corrector": "somewhere"},
        {"published": "somebody/base"},
        {"published": "gtr", "steps": 0},
        {"beam": 2, "steps": 0},
    ],
)
def test_parameters_that_contradict_each_other_are_refused(
    wrong: dict[str, Any], context: BuildContext
) -> None:
    with pytest.raises(BadParameter):
        Vec2Text(context=context, **wrong)


@pytest.mark.parametrize(
    ("published", "theirs", "ours"),
    [
        ("gtr-base", "(pooling='mean')", "(pooling='cls', weights w)"),
        ("gtr-base-st", "(pooling='mean', normalize=True)", "(pooling='cls', normalize=False, "),
        ("ada-002", "(weights='openai:text-embedding-ada-002')", "(weights='w', "),
    ],
)
def test_another_space_is_refused_before_anything_is_fetched(
    published: str, theirs: str, ours: str, context: BuildContext
) -> None:
    space = Space(weights="w", pooling="cls", dense="", normalize=False, max_tokens=9)
    with pytest.raises(SpaceMismatch) as refused:
        Vec2Text(published=published, context=context).check_space(space)
    assert theirs in str(refused.value)
    assert ours in str(refused.value)


def test_a_mistyped_pair_is_told_what_was_meant(context: BuildContext) -> None:
    with pytest.raises(BadParameter, match="did you mean 'gtr-base'"):
        Vec2Text(published="gtr-bas", context=context)


def test_the_same_remote_model_at_another_address_is_no_other_by_its_looks() -> None:
    weights = "openai:text-embedding-ada-002 at gateway.example"
    space = Space(weights=weights, pooling="remote", normalize=True, max_tokens=8191)
    refuse_by_looks("openai:text-embedding-ada-002", space, "vec2text ada-002")


def test_a_pair_of_an_unknown_embedder_is_told_to_be_unchecked(
    pair: Path, embedder: Embedder, context: BuildContext, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Vec2Text(published=str(pair / "base"), steps=0, context=context).check_space(embedder.space)
    assert "somebody/unknown" in caplog.text


def test_published_weights_need_no_checkpoint_in_a_plan(
    pair: Path, registry: Registry, context: BuildContext
) -> None:
    from v2t_bench.resolution import CheckpointFinder
    from v2t_bench.spelling import parse

    hashed: Embedder = registry.build("embedders", "hashed", context)
    finder = CheckpointFinder(
        registry=registry,
        context=context,
        embedder=hashed,
        embedder_text="hashed",
        max_tokens=32,
    )
    spelling = parse(f"vec2text:published={pair / 'base'},corrector={pair / 'corrector'}")
    resolved = finder.resolve(registry.canonical("attacks", spelling))
    assert 'published="base@' in resolved.label
    assert str(pair) not in resolved.label
    with pytest.raises(V2TError):
        finder.resolve(registry.canonical("attacks", parse("vec2text")))


FROM_HUB = """
import json, sys
from v2t_bench.contracts import BuildContext
from v2t_bench.registry import discover
from v2t_bench.threat import Oracle

registry = discover(strangers=())
context = BuildContext(build=None)
embedder = registry.build("embedders", "hashed", context)
attack = registry.build("attacks", sys.argv[1], context)
oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
print(json.dumps(attack.invert(embedder.embed(["Ann buys a door"], "document"), oracle)))
"""


def test_a_pair_is_fetched_from_a_hub_and_then_found_without_it(
    pair: Path, embedder: Embedder, context: BuildContext, tmp_path: Path
) -> None:
    hub = tmp_path / "hub"
    for name in ("t5", "base", "corrector"):
        shutil.copytree(pair / name, hub / "somebody" / name)
        if name != "t5":
            write_settings(hub / "somebody" / name, Path("somebody/t5"))
    (hub / "somebody" / "base" / "pytorch_model.bin").write_bytes(b"never fetched")
    spelling = "vec2text:published=somebody/base,corrector=somebody/corrector,steps=2"
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": os.pathsep.join([str(root / "bench"), str(root / "plugins")]),
    }
    for key in ("HF_HUB_CACHE", "HF_TOKEN", "http_proxy", "https_proxy", "all_proxy"):
        environment.pop(key, None)

    def run(**more: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", FROM_HUB, spelling],
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        guesses: list[str] = json.loads(done.stdout)
        return guesses

    with serving(hub) as (address, fetched):
        first = run(HF_ENDPOINT=address)
    assert "somebody/base/model.safetensors" in fetched
    assert not any(name.endswith(".bin") for name in fetched)
    assert run(HF_HUB_OFFLINE="1") == first
    here = Vec2Text(
        published=str(pair / "base"), corrector=str(pair / "corrector"), steps=2, context=context
    )
    oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
    assert here.invert(embedder.embed(["Ann buys a door"], "document"), oracle) == first
