"""Storing a network as safetensors and JSON, never as pickle, and reading it back with care."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from v2t_bench.errors import BadParameter, BrokenPromise, CorruptArtifact
from v2t_plugins.int8 import pack, unpack

Weights: TypeAlias = Literal["fp16", "int8"]


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` so that a kill leaves the old file or the new one, never half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object stored in ``path``.

    Raises:
        CorruptArtifact: the file is missing, is not JSON, or holds no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
    if not isinstance(content, dict):
        raise CorruptArtifact(f"{path} does not hold a JSON object; train again")
    return content


def save_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    *,
    weights: Weights | None = None,
    last_apart: Collection[str] = (),
) -> None:
    """Write named tensors as safetensors, in the order of their names, atomically.

    Args:
        path: The file.
        tensors: By name; none of int8, which in a file means rows that have scales.
        weights: What floating point numbers become: ``fp16``, or ``int8`` with a scale a row
            (see `int8.pack`); None: they stay as they are.
        last_apart: Matrices whose last column is not to share the scale of its row.

    Raises:
        BrokenPromise: a tensor is of int8, or cannot be stored so.
    """
    whole = [name for name in sorted(tensors) if tensors[name].dtype == torch.int8]
    if whole:
        raise BrokenPromise(f"{whole[0]} is of int8, which is read as rows with scales")
    if weights == "int8":
        tensors = pack(tensors, last_apart)
    elif weights == "fp16":
        tensors = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
    partial = path.with_name(path.name + ".partial")
    ready = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    save_file(ready, str(partial))
    partial.replace(path)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors stored in ``path``; rows of int8 come back in float32.

    Raises:
        CorruptArtifact: the file is missing, truncated or not safetensors, its rows of int8
            do not have their scales, or a number is not finite.
    """
    try:
        stored = load_file(str(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
    tensors = unpack(stored, path)
    for name in not_finite(tensors):
        raise CorruptArtifact(f"{path}: {name} holds NaN or infinity; train again")
    return tensors


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the names of the tensors that hold NaN or infinity."""
    return [name for name in sorted(tensors) if not bool(tensors[name].isfinite().all())]


def save_network(path: Path, network: torch.nn.Module, *, weights: Weights | None = None) -> None:
    """Write the weights of ``network`` as safetensors; tensors it shares are written once.

    ``weights`` as in `save_tensors`; the network itself stays as it is.

    Raises:
        BadParameter: the training has diverged.
    """
    state = network.state_dict()
    for name in not_finite(state):
        raise BadParameter(
            f"the training has diverged, {name} holds NaN or infinity; give a smaller learning_rate"
        )
    seen: set[tuple[int, torch.Size]] = set()
    unique: dict[str, torch.Tensor] = {}
    for name in sorted(state):
        place = (state[name].data_ptr(), state[name].shape)
        if place not in seen or state[name].numel() == 0:
            unique[name] = state[name]
        seen.add(place)
    save_tensors(path, unique, weights=weights)


def load_network(path: Path, network: torch.nn.Module) -> None:
    """Fill ``network`` in place with the weights `save_network` wrote; shared ones included.

    How they were stored is seen from the file.

    Raises:
        CorruptArtifact: the file is truncated, or holds other tensors than the network's.
    """
    tensors = load_tensors(path)
    state = network.state_dict()
    stored = {state[name].data_ptr() for name in tensors if name in state}
    missing = [name for name in state if state[name].data_ptr() not in stored]
    strange = [name for name in tensors if name not in state]
    wrong = [name for name in tensors if name in state and tensors[name].shape != state[name].shape]
    for kind, names in (("lacks", missing), ("has unknown", strange), ("has misshapen", wrong)):
        if names:
            raise CorruptArtifact(
                f"{path} does not fit its configuration: it {kind} {names[0]}"
                f"{f' and {len(names) - 1} more' if len(names) > 1 else ''}; train again"
            )
    network.load_state_dict(tensors, strict=False)
