"""Write a model2vec folder of a few words, by the libraries it is made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "[UNK]"


def write_static_folder(
    folder: Path,
    words: Sequence[str],
    tensors: dict[str, NDArray[Any]],
    *,
    normalize: bool = True,
    **config: Any,
) -> Path:
    """Write the model of ``words``, whose first id is 1: 0 is the unknown word's.

    Args:
        folder: Made here.
        words: In lower case.
        tensors: ``embeddings``, and perhaps ``mapping`` and ``weights``.
        normalize: Whether vectors are scaled to length 1.
        config: More for config.json.
    """
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate([UNKNOWN, *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(tensors, folder / "model.safetensors")
    settings = {"model_type": "model2vec", "normalize": normalize, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def random_rows(n: int, dim: int) -> NDArray[np.float32]:
    """Return ``n`` rows, (n, dim), the same at every call."""
    return np.random.default_rng(0).standard_normal((n, dim)).astype(np.float32)
