"""What is measured as a training goes, on texts that are not learned."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from v2t_plugins.attacks.lesson_texts import mean_loss
from v2t_plugins.attacks.vec2text.model import Inverter
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
            loss = mean_loss(
                lambda vectors, labels: inverter(vectors, labels)["loss"],
                self.vectors,
                self.labels,
                device=next(inverter.parameters()).device,
                batch_size=BATCH_SIZE,
            )
            return {"dev_loss": loss}

        return measure
