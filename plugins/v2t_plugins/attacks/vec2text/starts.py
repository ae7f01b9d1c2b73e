"""First guesses that owe nothing to the vector: the initialisations of the paper's table 5."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.attacks.vec2text.networks import Networks

RANDOM = "random"
_REPEATED = re.compile(r"(.*\S)\s*\*\s*(\d{1,3})")


def starting_text(spelled: str, networks: Networks) -> Callable[[Vectors], str]:
    """Return what makes the first guess of a target, (d,).

    Args:
        spelled: ``random``: as many random subwords as the networks write, drawn from the
            target's own bytes, so neither batch nor order matters; ``word*32``: a word so
            many times; anything else: itself.
        networks: Their subwords are drawn from, and say how many.

    Raises:
        BadParameter: nothing is left to say.
    """
    if spelled == RANDOM:
        return lambda target: _random_text(target, networks)
    repeated = _REPEATED.fullmatch(spelled)
    text = " ".join([repeated[1]] * int(repeated[2])) if repeated else spelled
    if not text.strip():
        raise BadParameter(f"vec2text: start={spelled!r} is no text; give one, or random")
    return lambda target: text


def _random_text(target: Vectors, networks: Networks) -> str:
    tokenizer: Any = networks.tokenizer
    digest = hashlib.sha256(b"vec2text start " + target.tobytes()).digest()
    drawn = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
    ids = drawn.integers(0, len(tokenizer), networks.config.max_length - 1).tolist()
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()
