"""Any sentence-transformers model, from the Hugging Face Hub or from a folder.

The space is read off the loaded model, never from its name: two folders with the same
weights, pooling, prompts and length are one space. Reimers and Gurevych 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    BuildContext,
    Embedder,
    Recipe,
    Role,
    Space,
    Vectors,
)
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.embedders.model_space import space_of, weights_sha256
from v2t_plugins.embedders.whole_tokenizer import spans_of, whole_tokenizer
from v2t_plugins.hub import CODE_FILES, MODEL_FILES, locate
from v2t_plugins.one_line import one_line

BATCH_SIZE = 64
"""Within 5 % of the fastest of 32, 64 and 128 for 32-token texts on CPU (all-MiniLM-L6-v2)."""


@dataclass(frozen=True, kw_only=True)
class SentenceTransformerEmbedder:
    """Vectors of one sentence-transformers model, with the prompts that it declares.

    Args:
        folder: Where the model lies; loaded on first use.
        device: As torch spells it.
        batch_size: Texts a step; changes speed, not results.
        trusted: Whether code that comes with the model may run.
    """

    folder: Path
    device: str = "cpu"
    batch_size: int = BATCH_SIZE
    trusted: bool = False

    @cached_property
    def model(self) -> Any:
        """The sentence-transformers model, in float32 whatever it was stored in."""
        return load(self.folder, device=self.device, trusted=self.trusted)

    @cached_property
    def space(self) -> Space:
        """Where the vectors live."""
        return space_of(self.model, weights=f"sha256:{weights_sha256(self.folder)}")

    @property
    def dim(self) -> int:
        """``d``, the length of a vector."""
        return int(self.model.get_embedding_dimension())

    @property
    def special_tokens(self) -> int:
        """Tokens the tokenizer adds to every text; none where there is no transformer."""
        if self.model.transformers_model is None:
            return 0
        return int(self.model.tokenizer.num_special_tokens_to_add())

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d), cut by the model itself at its limit."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        # Given explicitly: sentence-transformers 6 overlooks a document prompt that a model
        # calls "passage", because it adds an empty one called "document" to every model.
        if role == "query":
            encode, prompt = self.model.encode_query, self.space.query_prompt
        else:
            encode, prompt = self.model.encode_document, self.space.document_prompt
        vectors = encode(
            list(texts), prompt=prompt, batch_size=self.batch_size, show_progress_bar=False
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of each text's tokens, uncut."""
        return spans_of(self._span_tokenizer, texts)

    @cached_property
    def _span_tokenizer(self) -> Any:
        return whole_tokenizer(self.model.tokenizer, who=self.folder.name)


def sentence_transformer(
    model: str, *, context: BuildContext, revision: str | None = None
) -> SentenceTransformerEmbedder:
    """Any sentence-transformers model: a Hub id or a folder.

    Args:
        model: A folder, or what the Hub calls the model.
        context: Device, batch size, and which models may bring their own code.
        revision: Commit, tag or branch of the Hub.

    Raises:
        BadInput: there is no such model here, or it cannot be used.
        CorruptArtifact: a file of it is damaged.
    """
    trusted = model in context.trust_remote_code
    wanted = (*MODEL_FILES, *CODE_FILES) if trusted else MODEL_FILES
    folder = locate(model, who="st", revision=revision, offline=context.offline, wanted=wanted)
    return from_folder(folder, context=context, trusted=trusted)


def from_folder(
    folder: Path, *, context: BuildContext, trusted: bool = False
) -> SentenceTransformerEmbedder:
    """Return the embedder of the model in ``folder``, loaded.

    Raises:
        BadInput, CorruptArtifact: as `load`.
    """
    embedder = SentenceTransformerEmbedder(
        folder=folder,
        device=context.device,
        batch_size=context.batch_size or BATCH_SIZE,
        trusted=trusted,
    )
    embedder.space  # noqa: B018  loads now, so that what is wrong is said before the work starts
    return embedder


def load(folder: Path, *, device: str, trusted: bool = False) -> Any:
    """Return the sentence-transformers model in ``folder``.

    Raises:
        BadInput: it is not a model that can be used.
        CorruptArtifact: its weights are damaged.
    """
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # A dense layer is drawn at random before its weights are read.
        with torch.random.fork_rng(devices=[]):
            return SentenceTransformer(
                str(folder),
                device=device,
                trust_remote_code=trusted,
                local_files_only=True,
                # Half precision makes a vector depend on its neighbours in the batch.
                model_kwargs={"dtype": "float32", "use_safetensors": True},
            )
    except SafetensorError as error:
        raise CorruptArtifact(
            f"the weights of {folder.name} are damaged ({one_line(error)}); fetch the model again"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if "trust_remote_code" in str(error):
            raise BadInput(
                f"{folder.name} brings code of its own; read it, then name the model with "
                "--trust-remote-code"
            ) from error
        raise BadInput(
            f"{folder.name} cannot be loaded as a sentence-transformers model: {one_line(error)}; "
            "check its files, or fetch it again"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer every sentence-transformers model."""
    yield Recipe(
        name="st",
        build=sentence_transformer,
        revision=True,
        source="Reimers and Gurevych 2019, Sentence-BERT",
    )
