"""Reading the checkpoints that vec2text publishes: a base model and a corrector.

A folder holds ``config.json`` (a flat list of every argument of the training) and the
weights. Nothing of vec2text is needed: the T5 is built from the configuration of the model
that ``model_name_or_path`` names, and tensors are taken by their names. Morris et al. 2023;
names, shapes and older layouts as in vec2text 0.0.13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig, T5Config

from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.attacks.vec2text.model import Corrector, Inverter, Network, NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.pairs import Pair, read_settings
from v2t_plugins.hub import MODEL_FILES, locate
from v2t_plugins.networks import read_json
from v2t_plugins.subwords import load_tokenizer

# Tokens of a correction, the start token included: invert_embeddings of vec2text.api asks for
# so many, whatever the length the model was trained for.
API_LENGTH = 128
PICKLED = (*MODEL_FILES, "pytorch_model*.bin")

Load = Callable[[str], Tensor]


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
    t5, tokenizer = _t5(base, base_folder, source), _tokenizer(base, base_folder)
    weights = _Weights(base_folder, source.allow_bin)
    config = _configure(base, t5, weights)
    inverter = _fill(Inverter, config, t5, weights, _base_layout(weights))
    corrector = None
    if pair.corrector:
        corrector_folder = source.folder(pair.corrector)
        weights = _Weights(corrector_folder, source.allow_bin)
        own = read_settings(corrector_folder)
        config = _configure_corrector(config, own, weights)
        corrector = _fill(
            Corrector, config, _t5(own, corrector_folder, source), weights, _layout(weights)
        )
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


def _t5(settings: Mapping[str, Any], folder: Path, source: Source) -> T5Config:
    name = str(settings["model_name_or_path"])
    try:
        config = AutoConfig.from_pretrained(name, local_files_only=source.offline)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise BadInput(
            f"{folder.name} is built on {name!r}, whose config.json cannot be had ({first}); "
            "run once online, or change model_name_or_path in its config.json to a folder"
        ) from error
    if not isinstance(config, T5Config):
        raise BadInput(
            f"{folder.name} is built on {name!r}, a {config.model_type}; only T5 can be read"
        )
    return config


def _tokenizer(settings: Mapping[str, Any], folder: Path) -> Any:
    name = folder if (folder / "tokenizer.json").is_file() else settings["model_name_or_path"]
    return load_tokenizer(name)


def _configure(settings: Mapping[str, Any], t5: T5Config, weights: _Weights) -> NetworkConfig:
    return NetworkConfig(
        dim=weights.shape("embedding_transform.0.weight")[1],
        vocabulary_size=t5.vocab_size,
        max_length=int(settings["max_seq_length"]) - 1,  # there the start token counts
        pseudo_tokens=int(settings["num_repeat_tokens"]),
        d_model=t5.d_model,
        layers=t5.num_layers,
        heads=t5.num_heads,
        d_ff=t5.d_ff,
        dropout=t5.dropout_rate,
        start_in_guess=True,
        pad_id=_token(t5.pad_token_id, 0),
        end_id=_token(t5.eos_token_id, 1),
    )


def _token(configured: int | list[int] | None, usual: int) -> int:
    return configured if isinstance(configured, int) else usual


def _configure_corrector(
    base: NetworkConfig, settings: Mapping[str, Any], weights: _Weights
) -> NetworkConfig:
    return replace(
        base,
        layer_norm="layernorm.weight" in weights.names,
        pseudo_tokens=int(settings["num_repeat_tokens"]),
        ignore_guess_vector=bool(settings.get("corrector_ignore_hypothesis_embedding")),
    )


class _Weights:
    """The tensors of a checkpoint, read one at a time."""

    def __init__(self, folder: Path, allow_bin: bool) -> None:
        self.folder = folder
        self._files: dict[str, Load] = {}
        safe = _listed(folder, "model.safetensors")
        pickled = _listed(folder, "pytorch_model.bin")
        if not safe and not pickled:
            raise BadInput(
                f"{folder} holds no weights; expected model.safetensors, or its parts and "
                "model.safetensors.index.json"
            )
        if not safe and not allow_bin:
            raise BadInput(
                f"{folder} holds its weights only as a pickle ({pickled[0].name}); convert them "
                "to safetensors, or give --allow-bin to read tensors, and nothing else, from it"
            )
        for path in safe or pickled:
            self._files |= dict.fromkeys(*_opened(path))

    @property
    def names(self) -> frozenset[str]:
        """Return what the tensors are called."""
        return frozenset(self._files)

    def tensor(self, name: str) -> Tensor:
        """Return one tensor.

        Raises:
            CorruptArtifact: there is none of that name, or its file is damaged.
        """
        if name not in self._files:
            raise CorruptArtifact(
                f"{self.folder} does not hold the tensor {name}; it is no such checkpoint of "
                "vec2text, or damaged"
            )
        return self._files[name](name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one tensor."""
        return tuple(self.tensor(name).shape)


