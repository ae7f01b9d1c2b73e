"""A tokenizer that says where every token stands and leaves nothing of a text out."""

from __future__ import annotations

from typing import Any

from v2t_bench.errors import BadInput


def whole_tokenizer(tokenizer: Any, *, who: str) -> Any:
    """Return a copy of a model's tokenizer that neither cuts nor pads; the model keeps its own.

    Raises:
        BadInput: it does not say which characters a token covers.
    """
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, Tokenizer):
        raise BadInput(
            f"{who}: {type(tokenizer).__name__} does not say which characters a token covers; "
            "expected a fast tokenizer (tokenizer.json) in the model folder"
        )
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
