"""What the training of vec2text can be told, and what it does by default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import BadParameter


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What ``context.options`` can say; all values are strings there.

    Args:
        lexical: ``ridge`` tells the networks which subwords a linear regression sees in the
            vector; ``none`` is the paper's model.
        init: ``embedder`` starts word embeddings from the attacked embedder's own vectors of
            the subwords (one question each); ``random`` is the paper trained from nothing.
        vocabulary: Subwords of a tokenizer trained here.
        pseudo_tokens: Encoder positions a vector is spread over; 16 in the paper.
        hypotheses: Training texts the corrector is shown guesses for; 0: as many as it
            can see within its steps.
        corrector_steps: Default: as many as the base model's.
        learning_rate: The peak of both; 0: by size.
    """

    lexical: str = "ridge"
    init: str = "embedder"
    vocabulary: int = 8000
    pseudo_tokens: int = 16
    hypotheses: int = 0
    corrector_steps: int = 0
    learning_rate: float = 0.0

    @classmethod
    def read(cls, context: TrainContext) -> Choices:
        """Return the options of ``context``.

        Raises:
            BadParameter: an option is unknown or cannot be read.
        """
        known = {name: type(value) for name, value in asdict(cls()).items()}
        read: dict[str, Any] = {}
        for name, value in context.options.items():
            if name not in known:
                raise BadParameter(f"vec2text has no option {name!r} (known: {', '.join(known)})")
            try:
                read[name] = known[name](value)
            except ValueError as error:
                raise BadParameter(f"vec2text: {name}={value!r} is not a number") from error
        choices = cls(**read)
        if choices.lexical not in ("ridge", "none") or choices.init not in ("embedder", "random"):
            raise BadParameter("vec2text: lexical is ridge or none, init is embedder or random")
        low = choices.hypotheses < 0 or choices.corrector_steps < 0 or choices.learning_rate < 0
        if low or choices.pseudo_tokens < 1:
            raise BadParameter("vec2text: numbers among the options must not be negative")
        return choices
