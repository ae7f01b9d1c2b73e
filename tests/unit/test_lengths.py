"""Cutting training texts at unlike lengths."""

from __future__ import annotations

from collections import Counter

import pytest

from v2t_bench.contracts import Embedder
from v2t_bench.errors import BadParameter
from v2t_bench.lengths import cut_unlike

# Of which every word is one token of the embedder.
LONG = [" ".join(f"w{n}x{k}" for k in range(40)) for n in range(3000)]


def lengths(texts: list[str]) -> Counter[int]:
    return Counter(len(text.split()) for text in texts)


def test_a_third_is_whole_a_third_is_half_and_the_rest_is_spread(embedder: Embedder) -> None:
    found = lengths(cut_unlike(embedder, LONG, min_tokens=4, max_tokens=32).texts)
    assert set(found) == set(range(4, 33))
    # 1000 and a 29th of 1000 are expected; the standard deviation is 26.
    assert found[32] == pytest.approx(1034, abs=105)
    assert found[16] == pytest.approx(1034, abs=105)
    spread = [found[length] for length in range(4, 33) if length not in (16, 32)]
    assert sum(spread) == pytest.approx(931, abs=105)
    # 34 are expected of each; the standard deviation is 6.
    assert min(spread) > 10
    assert max(spread) < 65


def test_the_text_decides_and_neither_its_place_nor_its_company(embedder: Embedder) -> None:
    limits = {"min_tokens": 4, "max_tokens": 32}
    whole = cut_unlike(embedder, LONG[:200], **limits).texts
    assert cut_unlike(embedder, LONG[199::-1], **limits).texts == whole[::-1]
    assert cut_unlike(embedder, LONG[50:60], **limits).texts == whole[50:60]


def test_each_is_the_start_of_its_text_and_those_that_lost_something_are_counted(
    embedder: Embedder,
) -> None:
    mixed = [text if n % 2 else " ".join(text.split()[:3]) for n, text in enumerate(LONG[:100])]
    found = cut_unlike(embedder, mixed, min_tokens=3, max_tokens=30)
    assert found.n_cut == 50
    for text, kept in zip(mixed, found.texts, strict=True):
        assert text.startswith(kept)
    assert found.texts[::2] == mixed[::2]


def test_a_least_length_above_half_of_the_longest_is_refused(embedder: Embedder) -> None:
    assert len(cut_unlike(embedder, LONG[:9], min_tokens=16, max_tokens=33).texts) == 9
    with pytest.raises(BadParameter, match=r"min_tokens=17 is more than half of max_tokens=33"):
        cut_unlike(embedder, LONG[:9], min_tokens=17, max_tokens=33)


def test_a_least_length_without_room_is_refused_whatever_the_texts_are(embedder: Embedder) -> None:
    with pytest.raises(BadParameter, match=r"min_tokens=0 leaves no room .* give 1 or more"):
        cut_unlike(embedder, [], min_tokens=0, max_tokens=33)


def test_a_longest_length_beyond_the_embedder_is_refused(embedder: Embedder) -> None:
    with pytest.raises(BadParameter, match="is more than this embedder reads"):
        cut_unlike(embedder, LONG, min_tokens=4, max_tokens=100_000)
