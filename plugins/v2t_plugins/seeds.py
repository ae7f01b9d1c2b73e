"""Randomness that depends on names and on nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch


def derive_seed(*names: object) -> int:
    """Return a seed that depends on exactly these names, from 0 to 2**63 - 1."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextlib.contextmanager
def seeded(*names: object) -> Iterator[None]:
    """Make torch's randomness depend on ``names``; every global generator is put back."""
    # Trainer seeds these two; nothing here draws from them.
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(*names))
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
