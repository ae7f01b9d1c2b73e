"""GTR as the published Vec2Text models use it: the mean of the T5 encoder's last hidden states.

sentence-transformers puts a dense layer behind that mean and scales to length 1 (`gtr-base-st`):
its vectors have nothing in common with these, and an inverter of one cannot read the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import BuildContext, Embedder, Recipe, Role, Space, Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.embedders.model_space import blind_to
from v2t_plugins.embedders.sentence_transformer import BATCH_SIZE
from v2t_plugins.embedders.t5_encoder import (
    build_encoder,
    encoder_sha256,
    read_encoder,
    stored_names,
)
from v2t_plugins.embedders.whole_tokenizer import spans_of, whole_tokenizer
from v2t_plugins.hub import DESCRIPTION_FILES, MODEL_FILES, locate
from v2t_plugins.one_line import one_line

if TYPE_CHECKING:
    from torch import Tensor

MODEL = "sentence-transformers/gtr-t5-base"

MAX_TOKENS = 512
"""Where texts are cut: max_seq_length in the model's sentence_bert_config.json. The network has
no limit of its own, since its positions are relative."""

EMBEDDER = "embedder."
"""What stands before the embedder's tensors in a Vec2Text checkpoint."""
NESTED = "embedder.0."
"""The same where the embedder was a sentence-transformers model."""


@dataclass(frozen=True, kw_only=True)
class GtrEmbedder:
    """The mean of a T5 encoder's last hidden states over a text's tokens, ``</s>`` included.

    No dense layer, not normalised, in float32 whatever was stored. GTR was trained for
    retrieval by cosine (Ni et al. 2021, section 3), so vectors are compared by cosine here
    although their lengths differ.

    Args:
        folder: Holds the T5's configuration and tokenizer.
        weights: Holds its weights.
        prefix: What stands before the names of the tensors there.
        device: As torch spells it.
        batch_size: Texts a step; changes speed, not results.
    """

    folder: Path
    weights: Path
    prefix: str = ""
    device: str = "cpu"
    batch_size: int = BATCH_SIZE

    @cached_property
    def _loaded(self) -> tuple[Any, str]:
        """The encoder on its device, and the sha256 of its tensors."""
        tensors = read_encoder(self.weights, prefix=self.prefix)
        encoder: Any = build_encoder(tensors, self._config, who=self.weights.name)
        return encoder.to(self.device), encoder_sha256(tensors)

    @cached_property
    def _config(self) -> Any:
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(str(self.folder), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(
                f"{self.folder.name} has no configuration that can be read: {one_line(error)}"
            ) from error
        if config.model_type != "t5":
            raise BadInput(
                f"{self.folder.name} is a model of type {config.model_type}; expected a T5, as "
                f"{MODEL} is; use st:<model> for any other"
            )
        return config

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(str(self.folder), local_files_only=True)
        # The tokenizers library raises bare Exception on a damaged file.
        except Exception as error:
            raise BadInput(
                f"{self.folder.name} has no tokenizer that can be read: {one_line(error)}"
            ) from error
        whole = whole_tokenizer(tokenizer, who=self.folder.name)
        if whole.get_vocab_size() > self._config.vocab_size:
            raise BadInput(
                f"{self.folder.name} has a tokenizer of {whole.get_vocab_size()} tokens and a "
                f"network that knows {self._config.vocab_size}; expected those of one model"
            )
        return whole

    @cached_property
    def _cutting_tokenizer(self) -> Any:
        copy = whole_tokenizer(self._tokenizer, who=self.folder.name)
        copy.enable_truncation(MAX_TOKENS)
        return copy

    @cached_property
    def space(self) -> Space:
        """Where the vectors live."""
        return Space(
            weights=f"t5-encoder float32 sha256:{self._loaded[1]}",
            pooling="mean",
            normalize=False,
            max_tokens=MAX_TOKENS,
            similarity="cosine",
            blind_to=blind_to(
                lambda text: list(self._tokenizer.encode(text).ids),
                unknown=self._tokenizer.token_to_id("<unk>"),
            ),
        )

    @property
    def dim(self) -> int:
        """``d``, the width of the encoder."""
        return int(self._config.d_model)

    @property
    def special_tokens(self) -> int:
        """Tokens the tokenizer adds to every text: ``</s>``."""
        return int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d); the role makes no difference."""
        import torch

        encoder = self._loaded[0]
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        cut = self._cutting_tokenizer.encode_batch(list(texts))
        tokens = [encoding.ids for encoding in cut]  # special ones included
        longest_first = sorted(range(len(tokens)), key=lambda row: (-len(tokens[row]), row))
        for start in range(0, len(longest_first), self.batch_size):
            rows = longest_first[start : start + self.batch_size]
            ids, mask = (part.to(self.device) for part in _padded([tokens[row] for row in rows]))
            with torch.inference_mode():
                hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, t, d)
                kept = mask.unsqueeze(-1).float()
                mean = (hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)  # (n, d)
            vectors[rows] = mean.cpu().numpy()
        return vectors

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of each text's tokens, uncut."""
        return spans_of(self._tokenizer, texts)


