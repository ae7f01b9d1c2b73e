"""The base model's guesses for its training texts: what the corrector learns from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE, Networks
from v2t_plugins.networks import load_tensors, read_json, save_tensors, write_json
from v2t_plugins.seeds import derive_seed

CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """Wrong guesses for some of the training texts, and where they landed."""

    rows: list[int]
    texts: list[str]
    vectors: Tensor  # (m, d)


@dataclass(frozen=True, kw_only=True)
class GuessMaker:
    """Makes guesses once and keeps them in ``context.work``.

    Args:
        networks: With the trained base model.
        texts: All training texts.
        vectors: The vectors they are guessed from, (n, d).
        oracle: Embeds the guesses, which are never released.
        context: Where to keep them, and who else makes some.
        key: Names everything that decides the guesses.
        fast: Whether they may be made in bfloat16.
    """

    networks: Networks
    texts: Sequence[str]
    vectors: Tensor
    oracle: Oracle
    context: TrainContext
    key: str
    fast: bool

    def make(self, most: int, minutes: float | None) -> Guesses:
        """Return wrong guesses for at most ``most`` texts, drawn by the seed.

        A guess that is the text itself teaches nothing and is left out; guess and text are
        compared as strings, since many embedders cannot see case.
        """
        seed = derive_seed(self.context.seed, "vec2text guesses")
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(self.texts)).tolist()
        order = order[:most]
        self.context.progress(f"vec2text: guessing up to {len(order)} training texts")
        chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
        began = time.monotonic()
        rows: list[int] = []
        texts: list[str] = []
        vectors: list[Tensor] = []
        for number in self._share(chunks, minutes, began):
            chunk = chunks[number]
            guesses, landed = self._chunk(number, chunk)
            for place, row in enumerate(chunk):
                if guesses[place] != self.texts[row]:
                    rows.append(row)
                    texts.append(guesses[place])
                    vectors.append(landed[place])
        if not rows:  # nothing was wrong, so anything will do to train on
            rows, texts, vectors = chunk, guesses, list(landed)
        return Guesses(rows=rows, texts=texts, vectors=torch.stack(vectors))

    def _share(self, chunks: list[list[int]], minutes: float | None, began: float) -> list[int]:
        """Return the numbers of the chunks that were made; the processes take turns."""
        processes = self.context.processes
        made = [0.0] * len(chunks)
        for number in range(processes.rank, len(chunks), processes.count):
            # Some are needed, whatever they cost.
            if minutes is not None and any(made) and time.monotonic() - began > minutes * 60:
                break
            self._chunk(number, chunks[number])
            made[number] = 1.0
        return [number for number, by in enumerate(processes.totals(made)) if by]

    def _chunk(self, number: int, rows: list[int]) -> tuple[list[str], Tensor]:
        """Return guesses and their vectors, from the work folder if they were made before."""
        text_file = self.context.work / "guesses" / f"{self.key[:16]}-{number:05d}.json"
        vector_file = text_file.with_suffix(".safetensors")
        text_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            stored = [str(guess) for guess in read_json(text_file)["guesses"]]
            landed = load_tensors(vector_file)["vectors"]
            # The last chunk is shorter where fewer guesses are wanted.
            if len(stored) == len(landed) == len(rows):
                return stored, landed
        except (CorruptArtifact, KeyError):
            pass
        targets = self.vectors[torch.as_tensor(rows)].numpy()
        guesses: list[str] = []
        for start in range(0, len(rows), BATCH_SIZE):
            part = targets[start : start + BATCH_SIZE]
            guesses += self.networks.first_guesses(part, fast=self.fast)
        landed = torch.from_numpy(self.oracle.embed(guesses))
        save_tensors(vector_file, {"vectors": landed})
        write_json(text_file, {"guesses": guesses})
        return guesses, landed
