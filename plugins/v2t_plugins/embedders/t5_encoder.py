"""The encoder of a T5, from safetensors: out of a model of its own or out of a larger file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.one_line import one_line

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5EncoderModel

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

# The decoder's half of a whole T5.
OTHER_PARTS = ("decoder.", "lm_head.")


def read_encoder(folder: Path, *, prefix: str = "") -> dict[str, Tensor]:
    """Return the encoder's tensors in float32, by their names inside transformers' T5Stack.

    Understood are the names of T5Stack (``block.0...``), of T5EncoderModel and of a whole T5
    (``shared.weight``, ``encoder.block.0...``); decoder and output layer are left out.

    Args:
        folder: Holds model.safetensors, or its parts and their index.
        prefix: What stands before every name; tensors without it are not read.

    Raises:
        BadInput: there is no such file.
        CorruptArtifact: a file is damaged or missing.
    """
    encoder: dict[str, Tensor] = {}
    shared: Tensor | None = None
    for file in _files(folder):
        with _opened(file) as stored:
            for key in stored.keys():  # noqa: SIM118  it is no mapping
                name = key.removeprefix(prefix)
                if not key.startswith(prefix) or name.startswith(OTHER_PARTS):
                    continue
                tensor = stored.get_tensor(key).float()
                if name == "shared.weight":
                    shared = tensor
                else:
                    encoder[name.removeprefix("encoder.")] = tensor
    # One table of words with two names; a file may hold either or both.
    if shared is not None:
        encoder.setdefault("embed_tokens.weight", shared)
    return encoder


def stored_names(folder: Path) -> list[str]:
    """Return the names of all tensors stored in ``folder``; reads no tensor.

    Raises:
        BadInput, CorruptArtifact: as `read_encoder`.
    """
    names: list[str] = []
    for file in _files(folder):
        with _opened(file) as stored:
            names += stored.keys()
    return names


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a safetensors file; what goes wrong while it is read is told in one line."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stored:
            yield stored
    except (SafetensorError, OSError) as error:
        raise CorruptArtifact(
            f"{file.parent.name}/{file.name} is damaged ({one_line(error)}); fetch it again"
        ) from error


def _files(folder: Path) -> list[Path]:
    """Return the files the weights are in, sorted; each exists."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.is_file():
        raise BadInput(
            f"{folder.name} holds neither {SINGLE} nor {INDEX}; expected the weights of a T5 as "
            "safetensors; fetch the model again, or convert it"
        )
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        files = [folder / Path(name).name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifact(
            f"{folder.name}/{INDEX} is damaged ({type(error).__name__}: {one_line(error)}); fetch "
            "it again"
        ) from error
    for file in files:
        if not file.is_file():
            raise CorruptArtifact(
                f"{folder.name} lacks {file.name}, which {INDEX} names; fetch the model again"
            )
    return files


def build_encoder(tensors: Mapping[str, Tensor], config: Any, *, who: str) -> T5EncoderModel:
    """Return the model made of `read_encoder`'s tensors, in evaluation mode.

    Args:
        tensors: The tensors.
        config: A transformers T5Config.
        who: Where the tensors are from; errors begin with it.

    Raises:
        CorruptArtifact: a tensor is missing, is too many or has another shape.
    """
    import torch
    from transformers import T5EncoderModel

    # On the meta device nothing is allocated or drawn: every tensor is given below.
    with torch.device("meta"):
        model = T5EncoderModel(config)
    problem = next(_misfits(model.encoder.state_dict(), tensors), None)
    if problem is not None:
        raise CorruptArtifact(f"{who}: {problem}; fetch it again, or name the model it belongs to")
    state = {f"encoder.{name}": tensor for name, tensor in tensors.items()}
    state["shared.weight"] = tensors["embed_tokens.weight"]
    model.load_state_dict(state, strict=True, assign=True)
    model.train(False)
    return model


def _misfits(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield what keeps the tensors that are there from being the ones that are wanted."""
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        yield f"{len(missing)} of the encoder's {len(wanted)} tensors are missing ({missing[0]})"
    extra = sorted(found.keys() - wanted.keys())
    if extra:
        yield f"{len(extra)} tensors belong to no encoder of this configuration ({extra[0]})"
    for name in sorted(wanted.keys() & found.keys()):
        have, want = tuple(found[name].shape), tuple(wanted[name].shape)
        if have != want:
            yield f"{name} has shape {have}; expected {want}"


def encoder_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of the encoder, the same whatever file it is stored in.

    Hashed are, for each tensor in the order of its name, the line ``<name> <shape>`` (sizes
    joined by ``x``) and its numbers as little-endian float32. So a copy in half precision
    and one that was widened to float32 are the same, and so are a model and the embedder
    that a Vec2Text checkpoint carries.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {'x'.join(map(str, tensor.shape))}\n".encode())
        digest.update(tensor.contiguous().numpy().astype("<f4", copy=False).data)
    return digest.hexdigest()
