"""Latent semantic analysis: TF-IDF and a truncated SVD, fitted on a file of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Embedder, Recipe, Role, Space, Vectors
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.training_text import read_texts
from v2t_plugins.embedders.kept import Fitted, fitted_once
from v2t_plugins.embedders.model_space import NO_LIMIT
from v2t_plugins.embedders.unit_length import unit_length

# A word, or one mark; an underscore is a mark, as it is to Space.normalize_text.
_TOKEN = re.compile(r"[^\W_]+|[^\w\s]|_")


def tokens_of(text: str) -> list[str]:
    """Return the words and marks of ``text``, in lower case."""
    return _TOKEN.findall(text.lower())


@dataclass(frozen=True, kw_only=True)
class Lsa:
    """TF-IDF (1 + log tf, smooth idf, length 1) on the leading axes of a corpus, length 1 again.

    Words that the corpus lacks are not seen, nor is the order of words. A text without a known
    word gets the vector of equal coordinates.

    Args:
        texts: The file it is fitted on, as ``v2t-bench train`` reads it.
        texts_sha256: Of the texts in it.
        dim: ``d``, the axes kept.
        words: The vocabulary's size: the most frequent words and marks of the file.
        cache: Where what was fitted is kept, or None.
    """

    texts: Path
    texts_sha256: str
    dim: int
    words: int
    cache: Path | None

    @property
    def space(self) -> Space:
        """Where the vectors live."""
        return Space(
            # By its recipe and not by its numbers: another machine rounds them differently.
            weights=f"lsa-v1 dim={self.dim} words={self.words} of texts sha256:{self.texts_sha256}",
            pooling="tf-idf",
            normalize=True,
            max_tokens=NO_LIMIT,
            blind_to=("case", "punctuation_spacing", "whitespace"),
        )

    @property
    def special_tokens(self) -> int:
        """None are added."""
        return 0

    @cached_property
    def _model(self) -> tuple[Any, Vectors]:
        """The fitted vectorizer, and the axes (d, v)."""
        fitted = fitted_once(self.cache, "lsa", {"weights": self.space.weights}, self._fit)
        vectorizer = _vectorizer(vocabulary=fitted.facts["words"])
        vectorizer.idf_ = fitted.tensors["idf"]
        return vectorizer, fitted.tensors["axes"].astype(np.float32)

    def _fit(self) -> Fitted:
        """Fit on the file.

        Raises:
            BadInput: it holds too few texts or words for ``dim`` axes.
        """
        from sklearn.decomposition import TruncatedSVD

        texts = read_texts(self.texts).texts
        vectorizer = _vectorizer(max_features=self.words)
        weighed = vectorizer.fit_transform(texts)  # (n, v)
        if self.dim > min(weighed.shape):
            raise BadInput(
                f"lsa: {self.texts} gives {weighed.shape[0]} texts of {weighed.shape[1]} different "
                f"words; expected at least dim={self.dim} of both; give more texts, or a smaller "
                "dim"
            )
        svd = TruncatedSVD(self.dim, random_state=0).fit(weighed)
        return Fitted(
            tensors={
                "idf": np.asarray(vectorizer.idf_, dtype=np.float64),
                "axes": np.ascontiguousarray(svd.components_, dtype=np.float32),
            },
            facts={"words": vectorizer.get_feature_names_out().tolist()},
        )

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d); the role makes no difference."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        vectorizer, axes = self._model
        return unit_length(vectorizer.transform(texts) @ axes.T)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of each text's words and marks."""
        return [[match.span() for match in _TOKEN.finditer(text)] for text in texts]


def _vectorizer(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer=tokens_of, sublinear_tf=True, **settings)


def lsa(texts: Path, *, context: BuildContext, dim: int = 256, words: int = 30_000) -> Lsa:
    """TF-IDF and truncated SVD, fitted on a file of texts; seconds, and no network.

    Fitted at first use and kept in the cache folder.

    Args:
        texts: A .txt or .jsonl file, which may end in .gz or .zst.
        context: The cache folder.
        dim: Axes kept, ``d``.
        words: The vocabulary's size: the most frequent words and marks.

    Raises:
        BadInput: the file holds no texts.
        BadParameter: ``dim`` or ``words`` is out of range.
    """
    if dim < 1:
        raise BadParameter(f"lsa: dim is {dim}; expected at least 1")
    if words < dim:
        raise BadParameter(f"lsa: words is {words}; expected at least dim={dim}")
    file = texts.expanduser()
    sha256 = read_texts(file).sha256
    return Lsa(texts=file, texts_sha256=sha256, dim=dim, words=words, cache=context.cache)


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer latent semantic analysis."""
    yield Recipe(name="lsa", build=lsa, source="Deerwester et al. 1990; scikit-learn")
