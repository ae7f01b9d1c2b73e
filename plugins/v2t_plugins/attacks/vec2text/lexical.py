"""Which subwords a vector speaks of: a ridge regression beside the networks.

Not part of the published attack; ``lexical=none`` leaves it out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from v2t_plugins.attacks.vec2text.output_layer import FLOOR


class Lexical(nn.Module):
    """Which subwords a vector speaks of: a ridge regression, fitted in closed form.

    Its log scores are added to the decoder's logits with a learned scale, and a learned bias
    a subword; one already written is set back to the floor, so it is not written again
    unless the decoder insists.
    """

    weight: Tensor

    def __init__(self, *, dim: int, vocabulary_size: int) -> None:
        super().__init__()
        # One file serves both networks, so their own files leave it out.
        blank = torch.zeros(vocabulary_size, dim + 1)
        self.register_buffer("weight", blank, persistent=False)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return log scores, (n, v), from log `FLOOR` to 0."""
        wide = torch.promote_types(vectors.dtype, torch.float32)
        weight = self.weight.to(wide)
        with torch.autocast(vectors.device.type, enabled=False):
            scores = vectors.to(wide) @ weight[:, :-1].T + weight[:, -1]
        logs: Tensor = scores.clamp_(FLOOR, 1.0).log_()
        return logs


def fit_lexical(
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
