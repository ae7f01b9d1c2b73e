"""The attack in memory: vectors in, texts out; and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedTokenizerBase

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.attacks.gpt2.decoding import Decoding, write
from v2t_plugins.attacks.gpt2.model import Decoder, DecoderConfig
from v2t_plugins.attacks.lesson_texts import IGNORED
from v2t_plugins.networks import Weights, load_network, read_json, save_network, write_json
from v2t_plugins.subwords import read_tokenizer, save_tokenizer

SETTINGS, DECODER = "gpt2.json", "decoder.safetensors"
# Beams that are written at a time; a row is as many as it has beams.
AT_A_TIME = 256


@dataclass(frozen=True, kw_only=True)
class Networks:
    """A trained decoder and its tokenizer.

    Args:
        decoder: On its device, in evaluation mode.
        tokenizer: Spells and reads subwords.
    """

    decoder: Decoder
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Networks:
        """Return what training left in ``folder``.

        Raises:
            BadInput: that is no checkpoint of gpt2.
            CorruptArtifact: a file is missing, damaged, or does not fit the others.
        """
        if not (folder / SETTINGS).is_file():
            raise BadInput(
                f"{folder} is no checkpoint of gpt2 ({SETTINGS} is missing); give a folder that "
                "v2t-bench train gpt2 left"
            )
        config = DecoderConfig.from_json(read_json(folder / SETTINGS))
        tokenizer = read_tokenizer(folder)
        # What it draws at first is overwritten; the caller's randomness stays as it was.
        with torch.random.fork_rng(devices=[]):
            decoder = Decoder(config)
        load_network(folder / DECODER, decoder)
        if len(tokenizer) > decoder.vocabulary_size:
            raise CorruptArtifact(
                f"{folder} holds a tokenizer of {len(tokenizer)} subwords and a network of "
                f"{decoder.vocabulary_size}; train again"
            )
        # What a published one asks for, such as a least length, is none of ours.
        no_wishes: Any = GenerationConfig
        decoder.lm.generation_config = no_wishes()
        return cls(decoder=decoder.to(device).eval(), tokenizer=tokenizer)

    def write(
        self, vectors: Vectors, decoding: Decoding, batch_size: int | None = None
    ) -> list[str]:
        """Return the text written for each row of ``vectors``, (n, d)."""
        beams = decoding.beams if decoding.decode == "beam" else 1
        rows = batch_size or max(1, AT_A_TIME // beams)
        texts: list[str] = []
        for start in range(0, len(vectors), rows):
            part = vectors[start : start + rows]
            written = write(self.decoder, part, decoding, known=len(self.tokenizer))
            texts += self._read(written.tolist())
        return texts

    def _read(self, written: Sequence[Sequence[int]]) -> list[str]:
        end_id, decode = self.decoder.shape.end_id, self.tokenizer.batch_decode
        rows: Any = [list(row[: row.index(end_id)] if end_id in row else row) for row in written]
        spelled: Any = decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [str(text).strip() for text in spelled]


def save(
    folder: Path, decoder: Decoder, tokenizer: PreTrainedTokenizerBase, weights: Weights
) -> None:
    """Write everything `Networks.load` reads into ``folder``, its numbers as ``weights`` says."""
    write_json(folder / SETTINGS, decoder.shape.to_json())
    save_tokenizer(tokenizer, folder)
    save_network(folder / DECODER, decoder, weights=weights)


def label_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], config: DecoderConfig
) -> Tensor:
    """Return the labels of ``texts``, (n, t), with the end token, padded with `IGNORED`."""
    encode: Any = tokenizer
    encoded = encode(list(texts), add_special_tokens=False)["input_ids"]
    rows = [[*row[: config.max_length - 1], config.end_id] for row in encoded]
    labels = torch.full((len(rows), max(map(len, rows), default=1)), IGNORED)
    for label, row in zip(labels, rows, strict=True):
        label[: len(row)] = torch.tensor(row)
    return labels
