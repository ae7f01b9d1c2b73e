"""An aligner without pairs that is trained against critics: vec2vec (Jha et al. 2025).

Each space has an adapter into a shared latent space and one out of it, around a shared
backbone. They learn to give a vector back (reconstruction), to bring it there and back
(cycle), to keep how vectors lie to one another (preservation of the space), and to deceive
critics of either space and of the latent one. Since the two sides need an optimizer each,
this is the one network that is not trained by `v2t_plugins.training.fit`; a start that was
stopped begins again. Ours is small, and first turns either side into its own principal axes,
each so that its skewness is positive: that takes no pair and saves most of what took days.
What the turning alone is worth is told as ``untrained_top1``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2t_bench.contracts import Size, TrainContext, Vectors
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_plugins.attacks.aligner.maps import Array, unit
from v2t_plugins.attacks.aligner.mini_vec2vec import FEWEST, closeness
from v2t_plugins.attacks.aligner.translator import WEIGHTS, Translator
from v2t_plugins.loop import Record
from v2t_plugins.networks import load_tensors, read_json, save_tensors
from v2t_plugins.training import derive_seed, seeded, write_json

NETWORK, SETTINGS = "vec2vec.safetensors", "vec2vec.json"
HIDDEN: Mapping[Size, int] = {"tiny": 128, "small": 256, "base": 1024}
STEPS = 3000
LEARNING_RATE = 1e-3
BATCH_SIZE = 256
LOGGED = 100


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A side's own axes: centred, turned, at length 1.

    Args:
        centre: (d,).
        axes: In columns, by falling variance, each with positive skewness, (d, d).
        length: The mean length of a centred vector.
    """

    centre: Array
    axes: Array
    length: float

    @classmethod
    def of(cls, vectors: Vectors) -> Axes:
        """Return the axes of ``vectors``, (n, d)."""
        centre = vectors.mean(axis=0, dtype=np.float64)
        rows = vectors - centre
        axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
        skew = ((rows @ axes) ** 3).mean(axis=0)
        axes = axes * np.where(skew < 0, -1.0, 1.0)
        return cls(centre=centre, axes=axes, length=float(np.linalg.norm(rows, axis=1).mean()))

    def along(self, vectors: Vectors) -> NDArray[np.float32]:
        """Return ``vectors`` (n, d) along the axes, at length 1."""
        rows: NDArray[np.float32] = unit((vectors - self.centre) @ self.axes).astype(np.float32)
        return rows

    def back(self, rows: NDArray[np.float32]) -> Vectors:
        """Return what lies so along the axes, (n, d)."""
        vectors: Vectors = (rows @ self.axes.T * self.length + self.centre).astype(np.float32)
        return vectors


@dataclass(frozen=True, kw_only=True)
class TranslatedMap:
    """From the attacked space into the target's, through the shared one.

    Args:
        sides: The axes of either side.
        translator: The networks.
    """

    sides: tuple[Axes, Axes]
    translator: Translator

    @property
    def dim(self) -> int:
        """``d``, of what it takes."""
        return len(self.sides[0].centre)

    @torch.no_grad()
    def apply(self, vectors: Vectors) -> Vectors:
        """Return ``vectors`` (n, d) in the other space, (n, d')."""
        rows = torch.from_numpy(self.sides[0].along(vectors))
        written = self.translator.written(self.translator.latent(rows, 0), 1)
        return self.sides[1].back(written.numpy())

    def save(self, folder: Path) -> None:
        """Write the map into ``folder``; the critics have done their work."""
        state = self.translator.state_dict()
        tensors = {name: state[name] for name in state if not name.startswith("critics.")}
        for number, side in enumerate(self.sides):
            tensors[f"centre.{number}"] = torch.from_numpy(side.centre.astype(np.float32))
            tensors[f"axes.{number}"] = torch.from_numpy(side.axes.astype(np.float32).copy())
        save_tensors(folder / NETWORK, tensors)
        hidden = self.translator.hidden
        lengths = [side.length for side in self.sides]
        write_json(folder / SETTINGS, {"hidden": hidden, "lengths": lengths})

    @classmethod
    def load(cls, folder: Path) -> TranslatedMap:
        """Return the map that `save` wrote.

        Raises:
            CorruptArtifact: a file is missing or damaged.
        """
        stored, settings = load_tensors(folder / NETWORK), read_json(folder / SETTINGS)
        try:
            one, two = (
                Axes(
                    centre=stored.pop(f"centre.{number}").numpy().astype(np.float64),
                    axes=stored.pop(f"axes.{number}").numpy().astype(np.float64),
                    length=float(settings["lengths"][number]),
                )
                for number in (0, 1)
            )
            # What it draws at first is overwritten; the caller's randomness stays as it was.
            with torch.random.fork_rng(devices=[]):
                translator = Translator(
                    dims=(len(one.centre), len(two.centre)), hidden=int(settings["hidden"])
                )
            missing, strange = translator.load_state_dict(stored, strict=False)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise CorruptArtifact(
                f"{folder / NETWORK} does not fit {SETTINGS} ({error}); train again"
            ) from error
        if strange or any(not name.startswith("critics.") for name in missing):
            raise CorruptArtifact(f"{folder / NETWORK} lacks or misnames tensors; train again")
        return cls(sides=(one, two), translator=translator.eval())