def _padded(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return ids and mask, (n, t) each; at least one token wide. What pads is masked: 0."""
    import torch

    width = max(1, *(len(row) for row in tokens))
    ids = torch.zeros((len(tokens), width), dtype=torch.long)
    mask = torch.zeros((len(tokens), width), dtype=torch.long)
    for number, row in enumerate(tokens):
        ids[number, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[number, : len(row)] = 1
    return ids, mask


def gtr_base(
    model: str = MODEL,
    *,
    context: BuildContext,
    checkpoint: str | None = None,
    revision: str | None = None,
) -> GtrEmbedder:
    """GTR as the published Vec2Text models use it: mean pool, no dense layer, not normalised.

    Args:
        model: A folder or a Hub id with a T5: configuration, tokenizer and weights.
        context: Device, batch size, and whether anything may be fetched.
        checkpoint: A folder or a Hub id with a published Vec2Text inversion model, whose
            file carries its embedder's weights; they are used instead of ``model``'s.
        revision: Of ``model``: commit, tag or branch of the Hub.

    Raises:
        BadInput: there is no such model here, or it cannot be used.
        CorruptArtifact: a file of it is damaged.
    """
    offline = context.offline
    wanted = MODEL_FILES if checkpoint is None else DESCRIPTION_FILES
    folder = locate(model, who="gtr-base", revision=revision, offline=offline, wanted=wanted)
    weights = folder
    if checkpoint is not None:
        weights = locate(checkpoint, who="gtr-base", offline=offline)
        _check_checkpoint(weights)
    embedder = GtrEmbedder(
        folder=folder,
        weights=weights,
        prefix="" if checkpoint is None else EMBEDDER,
        device=context.device,
        batch_size=context.batch_size or BATCH_SIZE,
    )
    embedder.space  # noqa: B018  loads now, so that what is wrong is said before the work starts
    return embedder


def _check_checkpoint(folder: Path) -> None:
    """Refuse a Vec2Text model whose embedder is not the mean of the last layer.

    Raises:
        BadInput: it carries no embedder, or another one.
        CorruptArtifact: its config.json is damaged.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        layer = config.get("embeddings_from_layer_n")
    except FileNotFoundError as error:
        raise BadInput(
            f"gtr-base: {folder.name} holds no config.json; expected a Vec2Text inversion model"
        ) from error
    except (OSError, ValueError, AttributeError) as error:
        raise CorruptArtifact(
            f"{folder.name}/config.json is damaged ({one_line(error)}); fetch it again"
        ) from error
    if layer is not None:
        raise BadInput(
            f"gtr-base: {folder.name} was trained on layer {layer} of its embedder; expected the "
            "mean of the last one"
        )
    names = stored_names(folder)
    if any(name.startswith(NESTED) for name in names):
        raise BadInput(
            f"gtr-base: {folder.name} carries a sentence-transformers model as its embedder; use "
            "gtr-base-st"
        )
    if not any(name.startswith(EMBEDDER) for name in names):
        raise BadInput(
            f"gtr-base: {folder.name} carries no embedder (tensors called {EMBEDDER}*); expected "
            "the inversion model and not its corrector, which has none"
        )


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer the embedder of the published Vec2Text models."""
    yield Recipe(
        name="gtr-base",
        build=gtr_base,
        revision=True,
        source="Ni et al. 2021, GTR; as in Morris et al. 2023, Vec2Text",
    )
