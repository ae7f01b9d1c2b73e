"""An aligner from pairs that bends: ridge regression, and a small network for what it misses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from v2t_bench.alignment.closed_form import fit_linear
from v2t_bench.alignment.maps import AffineMap
from v2t_bench.contracts import Size, TrainContext, Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_plugins.loop import Record
from v2t_plugins.training import fit, load_network, save_network, seeded, write_json

NETWORK, SETTINGS = "network.safetensors", "mlp.json"
HIDDEN: Mapping[Size, int] = {"tiny": 64, "small": 512, "base": 2048}
LEARNING_RATE = 1e-3
BATCH_SIZE = 256
PASSES = 20
FEWEST_STEPS, MOST_STEPS = 100, 10_000
# One pair in so many says how much of the network is kept.
VALIDATED = 10


class Bend(nn.Module):
    """One hidden layer that says what a linear map misses.

    Args:
        dim: ``d``.
        hidden: Width of the hidden layer.
        target_dim: ``d'``.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, *, dim: int, hidden: int, target_dim: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(1))
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.SiLU(), nn.Dropout(0.1), nn.Linear(hidden, target_dim)
        )

    def missed(self, vectors: Tensor) -> Tensor:
        """Return what is to be added for ``vectors`` (n, d), (n, d')."""
        found: Tensor = self.layers((vectors - self.centre) / self.spread)
        return found

    def forward(self, vectors: Tensor, missed: Tensor) -> dict[str, Tensor]:
        """Return the squared error, a sum over coordinates and a mean over rows."""
        return {"loss": (self.missed(vectors) - missed).square().sum(dim=1).mean()}


@dataclass(frozen=True, kw_only=True)
class BentMap:
    """A linear map plus a share of what a network says it misses.

    Args:
        linear: From (n, d) to (n, d').
        bend: The network.
        share: How much of it is added, 0 to 1.
    """

    linear: AffineMap
    bend: Bend
    share: float

    @property
    def dim(self) -> int:
        """``d``, of what it takes."""
        return self.linear.dim

    @torch.no_grad()
    def apply(self, vectors: Vectors) -> Vectors:
        """Return ``vectors`` (n, d) in the other space, (n, d')."""
        missed = self.bend.missed(torch.from_numpy(np.ascontiguousarray(vectors)))
        mapped: Vectors = (self.linear.apply(vectors) + self.share * missed.numpy()).astype(
            np.float32
        )
        return mapped

    def save(self, folder: Path) -> None:
        """Write the map into ``folder``."""
        self.linear.save(folder)
        save_network(folder / NETWORK, self.bend)
        first = self.bend.layers[0]
        assert isinstance(first, nn.Linear)
        write_json(folder / SETTINGS, {"hidden": first.out_features, "share": self.share})

    @classmethod
    def load(cls, folder: Path) -> BentMap:
        """Return the map that `save` wrote.

        Raises:
            CorruptArtifact: a file is missing or damaged.
        """
        from v2t_plugins.networks import read_json

        linear, settings = AffineMap.load(folder), read_json(folder / SETTINGS)
        try:
            hidden, share = int(settings["hidden"]), float(settings["share"])
            # What it draws at first is overwritten; the caller's randomness stays as it was.
            with torch.random.fork_rng(devices=[]):
                bend = Bend(dim=linear.dim, hidden=hidden, target_dim=len(linear.offset))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CorruptArtifact(
                f"{folder / SETTINGS} lacks or misstates {error}; train again"
            ) from error
        load_network(folder / NETWORK, bend)
        return cls(linear=linear, bend=bend.eval(), share=share)


class _Examples(Dataset[tuple[Tensor, Tensor]]):
    """Vectors (n, d), each with what the linear map misses of its target, (n, d')."""

    def __init__(self, vectors: Vectors, missed: Vectors) -> None:
        self.vectors, self.missed = torch.from_numpy(vectors), torch.from_numpy(missed)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.vectors[row], self.missed[row]


def _collate(examples: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    vectors, missed = zip(*examples, strict=True)
    return {"vectors": torch.stack(list(vectors)), "missed": torch.stack(list(missed))}


def fit_mlp(
    x: Vectors, y: Vectors, *, penalty: float | None, context: TrainContext
) -> tuple[BentMap, dict[str, Any], list[Record]]:
    """Return the map from ``x`` (n, d) to ``y`` (n, d'), what was decided, and the curve.

    A tenth of the pairs is not learned from: it says which share of the network's answer
    brings what was missed closest, so that with too few pairs little is left of it.
    """
    held = np.arange(len(x)) % VALIDATED == VALIDATED - 1
    known = ~held
    linear, penalty = fit_linear(x[known], y[known], penalty)
    missed = y - linear.apply(x)
    hidden = HIDDEN[context.size]
    with seeded(context.seed, "aligner weights"):
        bend = Bend(dim=x.shape[1], hidden=hidden, target_dim=y.shape[1])
    last = bend.layers[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        bend.centre.copy_(torch.from_numpy(x[known].mean(axis=0)))
        bend.spread.fill_(max(float((x[known] - x[known].mean(axis=0)).std()), 1e-6))
        last.weight.mul_(0.1)
        last.bias.zero_()
    batch_size = context.batch_size or BATCH_SIZE
    steps = context.steps
    if steps is None and context.minutes is None:
        steps = min(MOST_STEPS, max(FEWEST_STEPS, PASSES * len(x) // batch_size))
    curve = fit(
        bend,
        _Examples(x[known], missed[known]),
        collate=_collate,
        context=context,
        stage="mlp",
        steps=steps,
        minutes=context.minutes,
        learning_rate=LEARNING_RATE,
        batch_size=batch_size,
        identity=hashlib.sha256(x.tobytes() + missed.tobytes()).hexdigest(),
    )
    share = _share(bend.to("cpu"), x[held], missed[held])
    decided = {
        "ridge": penalty,
        "hidden": hidden,
        "steps": steps,
        "minutes": context.minutes,
        "batch_size": batch_size,
        "learning_rate": LEARNING_RATE,
        "share": share,
    }
    return BentMap(linear=linear, bend=bend, share=share), decided, curve


@torch.no_grad()
def _share(bend: Bend, vectors: Vectors, missed: Vectors) -> float:
    """Return the share of the network's answer that comes closest to ``missed``, 0 to 1."""
    if not len(vectors):
        return 0.0
    said = bend.missed(torch.from_numpy(vectors)).numpy().astype(np.float64)
    best = float((said * missed).sum()) / max(float(np.square(said).sum()), 1e-12)
    return min(1.0, max(0.0, best))
