"""Where a text that is written one subword at a time ends.

The likeliest next subword is a bad judge of that: where many words may follow, none of them
is likely, and the end token wins although the text very probably goes on. Networks that
learned texts of many lengths write half of one. So the end may be decided by how likely it
is that the text has gone on up to here, which is the product over all positions of one less
the probability of the end token: it falls below one half at the median of the lengths the
network believes in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from v2t_plugins.attacks.vec2text.model import NetworkConfig


class Endings:
    """Decides for each of ``n`` texts that are being written whether it ends.

    Args:
        config: Of the network; where its ``end_below`` is 0 the likeliest subword decides.
        n: Texts, or beams of texts.
        device: Of the logits.
        chances: Where each text is to end, (n,), in place of ``end_below``: by chances drawn
            evenly from 0 to 1, texts come out as long as the network believes they are.
    """

    def __init__(
        self, config: NetworkConfig, n: int, device: torch.device, chances: Tensor | None = None
    ) -> None:
        self.config = config
        self.going_on = torch.ones(n, device=device)
        self.below = torch.full_like(self.going_on, config.end_below)
        if chances is not None:
            self.below = chances.to(self.going_on)

    def decide(self, logits: Tensor, *, first: bool) -> Tensor:
        """Return ``logits`` (n, v) with the end token ruled out, or everything else.

        The ``first`` subword is never the end.
        """
        if not self.config.end_below:
            return logits
        end = self.config.end_id
        self.going_on = self.going_on * (1 - logits.softmax(dim=1)[:, end].float())
        ends = (self.going_on < self.below) & (not first)
        decided = logits.masked_fill(ends.unsqueeze(1), -torch.inf)
        decided[:, end] = torch.where(ends, 0.0, -torch.inf).to(logits.dtype)
        return decided

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the texts, by their places or by a mask."""
        self.going_on, self.below = self.going_on[rows], self.below[rows]
