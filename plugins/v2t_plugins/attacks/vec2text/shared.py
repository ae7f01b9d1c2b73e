"""One network in both roles: the first guess is the correction of no guess."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from v2t_plugins.attacks.vec2text.model import IGNORED, Corrector, Inverter, NetworkConfig


class Shared(nn.Module):
    """An `Inverter` and a `Corrector` that are one network."""

    # First guesses have no use for what reads where a guess landed.
    USES_ALL = False

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.inverter, self.corrector = Inverter(config), Corrector(config)
        self.corrector.encoder_decoder = self.inverter.encoder_decoder
        self.corrector.lexical = self.inverter.lexical
        self.corrector.embedding_transform_1 = self.inverter.embedding_transform

    def forward(
        self,
        vectors: Tensor,
        labels: Tensor,
        guess_vectors: Tensor | None = None,
        guesses: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss of writing ``labels`` (n, t): the first rows from a guess each.

        As many rows are corrections as ``guesses`` has; the others are first guesses. The
        loss is the mean over the labels of all.
        """
        m = 0 if guesses is None else len(guesses)
        total = torch.zeros((), device=vectors.device)
        if m:
            total = total + _summed(self.corrector, labels[:m], vectors[:m], guess_vectors, guesses)
        if m < len(vectors):
            total = total + _summed(self.inverter, labels[m:], vectors[m:])
        return {"loss": total / (labels != IGNORED).sum()}


def _summed(network: nn.Module, labels: Tensor, *inputs: Tensor | None) -> Tensor:
    """Return the loss of one role, summed over its labels (n, t)."""
    real = labels != IGNORED
    out = network(*inputs, labels[:, : int(real.sum(dim=1).max())])
    summed: Tensor = out["loss"] * real.sum()
    return summed


# What a training works on: two networks, or one in both roles.
Both: TypeAlias = tuple[Inverter, Corrector] | Shared


def roles(networks: Both) -> tuple[Inverter, Corrector]:
    """Return the base model and the corrector, which may be one network."""
    if isinstance(networks, Shared):
        return networks.inverter, networks.corrector
    return networks
