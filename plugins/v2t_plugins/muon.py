"""Muon for the matrices of a transformer's blocks and AdamW for everything else, as one.

Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks; embeddings,
projections from outside and all vectors go to AdamW, as they advise. AdamW is torch's, and of
Muon all but the step, which torch always computes in bfloat16.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from v2t_plugins.precision import has_fast_bfloat16

# A matrix of hidden weights in transformers' T5: in a block, and no table of position biases.
_IN_BLOCK, _TABLE = ".block.", "relative_attention_bias"
# Muon's steps have norm 1 whatever the gradient, so its rate is no multiple of AdamW's for
# reasons of scale; no other was tried, see docs/training-log.md.
RATE_OF_MUON = 10.0


class Muon(torch.optim.Muon):
    """torch's Muon, matrices of one shape at a time, in bfloat16 only where that is fast.

    On a processor without bfloat16 torch's own step takes longer than all the rest of a step.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            updates: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    momentum = self._momentum(matrix, matrix.grad, group)
                    updates[matrix.shape].append((matrix, momentum))
            for (rows, columns), pairs in updates.items():
                moved = _orthogonal(torch.stack([update for _, update in pairs]), group)
                rate = group["lr"] * math.sqrt(max(1.0, rows / columns))
                for (matrix, _), update in zip(pairs, moved, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(update.to(matrix.dtype), alpha=-rate)
        return loss

    def _momentum(self, matrix: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        buffer = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
        momentum: Tensor = grad.lerp(buffer, group["momentum"])  # Nesterov's
        return momentum


def _orthogonal(matrices: Tensor, group: dict[str, Any]) -> Tensor:
    """Return the nearest half-orthogonal matrices, (k, rows, columns), roughly.

    Newton and Schulz's iteration as Jordan et al. 2024 tuned it: singular values come out
    between about 0.7 and 1.2.
    """
    x = matrices.bfloat16() if has_fast_bfloat16(str(matrices.device)) else matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(group["eps"])
    a, b, c = group["ns_coefficients"]
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class MuonAndAdamW(torch.optim.Optimizer):
    """Two optimizers that look like one to a learning-rate schedule and to a checkpoint.

    Args:
        model: Its parameters are divided between the two.
        learning_rate: The peak of AdamW; Muon's is `RATE_OF_MUON` times it.
        weight_decay: Of both.
        fused: Whether AdamW runs as one kernel.
    """

    def __init__(
        self, model: nn.Module, *, learning_rate: float, weight_decay: float, fused: bool
    ) -> None:
        trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
        hidden = {name for name, value in trained if _is_hidden(name, value)}
        rest = [value for name, value in trained if name not in hidden]
        adamw = torch.optim.AdamW(
            rest, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, 0.98), fused=fused
        )
        self.halves: list[torch.optim.Optimizer] = [adamw]
        matrices = [value for name, value in trained if name in hidden]
        if matrices:
            rate = RATE_OF_MUON * learning_rate
            self.halves.append(Muon(matrices, lr=rate, weight_decay=weight_decay))
        super().__init__([value for _, value in trained], {"lr": learning_rate})
        self._join()

    def _join(self) -> None:
        # The very groups of the halves: what a schedule sets here is what they step with.
        self.param_groups = [group for half in self.halves for group in half.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take one step with both."""
        loss = closure() if closure is not None else None
        for half in self.halves:
            half.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for half in self.halves:
            half.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both."""
        return {"halves": [half.state_dict() for half in self.halves]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for half, state in zip(self.halves, state_dict["halves"], strict=True):
            half.load_state_dict(state)
        self._join()


def _is_hidden(name: str, value: torch.Tensor) -> bool:
    return value.ndim == 2 and _IN_BLOCK in f".{name}" and _TABLE not in name
