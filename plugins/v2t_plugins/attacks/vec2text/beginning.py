"""What a training starts from: subwords, a shape, and word embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from v2t_bench.checkpoints import RECORD, check_fits, checkpoint_in
from v2t_bench.contracts import Space, TrainContext
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.lesson_texts import input_scale_of, longest_written, name_folder
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.model import SIZES, Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.subwords import piece_texts

# Of the bag-of-words network that lexical=bow fits.
LEXICAL_HIDDEN = 512


def configure(
    tokenizer: PreTrainedTokenizerBase,
    lengths: list[int],
    vectors: Tensor,
    choices: Choices,
    context: TrainContext,
) -> NetworkConfig:
    """Return the shape of networks for texts of these `label_lengths` and vectors (n, d)."""
    special: Any = tokenizer
    vocabulary = len(tokenizer)
    return NetworkConfig(
        dim=vectors.shape[1],
        vocabulary_size=vocabulary,
        max_length=longest_written(lengths),
        input_scale=input_scale_of(vectors),
        pseudo_tokens=choices.pseudo_tokens,
        lexical_words=min(24, vocabulary) if choices.lexical != "none" else 0,
        lexical_hidden=LEXICAL_HIDDEN if choices.lexical == "bow" else 0,
        shared=choices.shared,
        end_below=choices.end_below,
        layer_norm=not choices.shared,
        pad_id=special.pad_token_id,
        end_id=special.eos_token_id,
        **SIZES[context.size],  # type: ignore[arg-type]
    )


def start_from_embedder(
    inverter: Inverter, tokenizer: PreTrainedTokenizerBase, oracle: Oracle
) -> None:
    """Set word embeddings to the principal components of the embedder's own vectors.

    An embedder of fewer dimensions than the network leaves the rest as drawn.
    """
    pieces = piece_texts(tokenizer)
    asked = list(dict.fromkeys(pieces))
    places = {piece: place for place, piece in enumerate(asked)}
    vectors = torch.from_numpy(oracle.embed(asked, keep=True)).double()
    vectors = vectors[torch.tensor([places[piece] for piece in pieces])]  # (v, d)
    vectors = vectors - vectors.mean(dim=0)
    values, directions = torch.linalg.eigh(vectors.T @ vectors)
    wanted = directions.flip(1)[:, : inverter.shape.d_model]
    # The sign of an eigenvector is the solver's whim.
    wanted = wanted * wanted.gather(0, wanted.abs().argmax(dim=0, keepdim=True)).sign()
    parts = vectors @ wanted  # (v, up to d_model)
    spread = parts.std()
    if values[-1] <= 0 or not bool(spread > 0):
        return
    embeddings = inverter.encoder_decoder.shared.weight
    with torch.no_grad():
        embeddings[:, : parts.shape[1]] = (parts / spread).float()


def ignoring_guess_vectors(config: NetworkConfig) -> NetworkConfig:
    """Return the configuration of a corrector that is not shown where its guess landed."""
    return replace(config, ignore_guess_vector=True)


def read_earlier(begin: str, space: Space) -> Networks | None:
    """Return the networks in the folder that a training begins from; None: from nothing.

    Raises:
        BadInput: no checkpoint of vec2text is there.
        SpaceMismatch: it inverts another space.
        CorruptArtifact: it cannot be read.
    """
    if not begin:
        return None
    folder = Path(begin)
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"vec2text: begin={begin} holds no checkpoint of vec2text; give a folder that "
            "v2t-bench train left"
        )
    if (folder / RECORD).is_file():  # networks without a record are taken at their word
        check_fits(checkpoint_in(folder), attack="vec2text", space=space)
    return Networks.load(folder)


def name_earlier(begin: str) -> str:
    """Return ``<folder name>@<12 hex of its content>``: what is recorded of a beginning."""
    if not begin:
        return ""
    folder = Path(begin).resolve()
    return name_folder(folder, folder.name)


def check_same_shape(earlier: NetworkConfig, wanted: NetworkConfig) -> NetworkConfig:
    """Return the shape of networks that are trained on, if it is what is asked for.

    Raises:
        BadParameter: naming what differs.
    """
    # What the texts decide may differ: the networks stay as long and as scaled as they are.
    free = {"max_length", "input_scale", "dropout", "end_below"}
    one, other = earlier.to_json(), wanted.to_json()
    differing = [name for name in one if name not in free and one[name] != other[name]]
    if differing:
        told = ", ".join(f"{name}: {one[name]} there, {other[name]} here" for name in differing)
        raise BadParameter(
            f"vec2text: the checkpoint to go on from has networks of another shape ({told}); give "
            "the options it was trained with"
        )
    return replace(earlier, end_below=wanted.end_below)
