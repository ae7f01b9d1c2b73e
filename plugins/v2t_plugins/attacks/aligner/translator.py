"""The networks of vec2vec: adapters around a backbone, and the critics they are trained against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

# As in Jha et al., but for the space: there a sum over rows, here a mean.
WEIGHTS = {"reconstruction": 1.0, "cycle": 10.0, "space": 10.0, "critics": 1.0}


class Block(nn.Module):
    """A residual network of one hidden layer; what is added begins small.

    Args:
        dim: Of what it takes.
        hidden: Width of the hidden layer.
        out: Of what it returns; what is carried past is cut, or padded with zeros.
    """

    def __init__(self, *, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.out = out
        last = nn.Linear(hidden, out)
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.SiLU(), nn.LayerNorm(hidden), last)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.zero_()

    def forward(self, rows: Tensor) -> Tensor:
        """Return ``rows`` (n, dim) and what is added, (n, out)."""
        carried = functional.pad(rows, (0, max(0, self.out - rows.shape[1])))[:, : self.out]
        result: Tensor = carried + self.layers(rows)
        return result


def _critic(dim: int, hidden: int) -> nn.Module:
    layers: list[nn.Module] = []
    for width in (dim, hidden):
        layers += [nn.Linear(width, hidden), nn.SiLU(), nn.LayerNorm(hidden)]
    return nn.Sequential(*layers, nn.Linear(hidden, 1))


class Translator(nn.Module):
    """Adapters of two spaces around a backbone, and the critics they are trained against.

    Side 0 is the attacked one, (n, d); side 1 the target's, (n, d').
    """

    def __init__(self, *, dims: tuple[int, int], hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        latent = max(dims)
        self.into = nn.ModuleList(Block(dim=d, hidden=hidden, out=latent) for d in dims)
        self.backbone = Block(dim=latent, hidden=hidden, out=latent)
        self.out = nn.ModuleList(Block(dim=latent, hidden=hidden, out=d) for d in dims)
        self.critics = nn.ModuleList(_critic(d, hidden) for d in (*dims, latent))

    def latent(self, rows: Tensor, side: int) -> Tensor:
        """Return ``rows`` of a side in the shared space, (n, l)."""
        result: Tensor = self.backbone(self.into[side](rows))
        return result

    def written(self, latents: Tensor, side: int) -> Tensor:
        """Return shared vectors (n, l) in a side's space, at length 1."""
        return functional.normalize(self.out[side](latents), dim=1)

    def made(self, ours: Tensor, theirs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return both sides' latent vectors, and each side's vectors as made from the other's."""
        latents = [self.latent(ours, 0), self.latent(theirs, 1)]
        return latents, [self.written(latents[1 - side], side) for side in (0, 1)]

    def judgement(
        self, ours: Tensor, theirs: Tensor, latents: Sequence[Tensor], made: Sequence[Tensor]
    ) -> Tensor:
        """Return the loss of the critics; what made the vectors has no gradient of it.

        Least squares: 0 for what is real, 1 for what was made; of latents, for a side each.
        """
        loss = ours.new_zeros(())
        judged = [(ours, made[0]), (theirs, made[1]), (latents[1], latents[0])]
        for critic, (first, second) in zip(self.critics, judged, strict=True):
            loss = loss + critic(first.detach()).square().mean() / 2
            loss = loss + (critic(second.detach()) - 1).square().mean() / 2
        return loss

    def forward(
        self, ours: Tensor, theirs: Tensor, latents: Sequence[Tensor], made: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses of adapters and backbone, weighted, and their sum as ``loss``."""
        real = (ours, theirs)
        zero = ours.new_zeros(())
        losses = {"reconstruction": zero, "cycle": zero, "space": zero, "critics": zero}
        for side in (0, 1):
            again = self.written(latents[side], side)
            back = self.written(self.latent(made[1 - side], 1 - side), side)
            moved = real[side] @ real[side].T - made[1 - side] @ made[1 - side].T
            losses["reconstruction"] = losses["reconstruction"] + _apart(again, real[side])
            losses["cycle"] = losses["cycle"] + _apart(back, real[side])
            losses["space"] = losses["space"] + moved.abs().mean()
            said = self.critics[side](made[side])
            losses["critics"] = losses["critics"] + said.square().mean() / 2
        of_latents = [self.critics[2](latent) for latent in latents]
        deceived = of_latents[0].square().mean() + (of_latents[1] - 1).square().mean()
        losses["critics"] = losses["critics"] + deceived / 2
        losses = {name: WEIGHTS[name] * value for name, value in losses.items()}
        return {**losses, "loss": torch.stack(list(losses.values())).sum()}


def _apart(first: Tensor, second: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(first, second)).mean()
