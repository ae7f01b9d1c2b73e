"""Which subwords a vector speaks of: a ridge regression, or a bag-of-words network, beside T5.

Not part of the published attack; ``lexical=none`` leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from v2t_plugins.attacks.vec2text.output_layer import FLOOR


class Lexical(nn.Module):
    """Which subwords a vector speaks of, (n, d) to log scores (n, v).

    They are added to the decoder's logits with a learned scale, and a learned bias a
    subword; one already written is set back to the floor, so it is not written again unless
    the decoder insists. What the scores come from is fitted before the networks and then
    left alone.

    Args:
        dim: ``d``.
        vocabulary_size: ``v``.
    """

    # What the scores are computed from. One file serves both networks, so their own files
    # leave these out.
    FITTED: tuple[str, ...] = ()

    def __init__(self, *, dim: int, vocabulary_size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def fitted(self) -> dict[str, Tensor]:
        """Return the tensors that `set_fitted` takes."""
        return {name: getattr(self, name) for name in self.FITTED}

    def set_fitted(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over fitted tensors.

        Raises:
            ValueError: one is missing, too many, or of another shape.
        """
        wanted = {name: value.shape for name, value in self.fitted().items()}
        if wanted != {name: value.shape for name, value in tensors.items()}:
            raise ValueError(f"expected tensors {', '.join(wanted)}")
        for name, value in tensors.items():
            getattr(self, name).copy_(value)


class RidgeLexical(Lexical):
    """`Lexical` scores of a ridge regression, fitted in closed form by `fit_ridge`."""

    weight: Tensor
    FITTED = ("weight",)

    def __init__(self, *, dim: int, vocabulary_size: int) -> None:
        super().__init__(dim=dim, vocabulary_size=vocabulary_size)
        blank = torch.zeros(vocabulary_size, dim + 1)
        self.register_buffer("weight", blank, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return log scores, (n, v), from log `FLOOR` to 0."""
        wide = torch.promote_types(vectors.dtype, torch.float32)
        weight = self.weight.to(wide)
        with torch.autocast(vectors.device.type, enabled=False):
            scores = vectors.to(wide) @ weight[:, :-1].T + weight[:, -1]
        logs: Tensor = scores.clamp_(FLOOR, 1.0).log_()
        return logs


class BowLexical(Lexical):
    """`Lexical` scores of the bag-of-words network, with one hidden layer.

    Args:
        dim: ``d``.
        vocabulary_size: ``v``.
        hidden: Width of the hidden layer.
    """

    hidden_weight: Tensor
    hidden_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor
    FITTED = ("hidden_weight", "hidden_bias", "out_weight", "out_bias")

    def __init__(self, *, dim: int, vocabulary_size: int, hidden: int) -> None:
        super().__init__(dim=dim, vocabulary_size=vocabulary_size)
        shapes = ((hidden, dim), (hidden,), (vocabulary_size, hidden), (vocabulary_size,))
        for name, shape in zip(self.FITTED, shapes, strict=True):
            self.register_buffer(name, torch.zeros(shape), persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return log scores, (n, v), from log `FLOOR` to 0."""
        wide = torch.promote_types(vectors.dtype, torch.float32)
        fitted = [getattr(self, name).to(wide) for name in self.FITTED]
        with torch.autocast(vectors.device.type, enabled=False):
            inner = functional.gelu(functional.linear(vectors.to(wide), *fitted[:2]))
            scores = functional.logsigmoid(functional.linear(inner, *fitted[2:]))
        return scores.clamp_min_(math.log(FLOOR))


def fit_ridge(
    vectors: Tensor, labels: Tensor, vocabulary_size: int, strength: float = 3.0
) -> Tensor:
    """Return the ridge weights from vector to bag of subwords, (v, d + 1), bias last.

    Args:
        vectors: (n, d).
        labels: Ids, (n, t); negative ones are padding.
        vocabulary_size: ``v``.
        strength: Of the penalty, in units of a mean squared norm of the vectors.
    """
    n, d = vectors.shape
    x = torch.cat([vectors, torch.ones(n, 1)], dim=1).double()  # (n, d + 1)
    rows = torch.arange(n).unsqueeze(1).expand_as(labels)
    present = labels >= 0
    cells = torch.unique(labels[present] * n + rows[present])  # a repeated subword counts once
    bags = torch.sparse_coo_tensor(
        torch.stack([cells // n, cells % n]),
        torch.ones(len(cells), dtype=torch.float64),
        (vocabulary_size, n),
        is_coalesced=True,
        check_invariants=False,
    )
    penalty = strength * float(vectors.double().square().sum(dim=1).mean())
    gram = x.T @ x + penalty * torch.eye(d + 1, dtype=torch.float64)
    together = torch.sparse.mm(bags, x)  # (v, d + 1)
    weight: Tensor = torch.linalg.solve(gram, together.T).T.float().contiguous()
    return weight
