"""What is measured as a training goes, on texts that are not learned."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from v2t_plugins.attacks.vec2text.model import IGNORED, Inverter
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE
from v2t_plugins.attacks.vec2text.shared import Shared
from v2t_plugins.loop import Evaluate


@dataclass(frozen=True)
class Dev:
    """Texts that are not learned.

    Args:
        vectors: Theirs, (n, d).
        labels: Their subwords, (n, t), padded with `IGNORED`.
    """

    vectors: Tensor
    labels: Tensor

    def loss_of(self, network: nn.Module) -> Evaluate | None:
        """Return what measures the cross entropy of first guesses; None: it makes none."""
        inverter = network.inverter if isinstance(network, Shared) else network
        if not isinstance(inverter, Inverter):
            return None

        def measure() -> dict[str, float]:
            total, count, device = 0.0, 0, next(inverter.parameters()).device
            for start in range(0, len(self.vectors), BATCH_SIZE):
                vectors = self.vectors[start : start + BATCH_SIZE]
                labels = self.labels[start : start + BATCH_SIZE]
                n = int((labels != IGNORED).sum())
                loss = inverter(vectors.to(device), labels.to(device))["loss"]
                total, count = total + float(loss) * n, count + n
            return {"dev_loss": total / max(1, count)}

        return measure
