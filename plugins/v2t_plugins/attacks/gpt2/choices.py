"""What the training of gpt2 can be told, and what it does by default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import BadParameter
from v2t_plugins.attacks.options import check_accumulate, read_options
from v2t_plugins.networks import Weights
from v2t_plugins.training import Precision

_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "precision": get_args(Precision),
    "store": get_args(Weights),
}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What ``context.options`` can say; all values are strings there.

    Args:
        lm: Hub id or folder of a causal language model that is trained on, such as ``gpt2`` or
            ``microsoft/DialoGPT-medium``; not given: one of the context's size, from nothing.
        vocabulary: Subwords of a tokenizer trained here.
        learning_rate: The peak; 0: by size.
        smoothing: Share of each label that is spread over all subwords; 0.02 in the paper's
            code.
        accumulate: Slices that the examples of a step are computed in, one after another:
            memory for fewer, the same result.
        precision: ``bf16``, ``float32``, or ``auto``: what is faster on the device.
        store: What the trained weights are stored as: ``fp16``, or ``int8`` with a scale a
            row, which is half the size.
    """

    lm: str = ""
    vocabulary: int = 8000
    learning_rate: float = 0.0
    smoothing: float = 0.0
    accumulate: int = 1
    precision: Precision = "auto"
    store: Weights = "fp16"

    @classmethod
    def read(cls, context: TrainContext) -> Choices:
        """Return the options of ``context``.

        Raises:
            BadParameter: an option is unknown, cannot be read, or is out of range.
        """
        choices = read_options(cls(), context.options, attack="gpt2", one_of=_ONE_OF)
        check_accumulate(choices.accumulate, "gpt2")
        rate = choices.learning_rate
        if not (math.isfinite(rate) and rate >= 0):
            raise BadParameter(
                f"gpt2: learning_rate is {rate:g}; expected a number above 0, or 0 for the usual "
                "one"
            )
        if not 0 <= choices.smoothing < 1:
            raise BadParameter(
                f"gpt2: smoothing is {choices.smoothing:g}; expected a share from 0 to below 1"
            )
        if not context.options.get("lm", "a").strip():  # such as of a variable that is not set
            raise BadParameter("gpt2: lm is empty; give a folder or a Hub id, or leave it out")
        if choices.lm and context.tokenizer is not None:
            raise BadParameter(
                "gpt2: a language model that is trained on keeps its own subwords; leave "
                "--tokenizer out"
            )
        return choices
