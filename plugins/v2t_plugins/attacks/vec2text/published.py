"""Reading the checkpoints that vec2text publishes: a base model and a corrector.

A folder holds ``config.json`` (a flat list of every argument of the training) and the
weights. Nothing of vec2text is needed: the T5 is built from the configuration of the model
that ``model_name_or_path`` names, and tensors are taken by their names. Morris et al. 2023;
names, shapes and older layouts as in vec2text 0.0.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import T5Config

from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.attacks.vec2text.built_on import t5_of, tokenizer_of
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter, Network, NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.pairs import Pair, read_settings
from v2t_plugins.attacks.vec2text.stored import StoredWeights
from v2t_plugins.hub import MODEL_FILES, locate
from v2t_plugins.one_line import one_line

# Tokens of a correction, the start token included: invert_embeddings of vec2text.api asks for
# so many, whatever the length the model was trained for.
API_LENGTH = 128
PICKLED = (*MODEL_FILES, "pytorch_model*.bin")


@dataclass(frozen=True, kw_only=True)
class Source:
    """How files are got: as `v2t_bench.contracts.BuildContext` says."""

    offline: bool
    allow_bin: bool

    def folder(self, name: str) -> Path:
        """Return the folder of a checkpoint, fetched if it must be."""
        wanted = PICKLED if self.allow_bin else MODEL_FILES
        return locate(name, who="vec2text", offline=self.offline, wanted=wanted)


def load_pair(
    pair: Pair, source: Source, *, device: str, dtype: torch.dtype, parity: bool
) -> Networks:
    """Return the networks of a published pair.

    Args:
        pair: Which two checkpoints.
        source: How their files are got.
        device: As torch spells it.
        dtype: Of the computation, whatever the files hold.
        parity: Whether corrections may be as long as vec2text lets them be.

    Raises:
        BadInput: a checkpoint, its T5 or its tokenizer cannot be found, or its weights are
            pickled and that is not allowed.
        CorruptArtifact: a tensor is missing, unknown, damaged or misshapen.
    """
    base_folder = source.folder(pair.base)
    base = read_settings(base_folder)
    t5 = t5_of(base, base_folder, offline=source.offline)
    tokenizer = tokenizer_of(base, base_folder, t5)
    weights = StoredWeights(base_folder, source.allow_bin)
    config = _configure(base, t5, weights)
    inverter = _fill(Inverter, config, t5, weights, _base_layout(weights))
    corrector = None
    if pair.corrector:
        corrector_folder = source.folder(pair.corrector)
        if corrector_folder.resolve() == base_folder.resolve():
            raise BadInput(
                f"{pair.corrector} is given as base model and as corrector; name the corrector of "
                "the pair, or leave it out and give steps=0"
            )
        weights = StoredWeights(corrector_folder, source.allow_bin)
        own = read_settings(corrector_folder)
        own_t5 = t5_of(own, corrector_folder, offline=source.offline)
        if own_t5.vocab_size != t5.vocab_size:
            raise BadInput(
                f"{base_folder.name} writes {t5.vocab_size} subwords and {corrector_folder.name} "
                f"reads {own_t5.vocab_size}; they do not belong together"
            )
        config = _configure_corrector(config, own, weights)
        corrector = _fill(Corrector, config, own_t5, weights, _layout(weights))
        corrector = corrector.to(device, dtype).eval()
    return Networks(
        inverter=inverter.to(device, dtype).eval(),
        corrector=corrector,
        tokenizer=tokenizer,
        device=device,
        as_generated=True,
        longest_correction=API_LENGTH - 1 if parity else None,
        guess_tokens=int(base["max_seq_length"]),
    )


def _configure(settings: Mapping[str, Any], t5: T5Config, weights: StoredWeights) -> NetworkConfig:
    return NetworkConfig(
        dim=_dim(weights),
        vocabulary_size=t5.vocab_size,
        max_length=int(settings["max_seq_length"]) - 1,  # there the start token counts
        pseudo_tokens=int(settings["num_repeat_tokens"]),
        d_model=t5.d_model,
        layers=t5.num_layers,
        heads=t5.num_heads,
        d_ff=t5.d_ff,
        dropout=t5.dropout_rate,
        start_in_guess=True,
        pad_id=_as_int(t5.pad_token_id),
        end_id=_as_int(t5.eos_token_id),
    )


def _as_int(value: Any) -> int:
    return int(value)  # `t5_of` has seen to it


def _dim(weights: StoredWeights) -> int:
    shape = weights.tensor("embedding_transform.0.weight").shape
    if len(shape) != 2:
        raise CorruptArtifact(
            f"{weights.folder}: embedding_transform.0.weight has {len(shape)} dimensions; expected "
            "2; fetch the checkpoint again"
        )
    return int(shape[1])


def _configure_corrector(
    base: NetworkConfig, settings: Mapping[str, Any], weights: StoredWeights
) -> NetworkConfig:
    return replace(
        base,
        layer_norm="layernorm.weight" in weights.names,
        pseudo_tokens=int(settings["num_repeat_tokens"]),
        ignore_guess_vector=_flag(settings, "corrector_ignore_hypothesis_embedding", weights),
    )


def _base_layout(weights: StoredWeights) -> dict[str, str]:
    """Return the name in the file for each name of a network that is called otherwise there."""
    if "embedding_transform.2.weight" in weights.names:  # before dropout stood between
        return {f"embedding_transform.3.{kind}": f"embedding_transform.2.{kind}" for kind in _KINDS}
    return {}


_KINDS = ("weight", "bias")


def _layout(weights: StoredWeights) -> dict[str, str]:
    if "embedding_transform.0.weight" not in weights.names:
        return {}
    # The oldest correctors read all three vectors through one projection.
    last = 2 if "embedding_transform.2.weight" in weights.names else 3
    return {
        f"embedding_transform_{which}.{ours}.{kind}": f"embedding_transform.{theirs}.{kind}"
        for which in (1, 2, 3)
        for ours, theirs in ((0, 0), (3, last))
        for kind in _KINDS
    }


def _flag(settings: Mapping[str, Any], name: str, weights: StoredWeights) -> bool:
    value = settings.get(name, False)
    if not isinstance(value, bool):
        raise CorruptArtifact(
            f"{weights.folder}/config.json: {name} is {value!r}; expected true or false"
        )
    return value


def _fill(
    kind: type[Network],
    config: NetworkConfig,
    t5: T5Config,
    weights: StoredWeights,
    layout: Mapping[str, str],
) -> Any:
    """Return a network with the weights of a checkpoint; each must fit, none may be left over."""
    network = _empty(kind, config, t5, weights)
    state: dict[str, Tensor] = {}
    for name, empty in network.state_dict().items():
        if name in _TIED:
            continue
        tensor = weights.tensor(_present(layout.get(name, name), weights))
        if tensor.shape != empty.shape:
            raise CorruptArtifact(
                f"{weights.folder}: {name} has shape {tuple(tensor.shape)}; its configuration "
                f"wants {tuple(empty.shape)}; fetch the checkpoint again"
            )
        state[name] = tensor
    for alias in sorted(_TIED & weights.names):
        if not torch.equal(weights.tensor(alias), state[_SHARED]):
            raise CorruptArtifact(
                f"{weights.folder}: {alias} differs from {_SHARED}; only a T5 that shares its word "
                "embeddings can be read"
            )
    _refuse_left_over(weights, {layout.get(name, name) for name in state} | _TIED)
    network.load_state_dict(state, strict=False, assign=True)
    network.encoder_decoder.tie_weights()
    return network


def _empty(
    kind: type[Network], config: NetworkConfig, t5: T5Config, weights: StoredWeights
) -> Network:
    """Return a network without memory, since every weight is replaced."""
    # First of all, since a wrong number may be too large to build.
    for stack, layers in (("encoder", t5.num_layers), ("decoder", t5.num_decoder_layers)):
        there = {n.split(".")[3] for n in weights.names if f"_decoder.{stack}.block." in n}
        if len(there) != layers:
            raise CorruptArtifact(
                f"{weights.folder} holds {len(there)} layers of the {stack}; its T5 has {layers}; "
                "the checkpoint is damaged, or of another T5, or base and corrector are swapped"
            )
    try:
        with torch.device("meta"):
            return kind(config, t5)
    except Exception as error:  # sizes that cannot be make torch raise anything
        raise CorruptArtifact(
            f"the T5 of {weights.folder} cannot be built ({one_line(error)}); fetch its "
            "config.json again"
        ) from error


_SHARED = "encoder_decoder.shared.weight"
_TIED = frozenset(
    {
        "encoder_decoder.encoder.embed_tokens.weight",
        "encoder_decoder.decoder.embed_tokens.weight",
        "encoder_decoder.lm_head.weight",
    }
)


def _present(name: str, weights: StoredWeights) -> str:
    """Return ``name``, or another of a shared tensor: a file may hold it under any."""
    if name == _SHARED and name not in weights.names:
        return next(iter(sorted(_TIED & weights.names)), name)
    return name


def _refuse_left_over(weights: StoredWeights, used: set[str]) -> None:
    # The embedder lies in the file of the base model, and is got elsewhere.
    strange = [n for n in weights.names if n not in used and not n.startswith("embedder.")]
    if strange:
        raise CorruptArtifact(
            f"{weights.folder} holds tensors that no such network of vec2text has: "
            f"{', '.join(sorted(strange)[:3])}; are base and corrector swapped?"
        )
