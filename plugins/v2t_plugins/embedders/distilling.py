"""One vector a token from a sentence-transformers model, as model2vec distills them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, BadParameter

if TYPE_CHECKING:
    from v2t_plugins.embedders.sentence_transformer import SentenceTransformerEmbedder

SIF = 1e-4
"""``a`` in the weight a / (a + p) of a token: model2vec's value of Arora et al.'s constant."""

_UNUSED = re.compile(r"\[unused\d+\]")


def distill(teacher: SentenceTransformerEmbedder, tokenizer: Any, *, dim: int) -> Vectors:
    """Return a vector a token, (v, dim); those that no text contains are zero.

    Each token is embedded alone, between the special tokens of a text, as the teacher embeds
    a text (model2vec leaves layers after the pooling out). Then PCA, then the SIF weight, with
    the frequencies that Zipf's law gives to a vocabulary sorted by frequency, as most are.

    Args:
        teacher: The model.
        tokenizer: Its tokenizer, a ``tokenizers.Tokenizer`` that neither cuts nor pads.
        dim: Dimensions kept.

    Raises:
        BadInput: the teacher is no transformer.
        BadParameter: it has fewer dimensions than ``dim``, or fewer tokens.
    """
    if teacher.model.transformers_model is None:
        raise BadInput(
            f"static: {teacher.folder.name} is no transformer, so there is nothing to distill; "
            "expected a transformer, or a model2vec folder (config.json: model_type model2vec)"
        )
    kept = usable_tokens(tokenizer)
    if dim > min(teacher.dim, len(kept)):
        raise BadParameter(
            f"static: dim is {dim}; {teacher.folder.name} has {teacher.dim} dimensions and "
            f"{len(kept)} tokens, so expected at most {min(teacher.dim, len(kept))}"
        )
    table = np.zeros((tokenizer.get_vocab_size(), dim), dtype=np.float32)
    reduced = principal_components(token_vectors(teacher, tokenizer, kept), dim)
    table[kept] = reduced * sif_weights(len(kept))[:, None]
    return table


def usable_tokens(tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that a text can consist of, in order."""
    special = {number for number, t in tokenizer.get_added_tokens_decoder().items() if t.special}
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(
        number
        for token, number in vocabulary.items()
        if number not in special and not _UNUSED.fullmatch(token)
    )


def token_vectors(
    teacher: SentenceTransformerEmbedder, tokenizer: Any, tokens: Sequence[int]
) -> Vectors:
    """Return the teacher's vector of each token alone, (n, d)."""
    import torch

    before, after = _frame(tokenizer)
    rows = [[*before, token, *after] for token in tokens]
    vectors = np.empty((len(rows), teacher.dim), dtype=np.float32)
    step = 4 * teacher.batch_size  # a token is far shorter than a text
    for start in range(0, len(rows), step):
        ids = torch.tensor(rows[start : start + step], device=teacher.model.device)
        with torch.inference_mode():
            answer = teacher.model({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        vectors[start : start + step] = answer["sentence_embedding"].float().cpu().numpy()
    return vectors


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens put before and after a text."""
    encoding = tokenizer.encode("a")
    inner = [at for at, special in enumerate(encoding.special_tokens_mask) if not special]
    return list(encoding.ids[: inner[0]]), list(encoding.ids[inner[-1] + 1 :])


def principal_components(vectors: Vectors, dim: int) -> NDArray[np.float64]:
    """Return the first ``dim`` principal components of ``vectors`` (n, d), largest first.

    An axis has no sign of its own: here its largest coordinate is positive.
    """
    centered = vectors.astype(np.float64)
    centered -= centered.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, ::-1][:, :dim]  # (d, dim)
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(dim)]
    components: NDArray[np.float64] = centered @ (axes * np.where(largest < 0, -1.0, 1.0))
    return components


def sif_weights(n: int) -> NDArray[np.float64]:
    """Return the weights of ``n`` tokens sorted by frequency, rarer ones heavier, 0 to 1."""
    frequency = 1 / np.arange(2, n + 2)
    frequency /= frequency.sum()
    weights: NDArray[np.float64] = SIF / (SIF + frequency)
    return weights
