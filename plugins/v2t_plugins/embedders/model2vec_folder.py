"""Read a model2vec folder: token vectors, perhaps shared between tokens, and a tokenizer.

Three files say everything, so the package model2vec is not needed: ``model.safetensors`` with
``embeddings`` (r, d) and, where vectors were quantised, ``mapping`` (v,) from token to row and
``weights`` (v,) by which the row is multiplied; ``tokenizer.json``; ``config.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.embedders.model_space import NO_LIMIT, file_sha256
from v2t_plugins.one_line import one_line

WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"

MAX_TOKENS = 512
"""Where model2vec cuts a text, unless the configuration has a ``max_length``."""


@dataclass(frozen=True, kw_only=True)
class TokenTable:
    """One vector a token, and how texts become tokens.

    Args:
        vectors: (v, d), weights included.
        tokenizer: A ``tokenizers.Tokenizer`` that neither cuts nor pads.
        unknown: The id of the token for what the vocabulary lacks, which is left out.
        normalize: Whether the mean is scaled to length 1.
        max_tokens: Tokens that are read.
    """

    vectors: Vectors
    tokenizer: Any
    unknown: int | None
    normalize: bool
    max_tokens: int


def is_model2vec(folder: Path) -> bool:
    """Return whether the folder's configuration says that it is a model2vec model."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "model2vec"


def weights_of(folder: Path) -> str:
    """Return what a space says of the folder's numbers: sha256 of weights and of tokenizer.

    Raises:
        BadInput: one of the two is missing.
    """
    try:
        found = [file_sha256(folder / name) for name in (WEIGHTS, TOKENIZER)]
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise BadInput(
            f"static: {folder.name} holds no {missing}; expected a model2vec folder with "
            f"{WEIGHTS}, {TOKENIZER} and {CONFIG}"
        ) from error
    return "model2vec sha256:{} tokenizer sha256:{}".format(*found)


def read_table(folder: Path) -> TokenTable:
    """Return the table of a model2vec folder.

    Raises:
        BadInput: it is none that can be used.
        CorruptArtifact: a file of it is damaged.
    """
    tokenizer = read_tokenizer(folder / TOKENIZER)
    stored = _tensors(folder)
    rows = stored.get("embeddings")
    if rows is None or rows.ndim != 2:
        raise BadInput(
            f"static: {folder.name}/{WEIGHTS} has no tensor 'embeddings' of two dimensions "
            f"(tensors: {', '.join(sorted(stored)) or 'none'}); expected a model2vec model"
        )
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    limit = config.get("max_length", MAX_TOKENS)
    return TokenTable(
        vectors=_whole(rows, stored, tokenizer.get_vocab_size(), folder.name),
        tokenizer=tokenizer,
        unknown=unknown_id(tokenizer),
        normalize=bool(config.get("normalize", False)),
        max_tokens=NO_LIMIT if limit is None else min(int(limit), NO_LIMIT),
    )


def _tensors(folder: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CorruptArtifact(
            f"the weights of {folder.name} are damaged ({one_line(error)}); fetch the model again"
        ) from error


def _whole(rows: NDArray[Any], stored: dict[str, NDArray[Any]], n_tokens: int, who: str) -> Vectors:
    """Return one weighted vector a token, (v, d), from rows (r, d) that tokens may share.

    Raises:
        BadInput: the tensors do not fit each other or the tokenizer.
    """
    mapping = stored.get("mapping", np.arange(len(rows)))
    weights = stored.get("weights", np.ones(len(mapping)))
    if not len(mapping) == len(weights) == n_tokens:
        raise BadInput(
            f"static: {who} has a tokenizer of {n_tokens} tokens, vectors for {len(mapping)} and "
            f"weights for {len(weights)}; expected those of one model"
        )
    if mapping.min() < 0 or mapping.max() >= len(rows):
        raise BadInput(
            f"static: {who} maps a token to row {int(mapping.max())} of {len(rows)}; expected a "
            "mapping of the same model"
        )
    table: Vectors = (rows[mapping].astype(np.float64) * weights[:, None]).astype(
        np.float32
    )  # (v, d)
    if not np.isfinite(table).all():
        raise BadInput(f"static: {who} holds NaN or infinity; expected finite vectors")
    return table


def read_tokenizer(file: Path) -> Any:
    """Return the tokenizer in ``file``, which neither cuts nor pads.

    Raises:
        BadInput: there is none that can be read.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    # The tokenizers library raises bare Exception on a damaged file.
    except Exception as error:
        raise BadInput(
            f"static: {file.parent.name} has no tokenizer that can be read: {one_line(error)}"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def unknown_id(tokenizer: Any) -> int | None:
    """Return the id of the token for what the vocabulary lacks, if there is one."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is not None:
        number: int | None = tokenizer.token_to_id(model["unk_token"])
        return number
    unigram: int | None = model.get("unk_id")
    return unigram
