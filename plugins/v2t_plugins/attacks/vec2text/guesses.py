"""The base model's guesses for its training texts: what the corrector learns from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from v2t_bench.contracts import TrainContext, Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE, Networks
from v2t_plugins.networks import load_tensors, read_json, save_tensors, write_json
from v2t_plugins.seeds import derive_seed

CHUNK = 512

Write = Callable[[Sequence[int]], list[str]]


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
        names: Tell these guesses from others of the same training.
    """

    networks: Networks
    texts: Sequence[str]
    vectors: Tensor
    oracle: Oracle
    context: TrainContext
    key: str
    fast: bool
    names: tuple[str | int, ...] = ()

    def make(self, most: int, minutes: float | None) -> Guesses:
        """Return wrong first guesses for at most ``most`` texts, drawn by the seed.

        A guess that is the text itself teaches nothing and is left out; guess and text are
        compared as strings, since many embedders cannot see case.
        """
        seed = derive_seed(self.context.seed, "vec2text guesses", *self.names)
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(self.texts)).tolist()
        order = order[:most]
        self.context.progress(f"vec2text: guessing up to {len(order)} training texts")

        def write(places: Sequence[int]) -> list[str]:
            targets = self._targets([order[place] for place in places])
            return self.networks.first_guesses(targets, fast=self.fast)

        return self._made(order, write, minutes)

    def correct(self, guesses: Guesses, minutes: float | None) -> Guesses:
        """Return what the corrector makes of ``guesses``, where that is still wrong."""
        self.context.progress(f"vec2text: correcting up to {len(guesses.rows)} guesses")

        def write(places: Sequence[int]) -> list[str]:
            targets = self._targets([guesses.rows[place] for place in places])
            drafts = [self.networks.draft(guesses.texts[place]) for place in places]
            landed = guesses.vectors[torch.as_tensor(places)].numpy()
            corrected = self.networks.corrections(targets, drafts, landed, fast=self.fast)
            return [tried[0].text for tried in corrected]

        return self._made(guesses.rows, write, minutes)

    def _targets(self, rows: Sequence[int]) -> Vectors:
        targets: Vectors = self.vectors[torch.as_tensor(rows)].numpy()
        return targets

    def _made(self, rows: Sequence[int], write: Write, minutes: float | None) -> Guesses:
        """Return what ``write`` makes of the places in ``rows``, as far as the time goes."""
        places = list(range(len(rows)))
        chunks = [places[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        wrong: list[int] = []
        texts: list[str] = []
        vectors: list[Tensor] = []
        for number in self._share(chunks, write, minutes):
            chunk = chunks[number]
            guesses, landed = self._chunk(number, chunk, write)
            for index, place in enumerate(chunk):
                if guesses[index] != self.texts[rows[place]]:
                    wrong.append(rows[place])
                    texts.append(guesses[index])
                    vectors.append(landed[index])
        if not wrong:  # nothing was wrong, so anything will do to train on
            wrong, texts, vectors = [rows[place] for place in chunk], guesses, list(landed)
        return Guesses(rows=wrong, texts=texts, vectors=torch.stack(vectors))

    def _share(self, chunks: list[list[int]], write: Write, minutes: float | None) -> list[int]:
        """Return the numbers of the chunks that were made; the processes take turns."""
        processes, began = self.context.processes, time.monotonic()
        made = [0.0] * len(chunks)
        for number in range(processes.rank, len(chunks), processes.count):
            # Some are needed, whatever they cost.
            if minutes is not None and any(made) and time.monotonic() - began > minutes * 60:
                break
            self._chunk(number, chunks[number], write)
            made[number] = 1.0
        return [number for number, by in enumerate(processes.totals(made)) if by]

    def _chunk(self, number: int, places: list[int], write: Write) -> tuple[list[str], Tensor]:
        """Return guesses and their vectors, from the work folder if they were made before."""
        text_file = self.context.work / "guesses" / f"{self._key()}-{number:05d}.json"
        vector_file = text_file.with_suffix(".safetensors")
        text_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            stored = [str(guess) for guess in read_json(text_file)["guesses"]]
            landed = load_tensors(vector_file)["vectors"]
            # The last chunk is shorter where fewer guesses are wanted.
            if len(stored) == len(landed) == len(places):
                return stored, landed
        except (CorruptArtifact, KeyError):
            pass
        guesses: list[str] = []
        for start in range(0, len(places), BATCH_SIZE):
            guesses += write(places[start : start + BATCH_SIZE])
        landed = torch.from_numpy(self.oracle.embed(guesses))
        save_tensors(vector_file, {"vectors": landed})
        write_json(text_file, {"guesses": guesses})
        return guesses, landed

    def _key(self) -> str:
        return "-".join([self.key[:16], *map(str, self.names)])
