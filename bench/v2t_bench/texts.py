"""Cut texts to the tokens an embedder keeps.

A text is cut at a character offset and never decoded from token ids, so what is left is
a piece of the original, in its own spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from v2t_bench.contracts import Embedder
from v2t_bench.errors import BadParameter

Spans: TypeAlias = list[tuple[int, int]]

BATCH = 1024
"""Texts tokenised at a time: their spans are Python objects, some 100 bytes a token."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Texts of at most so many tokens, and how many of them were longer."""

    texts: list[str]
    n_cut: int


def cut(embedder: Embedder, texts: Sequence[str], max_tokens: int) -> Cut:
    """Return each text up to the end of its last kept token; one that fits is unchanged.

    Each has at most ``max_tokens`` tokens when tokenised again, special ones included:
    where the start of a word has more tokens alone than inside the whole word, further
    tokens are given up. So cutting a cut text changes nothing.

    Raises:
        BadParameter: ``max_tokens`` leaves no room for a token, or is more than the
            embedder reads.
    """
    budget = _budget(embedder, max_tokens)
    kept: list[str] = []
    for batch in batches(texts):
        kept += _fitting(embedder, batch, embedder.token_spans(batch), budget)
    n_cut = sum(text != left for text, left in zip(texts, kept, strict=True))
    return Cut(texts=kept, n_cut=n_cut)


def chunks(embedder: Embedder, texts: Sequence[str], max_tokens: int) -> list[list[str]]:
    """Return each text as consecutive pieces of at most ``max_tokens`` tokens.

    White space before a piece is dropped; the first piece is otherwise what `cut` keeps.
    Together the pieces hold every other character in order, and none is blank, so a blank
    text has no pieces.

    Raises:
        BadParameter: as for `cut`.
    """
    budget = _budget(embedder, max_tokens)
    found: list[list[str]] = []
    for batch in batches(texts):
        found += _split(embedder, batch, budget)
    return found


def _budget(embedder: Embedder, max_tokens: int) -> int:
    """Return how many tokens of its own a text may have."""
    space, special = embedder.space, embedder.special_tokens
    prompts = [prompt for prompt in (space.query_prompt, space.document_prompt) if prompt]
    prompt = max(map(len, embedder.token_spans(prompts)), default=0)
    if max_tokens <= special:
        raise BadParameter(
            f"max_tokens={max_tokens} leaves no room for text: this embedder puts {special} "
            f"special tokens around each; give {special + 1} or more"
        )
    if max_tokens > space.max_tokens - prompt:
        taken = f", {prompt} of them its prompt" if prompt else ""
        raise BadParameter(
            f"max_tokens={max_tokens} is more than this embedder reads ({space.max_tokens} "
            f"tokens{taken}); give {space.max_tokens - prompt} or less"
        )
    return max_tokens - special


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the texts in order, `BATCH` at a time."""
    rest = iter(texts)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _fitting(
    embedder: Embedder, texts: Sequence[str], spans: Sequence[Spans], budget: int
) -> list[str]:
    """Return the longest start of each text that is found to have ``budget`` tokens or less.

    ``spans`` are those of ``texts``.
    """
    kept = list(texts)
    left = {index: found for index, found in enumerate(spans) if len(found) > budget}
    while left:
        for index, found in left.items():
            kept[index] = _shortened(kept[index], found[:budget])
            if not kept[index].strip():
                raise BadParameter(
                    f"max_tokens leaves {budget} tokens for text, but the first character of "
                    f"{texts[index][:20]!r} has more; give a higher max_tokens"
                )
        again = embedder.token_spans([kept[index] for index in left])
        left = {
            index: found for index, found in zip(left, again, strict=True) if len(found) > budget
        }
    return kept


def _shortened(text: str, kept: Spans) -> str:
    """Return ``text`` up to the end of the last of the ``kept`` tokens, and shorter than it was.

    Several tokens may share one character (bytes of an emoji, say): then the end that lies
    before it is taken, and one character less where there is none.
    """
    ends = [end for _, end in kept if 0 < end < len(text)]
    return text[: max(ends, default=len(text) - 1)]


def _split(embedder: Embedder, texts: list[str], budget: int) -> list[list[str]]:
    """Return the pieces of each text.

    Each round takes one piece off every text: the window that should hold ``budget``
    tokens by the spans of the whole text is tokenised alone, and cut if it has more. So
    every token is read twice, however long the text.
    """
    pieces: list[list[str]] = [[] for _ in texts]
    spans = embedder.token_spans(texts)
    starts = [_next_visible(text, 0) for text in texts]
    firsts = [0] * len(texts)  # the first token that is not yet in a piece
    unfinished = [index for index, text in enumerate(texts) if starts[index] < len(text)]
    while unfinished:
        windows = []
        for index in unfinished:
            start, first, found, text = starts[index], firsts[index], spans[index], texts[index]
            end = len(text)
            if first + budget < len(found):
                end = max(end for _, end in found[first : first + budget])
            windows.append(text[start : max(end, start + 1)])
        kept = _fitting(embedder, windows, embedder.token_spans(windows), budget)
        for index, piece in zip(unfinished, kept, strict=True):
            pieces[index].append(piece)
            starts[index] = _next_visible(texts[index], starts[index] + len(piece))
            firsts[index] = _first_after(spans[index], firsts[index], starts[index])
        unfinished = [index for index in unfinished if starts[index] < len(texts[index])]
    return pieces


def _next_visible(text: str, position: int) -> int:
    """Return where the first character from ``position`` on stands that is not white space."""
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _first_after(spans: Spans, first: int, position: int) -> int:
    """Return the first token, from ``first`` on, that reaches beyond ``position``."""
    while first < len(spans) and spans[first][1] <= position:
        first += 1
    return first