def _listed(folder: Path, name: str) -> list[Path]:
    """Return the file of that name, or the files that its index lists."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    parts = sorted(set(read_json(index).get("weight_map", {}).values()))
    for part in parts:
        if "/" in part or not (folder / part).is_file():
            raise CorruptArtifact(f"{index} lists {part}, which is not there; fetch it again")
    return [folder / part for part in parts]


def _opened(path: Path) -> tuple[list[str], Load]:
    """Return the names of the tensors in a file, and what reads one."""
    damaged = CorruptArtifact(f"{path} is damaged or truncated; fetch it again")
    if path.suffix == ".bin":
        try:
            held: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # a damaged or hostile pickle raises anything
            raise damaged from error
        if not isinstance(held, dict) or not all(isinstance(v, Tensor) for v in held.values()):
            raise CorruptArtifact(f"{path} holds more than named tensors; it is not read")
        return list(held), held.__getitem__
    try:
        opened: Any = safe_open(str(path), framework="pt")
        return list(opened.keys()), opened.get_tensor
    except (OSError, SafetensorError, ValueError) as error:
        raise damaged from error


def _base_layout(weights: _Weights) -> dict[str, str]:
    """Return the name in the file for each name of a network that is called otherwise there."""
    if "embedding_transform.2.weight" in weights.names:  # before dropout stood between
        return {f"embedding_transform.3.{kind}": f"embedding_transform.2.{kind}" for kind in _KINDS}
    return {}


_KINDS = ("weight", "bias")


def _layout(weights: _Weights) -> dict[str, str]:
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


def _fill(
    kind: type[Network],
    config: NetworkConfig,
    t5: T5Config,
    weights: _Weights,
    layout: dict[str, str],
) -> Any:
    """Return a network with the weights of a checkpoint; each must fit, none may be left over."""
    # Built without memory, since every weight is replaced.
    with torch.device("meta"):
        network = kind(config, t5)
    shared = "encoder_decoder.shared.weight"
    aliases = dict.fromkeys(
        ("encoder_decoder.encoder.embed_tokens.weight",
         "encoder_decoder.decoder.embed_tokens.weight",
         "encoder_decoder.lm_head.weight"), shared)  # fmt: skip
    state: dict[str, Tensor] = {}
    for name, empty in network.state_dict().items():
        if name in aliases:
            continue
        tensor = weights.tensor(_present(layout.get(name, name), aliases, weights))
        if tensor.shape != empty.shape:
            raise CorruptArtifact(
                f"{weights.folder}: {name} has shape {tuple(tensor.shape)}; its configuration "
                f"wants {tuple(empty.shape)}"
            )
        state[name] = tensor.float()
    _refuse_left_over(weights, {layout.get(name, name) for name in state} | set(aliases))
    network.load_state_dict(state, strict=False, assign=True)
    network.encoder_decoder.tie_weights()
    return network


def _present(name: str, aliases: Mapping[str, str], weights: _Weights) -> str:
    """Return ``name``, or one of its aliases: a file may hold shared weights under any."""
    if name in weights.names:
        return name
    same = [alias for alias, of in aliases.items() if of == name and alias in weights.names]
    return same[0] if same else name


def _refuse_left_over(weights: _Weights, used: set[str]) -> None:
    # The embedder lies in the file of the base model, and is got elsewhere.
    strange = [n for n in weights.names if n not in used and not n.startswith("embedder.")]
    if strange:
        raise CorruptArtifact(
            f"{weights.folder} holds tensors that no network of vec2text has: "
            f"{', '.join(sorted(strange)[:3])}"
        )
