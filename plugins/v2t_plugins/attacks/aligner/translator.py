"""The networks of vec2vec: adapters around a backbone, and the critics they are trained against."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

# Of the losses; those of Jha et al. but for a lower one of the cycle, which is met at once
# where the networks begin near the identity, and a higher one of the space, a mean here.
RECONSTRUCTION, CYCLE, SPACE, CRITICS = 1.0, 3.0, 10.0, 1.0


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

    def forward(self, ours: Tensor, theirs: Tensor) -> dict[str, Tensor]:
        """Return the loss of adapters and backbone plus that of the critics.

        Neither has a gradient in the other's weights: critics are held still where they are
        to be deceived, and see what was made without what made it where they learn.
        """
        real = (ours, theirs)
        latents = [self.latent(rows, side) for side, rows in enumerate(real)]
        made = [self.written(latents[1 - side], side) for side in (0, 1)]
        again = [self.written(latents[side], side) for side in (0, 1)]
        back = [self.written(self.latent(made[1 - side], 1 - side), side) for side in (0, 1)]
        loss = ours.new_zeros(())
        for side in (0, 1):
            loss = loss + RECONSTRUCTION * _apart(again[side], real[side])
            loss = loss + CYCLE * _apart(back[side], real[side])
            gram = real[side] @ real[side].T
            moved = made[1 - side] @ made[1 - side].T
            loss = loss + SPACE * (gram - moved).abs().mean()
            loss = loss + CRITICS / 2 * self._still(side, made[side]).square().mean()
        loss = loss + CRITICS / 2 * (
            self._still(2, latents[0]).square().mean()
            + (self._still(2, latents[1]) - 1).square().mean()
        )
        judged = [(real[0], made[0]), (real[1], made[1]), (latents[1], latents[0])]
        # Least squares: 0 for what is real, 1 for what was made; of latents, for a side each.
        for critic, (first, second) in zip(self.critics, judged, strict=True):
            loss = loss + critic(first.detach()).square().mean() / 2
            loss = loss + (critic(second.detach()) - 1).square().mean() / 2
        return {"loss": loss}

    def _still(self, number: int, rows: Tensor) -> Tensor:
        """Return what a critic says of ``rows``, without a gradient in its weights."""
        critic = self.critics[number]
        weights = {name: value.detach() for name, value in critic.named_parameters()}
        said: Tensor = functional_call(critic, weights, (rows,))
        return said


def _apart(first: Tensor, second: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(first, second)).mean()
