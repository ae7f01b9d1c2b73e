"""Where a run happened: device, versions, folders. Recorded, never part of an identity."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from v2t_bench.errors import BadParameter

CACHE_VARIABLE = "V2T_BENCH_CACHE"
DATA_VARIABLE = "V2T_BENCH_DATA_DIR"

_RECORDED = (
    "v2t-bench", "torch", "transformers", "sentence-transformers", "tokenizers", "accelerate",
    "numpy", "pandas", "pyarrow", "scipy", "sacrebleu", "nltk", "pytrec-eval-terrier",
)  # fmt: skip


def cache_folder() -> Path:
    """Return where vectors and trained attacks are kept; ``V2T_BENCH_CACHE`` overrides it."""
    override = os.environ.get(CACHE_VARIABLE)
    if override:
        return Path(override).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("v2t-bench")


def data_folder() -> Path:
    """Return where collections are kept; ``V2T_BENCH_DATA_DIR`` overrides it."""
    override = os.environ.get(DATA_VARIABLE)
    return Path(override).expanduser() if override else cache_folder() / "data"


def resolve_device(wanted: str) -> str:
    """Return the device to use for ``auto``, ``cpu``, ``cuda``, ``cuda:<n>`` or ``mps``.

    Raises:
        BadParameter: no such device, or not on this machine.
    """
    if wanted == "cpu":
        return wanted
    if wanted not in ("auto", "mps") and not re.fullmatch(r"cuda(:\d+)?", wanted):
        raise BadParameter(
            f"no device is called {wanted!r}; expected auto, cpu, cuda, cuda:<number> or mps"
        )
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if wanted == "mps" and not mps:
        raise BadParameter("device 'mps' is not available on this machine; use --device cpu")
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        if number >= cuda:
            raise BadParameter(
                f"device {wanted!r} is not available: torch sees {cuda} CUDA devices; "
                "use --device cpu"
            )
    return wanted


def has_fast_bfloat16(device: str) -> bool:
    """Return whether ``device`` multiplies in bfloat16 faster than in float32."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def describe(device: str) -> dict[str, Any]:
    """Return versions and hardware as results record them."""
    versions = {}
    for name in _RECORDED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": device,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "cores": os.cpu_count(),
        "versions": versions,
    }
