"""The weights of a published checkpoint: safetensors, or a pickle where that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from v2t_bench.errors import BadInput, CorruptArtifact

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Load = Callable[[str], Tensor]


class StoredWeights:
    """The tensors in the files of a folder, read one at a time.

    Args:
        folder: Where ``model.safetensors`` is, or its parts and their index.
        allow_bin: Whether ``pytorch_model.bin`` may be read: tensors, nothing else.

    Raises:
        BadInput: there are no weights, or only ones that may not be read.
        CorruptArtifact: a file is damaged, or missing from those that are listed.
    """

    def __init__(self, folder: Path, allow_bin: bool) -> None:
        self.folder = folder
        self._files: dict[str, Load] = {}
        safe, pickled = _listed(folder, SAFE), _listed(folder, PICKLED)
        if not safe and not pickled:
            raise BadInput(
                f"{folder} holds no weights; expected {SAFE}, or its parts and {SAFE}.index.json"
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
        """Return one tensor in float32.

        Raises:
            CorruptArtifact: there is none of that name, or it is not of finite numbers.
        """
        if name not in self._files:
            raise CorruptArtifact(
                f"{self.folder} does not hold the tensor {name}; the checkpoint is damaged, or "
                "none of vec2text, or base and corrector are swapped"
            )
        tensor = self._files[name](name)
        if tensor.dtype not in _FLOATS or not bool(tensor.isfinite().all()):
            what = tensor.dtype if tensor.dtype not in _FLOATS else "NaN or infinity"
            raise CorruptArtifact(
                f"{self.folder}: {name} holds {what}; expected finite floating point numbers; "
                "fetch the checkpoint again"
            )
        return tensor.float()


def _listed(folder: Path, name: str) -> list[Path]:
    """Return the file of that name, or the files that its index lists."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    parts = _parts(index)
    for part in parts:
        # Of the same kind as the whole, so that no pickle comes in as a part of safetensors.
        if Path(part).name != part or not part.endswith(Path(name).suffix):
            raise CorruptArtifact(
                f"{index} lists {part!r}; expected names of {Path(name).suffix} files beside it"
            )
        if not (folder / part).is_file():
            raise CorruptArtifact(f"{index} lists {part}, which is not there; fetch it again")
    return [folder / part for part in parts]


def _parts(index: Path) -> list[str]:
    import json

    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        parts = sorted(set(listed))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        parts = []
    if not parts or not all(isinstance(part, str) for part in parts):
        raise CorruptArtifact(f"{index} does not say which file holds each tensor; fetch it again")
    return parts


def _opened(path: Path) -> tuple[list[str], Load]:
    """Return the names of the tensors in a file, and what reads one."""
    if path.suffix == ".bin":
        held = _unpickled(path)
        if not isinstance(held, dict) or not all(isinstance(v, Tensor) for v in held.values()):
            raise CorruptArtifact(f"{path} holds more than named tensors; it is not read")
        return list(held), held.__getitem__
    try:
        opened: Any = safe_open(str(path), framework="pt")
        return list(opened.keys()), opened.get_tensor
    except (OSError, SafetensorError, ValueError) as error:
        raise CorruptArtifact(f"{path} is damaged or truncated; fetch it again") from error


def _unpickled(path: Path) -> Any:
    """Return what the file holds, if it is nothing that could run."""
    problem: Exception | None = None
    for mapped in (True, False):  # files of before 2020 cannot be mapped into memory
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except Exception as error:  # a damaged or hostile pickle raises anything
            problem = error
    raise CorruptArtifact(
        f"{path} is refused: it is damaged, or holds something else than tensors; fetch it again, "
        "or convert it to safetensors"
    ) from problem