def fit_vec2vec(
    x: Vectors, y: Vectors, *, number: int, context: TrainContext
) -> tuple[TranslatedMap, TranslatedMap, dict[str, Any], list[Record]]:
    """Return the map of one start, the same before training, what was decided, and the curve.

    Args:
        x: (n, d).
        y: Of other texts of the same kind, (m, d').
        number: Of the start; another one has other weights and another order.
        context: The budget, for each start, in steps.

    Raises:
        BadInput: a side has too few vectors.
        BadParameter: the budget is in minutes.
    """
    if min(len(x), len(y)) < FEWEST:
        raise BadInput(
            f"aligner:vec2vec: {len(x)} and {len(y)} vectors are too few to learn from; give "
            f"texts for at least {FEWEST} on either side"
        )
    if context.minutes is not None:
        raise BadParameter("aligner:vec2vec takes its budget in steps; leave minutes out")
    sides = (Axes.of(x), Axes.of(y))
    hidden, stage = HIDDEN[context.size], f"vec2vec-{number}"
    dims = (x.shape[1], y.shape[1])
    with seeded(context.seed, stage, "weights"):
        translator = Translator(dims=dims, hidden=hidden)
    untrained = copy.deepcopy(translator).eval()
    decided = {
        "hidden": hidden,
        "steps": context.steps or STEPS,
        "batch_size": context.batch_size or BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "losses": WEIGHTS,
    }
    ours, theirs = (
        torch.from_numpy(side.along(rows)) for side, rows in zip(sides, (x, y), strict=True)
    )
    curve = _compete(translator.to(context.device), ours, theirs, decided, stage, context)
    trained = TranslatedMap(sides=sides, translator=translator.to("cpu").eval())
    return trained, TranslatedMap(sides=sides, translator=untrained), decided, curve


def _compete(
    translator: Translator,
    ours: Tensor,
    theirs: Tensor,
    decided: Mapping[str, Any],
    stage: str,
    context: TrainContext,
) -> list[Record]:
    """Train networks and critics in turn, a step each, and return the losses on the way."""
    critics = list(translator.critics.parameters())
    known = {id(parameter) for parameter in critics}
    networks = [p for p in translator.parameters() if id(p) not in known]
    steps, size = int(decided["steps"]), int(decided["batch_size"])
    optimizers = [
        torch.optim.Adam(group, lr=LEARNING_RATE, betas=(0.5, 0.999))
        for group in (networks, critics)
    ]
    # What oscillates at first comes to rest.
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, 2 * (1 - step / steps)) if step < steps else 0.0
        )
        for optimizer in optimizers
    ]
    draw = torch.Generator().manual_seed(derive_seed(context.seed, stage, "order"))
    curve: list[Record] = []
    for step in range(1, steps + 1):
        first, second = (
            side[torch.randint(len(side), (size,), generator=draw)].to(context.device)
            for side in (ours, theirs)
        )
        latents, made = translator.made(first, second)
        optimizers[1].zero_grad()
        translator.judgement(first, second, latents, made).backward()  # type: ignore[no-untyped-call]
        optimizers[1].step()
        losses = translator(first, second, latents, made)
        optimizers[0].zero_grad()
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(networks, 10.0)
        optimizers[0].step()
        for schedule in schedules:
            schedule.step()
        if step % LOGGED == 0 or step == steps:
            row = {name: round(float(value.detach()), 5) for name, value in losses.items()}
            curve.append({"stage": stage, "step": step, **row})
            context.progress(f"{stage}: step {step}, loss {row['loss']:.3f}")
    return curve


def closeness_of(found: TranslatedMap, x: Vectors, y: Vectors) -> float:
    """Return the mean cosine of mapped ``x`` (n, d) with the closest of ``y`` (m, d'), -1 to 1.

    It needs no pair, so it can choose between starts.
    """
    side = found.sides[1]
    mapped, theirs = side.along(found.apply(x[:2000])), side.along(y)
    return closeness(mapped.astype(np.float64), theirs.astype(np.float64), np.eye(y.shape[1]))
