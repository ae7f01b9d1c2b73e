"""Storing a network as safetensors and JSON, never as pickle, and reading it back with care."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from v2t_bench.errors import CorruptArtifact


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


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write named tensors as safetensors, in the order of their names, atomically."""
    partial = path.with_name(path.name + ".partial")
    ready = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    save_file(ready, str(partial))
    partial.replace(path)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors stored in ``path``.

    Raises:
        CorruptArtifact: the file is missing, truncated or not safetensors.
    """
    try:
        return load_file(str(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error


def save_network(path: Path, network: torch.nn.Module) -> None:
    """Write the weights of ``network`` as safetensors; tensors it shares are written once."""
    state = network.state_dict()
    seen: set[tuple[int, torch.Size]] = set()
    unique: dict[str, torch.Tensor] = {}
    for name in sorted(state):
        place = (state[name].data_ptr(), state[name].shape)
        if place not in seen or state[name].numel() == 0:
            unique[name] = state[name]
        seen.add(place)
    save_tensors(path, unique)


def load_network(path: Path, network: torch.nn.Module) -> None:
    """Fill ``network`` in place with the weights `save_network` wrote; shared ones included.

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
