"""A tokenizer that says where every token stands and leaves nothing of a text out."""

from __future__ import annotations

from collections.abc import Sequence
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


def spans_of(whole: Any, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Return the (start, end) characters of each text's tokens, uncut, none overlapping.

    Args:
        whole: What `whole_tokenizer` returned.
        texts: The texts.
    """
    encodings = whole.encode_batch(list(texts), add_special_tokens=False)
    return [_apart(encoding.offsets) for encoding in encodings]


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans of which none reaches into the next; equal ones, of one character, may stay.

    The mark for the start of a word, where it is a token of its own, is said to cover the
    word's first character, as the next token is; it covers none.
    """
    apart = list(spans)
    for at in reversed(range(len(apart) - 1)):
        (start, end), following = apart[at], apart[at + 1]
        if apart[at] != following and end > following[0]:
            apart[at] = (start, max(start, following[0]))
    return apart
