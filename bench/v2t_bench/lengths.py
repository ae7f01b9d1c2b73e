"""Training texts of unlike lengths, so that one attack serves many."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from v2t_bench.contracts import Embedder
from v2t_bench.errors import BadParameter
from v2t_bench.texts import Cut, cut


def cut_unlike(
    embedder: Embedder, texts: Sequence[str], *, min_tokens: int, max_tokens: int
) -> Cut:
    """Return the texts `cut` at unlike lengths: what is learned from them serves many.

    A third are cut at ``max_tokens``, a third at half of it, the others at a number drawn
    evenly from ``min_tokens`` to ``max_tokens``; the text itself decides which.

    Raises:
        BadParameter: as for `cut`, or ``min_tokens`` is above half of ``max_tokens`` or
            leaves no room for text.
    """
    if min_tokens > max_tokens // 2:
        raise BadParameter(
            f"min_tokens={min_tokens} is more than half of max_tokens={max_tokens}; give "
            f"{max_tokens // 2} or less, or leave it out"
        )
    if min_tokens <= embedder.special_tokens:
        raise BadParameter(
            f"min_tokens={min_tokens} leaves no room for text: this embedder puts "
            f"{embedder.special_tokens} special tokens around each; give "
            f"{embedder.special_tokens + 1} or more"
        )
    groups: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        groups.setdefault(_length_of(text, min_tokens, max_tokens), []).append(place)
    kept = list(texts)
    n_cut = 0
    for length, places in sorted(groups.items()):
        part = cut(embedder, [texts[place] for place in places], length)
        n_cut += part.n_cut
        for place, text in zip(places, part.texts, strict=True):
            kept[place] = text
    return Cut(texts=kept, n_cut=n_cut)


def _length_of(text: str, least: int, most: int) -> int:
    digest = hashlib.sha256(b"v2t-bench length " + text.encode()).digest()
    third, drawn = int.from_bytes(digest[:8]) % 3, int.from_bytes(digest[8:16])
    return (most, most // 2, least + drawn % (most - least + 1))[third]
