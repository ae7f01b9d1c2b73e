"""Tensors as whole numbers from -127 to 127 with one scale a row: a quarter of float32.

Of a tensor ``x`` a file then holds ``x`` as int8 and ``x.scale``, (rows,); where the last
column was kept apart also ``x.last``, (rows,). A row is what one index of the first dimension
selects; its scale is its largest absolute value divided by 127, so an entry is off by at most
half a scale.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from v2t_bench.errors import BrokenPromise, CorruptArtifact

SCALE, LAST = ".scale", ".last"
_MOST = 127
_HALF = torch.finfo(torch.float16)


def pack(tensors: Mapping[str, Tensor], last_apart: Collection[str] = ()) -> dict[str, Tensor]:
    """Return what a file holds of ``tensors``, by name.

    Tensors of one dimension or none become float16, those that are not floating point stay.

    Args:
        tensors: By name.
        last_apart: Names of matrices whose last column, a bias say, is of another magnitude
            than the others and would take their precision: it is stored unrounded.

    Raises:
        BrokenPromise: a tensor holds NaN or infinity, or two would have one name.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        parts = _packed(name, tensor.detach(), name in last_apart)
        clash = packed.keys() & parts.keys()
        if clash:
            raise BrokenPromise(f"two tensors are called {min(clash)} once rows have scales")
        packed |= parts
    return packed


def unpack(stored: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors that `pack` was given, those it rounded in float32.

    Raises:
        CorruptArtifact: rows lack their scales, or these are no finite numbers or too few.
    """
    tensors = dict(stored)
    for name, whole in stored.items():
        if whole.dtype != torch.int8:
            continue
        if not whole.ndim:
            raise CorruptArtifact(f"{path}: {name} has no rows; train again")
        rows = len(whole)
        scale = _of_rows(tensors.pop(name + SCALE, None), rows, name + SCALE, path)
        if bool((scale < 0).any()):
            raise CorruptArtifact(f"{path}: {name + SCALE} is negative; train again")
        tensor = whole.float() * scale.view(rows, *[1] * (whole.ndim - 1))
        if name + LAST in tensors:
            last = _of_rows(tensors.pop(name + LAST), rows, name + LAST, path)
            if whole.ndim != 2:
                raise CorruptArtifact(f"{path}: {name} has no columns; train again")
            tensor = torch.cat([tensor, last.unsqueeze(1)], dim=1)
        tensors[name] = tensor
    return tensors


def _packed(name: str, tensor: Tensor, last_apart: bool) -> dict[str, Tensor]:
    if not tensor.is_floating_point():
        return {name: tensor}
    if not bool(tensor.isfinite().all()):
        raise BrokenPromise(
            f"{name} holds NaN or infinity and cannot be stored as int8; the training has come "
            "apart: train again, with a lower learning rate"
        )
    if tensor.ndim < 2 or not tensor.numel():
        fits = not tensor.numel() or float(tensor.abs().max()) <= _HALF.max
        return {name: tensor.half() if fits else tensor.float()}
    parts = {}
    if last_apart and tensor.ndim == 2 and tensor.shape[1] > 1:
        parts[name + LAST] = _exact(tensor[:, -1].float())
        tensor = tensor[:, :-1]
    scale = _exact(tensor.float().flatten(1).abs().amax(dim=1) / _MOST)  # (rows,)
    # By the scale as it is stored, so that its own rounding adds nothing.
    steps = scale.float().view(len(tensor), *[1] * (tensor.ndim - 1))
    whole = (tensor.float() / steps.where(steps > 0, 1)).round().clamp(-_MOST, _MOST)
    return {name: whole.to(torch.int8), name + SCALE: scale, **parts}


def _exact(values: Tensor) -> Tensor:
    """Return ``values`` in float16 where that has full precision for all of them, else as is."""
    size = values.abs()
    kept = (size == 0) | ((size >= _HALF.smallest_normal) & (size <= _HALF.max))
    return values.half() if bool(kept.all()) else values


def _of_rows(tensor: Tensor | None, rows: int, name: str, path: Path) -> Tensor:
    """Return a number for each row in float32.

    Raises:
        CorruptArtifact: that is not what ``tensor`` is.
    """
    if tensor is None:
        raise CorruptArtifact(f"{path} lacks {name}, without which its rows mean nothing")
    if tensor.shape != (rows,) or not tensor.is_floating_point():
        raise CorruptArtifact(
            f"{path}: {name} does not hold one floating point number for each of {rows} rows; "
            "train again"
        )
    if not bool(tensor.isfinite().all()):
        raise CorruptArtifact(f"{path}: {name} holds NaN or infinity; train again")
    return tensor.float()
