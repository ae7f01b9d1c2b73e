"""Static vectors: the mean of one vector a token, read from a folder or distilled here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Embedder, Recipe, Role, Space, Vectors
from v2t_bench.errors import BadParameter
from v2t_plugins.embedders.distilling import distill
from v2t_plugins.embedders.kept import Fitted, fitted_once
from v2t_plugins.embedders.minilm import minilm
from v2t_plugins.embedders.model2vec_folder import (
    MAX_TOKENS,
    TokenTable,
    is_model2vec,
    read_table,
    unknown_id,
    weights_of,
)
from v2t_plugins.embedders.model_space import blind_to
from v2t_plugins.embedders.sentence_transformer import SentenceTransformerEmbedder, from_folder
from v2t_plugins.embedders.unit_length import unit_length
from v2t_plugins.embedders.whole_tokenizer import spans_of, whole_tokenizer
from v2t_plugins.hub import locate

MINILM = "minilm"
DISTILLED_DIM = 256
"""What model2vec keeps by default."""


@dataclass(frozen=True, kw_only=True)
class StaticEmbedder:
    """The mean of a text's token vectors; the order of the tokens cannot be seen.

    Unknown tokens are left out. Where vectors are scaled to length 1, a text without a known
    token gets the vector of equal coordinates (model2vec: zero).

    Args:
        table: Vectors and tokenizer.
        weights: What the numbers are, for the space.
    """

    table: TokenTable
    weights: str

    @cached_property
    def space(self) -> Space:
        """Where the vectors live."""
        return Space(
            weights=self.weights,
            pooling="mean",
            normalize=self.table.normalize,
            max_tokens=self.table.max_tokens,
            blind_to=blind_to(self._tokens, unknown=self.table.unknown),
        )

    @property
    def dim(self) -> int:
        """``d``, the length of a vector."""
        return int(self.table.vectors.shape[1])

    @property
    def special_tokens(self) -> int:
        """None are added."""
        return 0

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d); the role makes no difference."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            ids = [token for token in self._tokens(text) if token != self.table.unknown]
            if ids:
                row[:] = self.table.vectors[ids].mean(axis=0)
        return unit_length(vectors) if self.table.normalize else vectors

    def _tokens(self, text: str) -> list[int]:
        """Return the ids of the tokens that are read, unknown ones included."""
        encoding = self.table.tokenizer.encode(text, add_special_tokens=False)
        return list(encoding.ids[: self.table.max_tokens])

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of each text's tokens, uncut."""
        return spans_of(self.table.tokenizer, texts)


def static(
    model: str = MINILM,
    *,
    context: BuildContext,
    dim: int | None = None,
    revision: str | None = None,
) -> StaticEmbedder:
    """Static token vectors: a model2vec folder, or distilled from a sentence-transformers model.

    Distilling embeds every token of the vocabulary once and is kept in the cache folder.

    same_family: vectors distilled from a model are made of its own outputs and its own
    tokens, so a transfer from ``static`` (of MiniLM) to ``minilm`` stays within one family and
    says nothing about unrelated models. Their space names the model: it holds ``of`` and the
    sha256 of its weights.

    Args:
        model: A model2vec folder, read as it is; or what is distilled: ``minilm``, or the
            folder or Hub id of a sentence-transformers model.
        context: Device, batch size, cache folder, and whether anything may be fetched.
        dim: Dimensions kept in distilling; default: 256, or all where the model has fewer.
        revision: Commit, tag or branch of the Hub.

    Raises:
        BadInput: there is no such model here, or it cannot be used.
        BadParameter: ``dim`` is out of range, or given for a model2vec folder.
        CorruptArtifact: a file of it is damaged.
    """
    if dim is not None and dim < 1:
        raise BadParameter(f"static: dim is {dim}; expected at least 1")
    if model == MINILM and revision is None:
        return _distilled(minilm(context=context), dim, context.cache)
    folder = locate(model, who="static", revision=revision, offline=context.offline)
    if not is_model2vec(folder):
        return _distilled(from_folder(folder, context=context), dim, context.cache)
    if dim is not None:
        raise BadParameter(
            f"static: {folder.name} is a model2vec folder and has its dimensions; leave dim={dim} "
            "out"
        )
    weights = weights_of(folder)
    return StaticEmbedder(table=read_table(folder), weights=weights)


def _distilled(
    teacher: SentenceTransformerEmbedder, dim: int | None, cache: Path | None
) -> StaticEmbedder:
    """Return the static embedder of ``teacher``; distilled once for each cache folder."""
    kept = min(DISTILLED_DIM, teacher.dim) if dim is None else dim
    # Named by its recipe and not by its numbers: another machine rounds them differently.
    weights = f"static-v1 dim={kept} of {teacher.space.weights} {teacher.space.pooling}"
    tokenizer: Any = whole_tokenizer(teacher.model.tokenizer, who=teacher.folder.name)

    def fit() -> Fitted:
        return Fitted(tensors={"vectors": distill(teacher, tokenizer, dim=kept)})

    fitted = fitted_once(cache, "static", {"weights": weights}, fit)
    table = TokenTable(
        vectors=fitted.tensors["vectors"],
        tokenizer=tokenizer,
        unknown=unknown_id(tokenizer),
        normalize=True,
        max_tokens=MAX_TOKENS,
    )
    return StaticEmbedder(table=table, weights=weights)


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer static token vectors."""
    yield Recipe(
        name="static",
        build=static,
        revision=True,
        source="Tulkens and van Dongen 2024, Model2Vec; weights: Arora et al. 2017, SIF",
    )
