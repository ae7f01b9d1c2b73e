"""Which precision is faster on a device."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["auto", "bf16", "float32"]


def has_fast_bfloat16(device: str) -> bool:
    """Return whether ``device`` multiplies in bfloat16 faster than in float32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.startswith("cpu") and bool(torch.cpu._is_avx512_bf16_supported())


def autocast(device: str) -> torch.autocast:
    """Return the precision networks run in on ``device``: bfloat16 where that is faster."""
    kind = device.split(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=has_fast_bfloat16(device))
