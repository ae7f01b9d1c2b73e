"""How likely a text is a first guess for its vector, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2t_bench.contracts import Vectors
from v2t_plugins.attacks.vec2text.generate import widened
from v2t_plugins.attacks.vec2text.model import IGNORED, Network
from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE, Draft, Networks

# Whose logits exist at a time.
_POSITIONS = 512


def plausibility(
    networks: Networks, vectors: Vectors, drafts: Sequence[Draft]
) -> NDArray[np.float64]:
    """Return how likely each text is a first guess for its vector, (n, d), as (n,).

    The mean log probability of its subwords, in nats, 0 at most.
    """
    found = []
    for start in range(0, len(drafts), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        ids = networks.padded(drafts[part])
        labels = ids.masked_fill(ids == networks.config.pad_id, IGNORED)
        with torch.no_grad():
            # The first guesses of a text follow each other, and have their vector in common.
            each, places = torch.unique_consecutive(
                networks.tensor(vectors[part]), return_inverse=True, dim=0
            )
            encoded, mask, scores = networks.inverter.encode(each)
            states = (encoded[places], mask[places], None if scores is None else scores[places])
            found.append(_mean_log_probability(networks.inverter, states, labels))
    plausible: NDArray[np.float64] = torch.cat(found).double().cpu().numpy()
    return plausible


def _mean_log_probability(
    network: Network, states: tuple[Tensor, Tensor, Tensor | None], labels: Tensor
) -> Tensor:
    encoded, mask, scores = states
    told, rows, term = network.told(encoded, mask, labels, scores)
    wanted, weight = labels[labels != IGNORED], network.encoder_decoder.shared.weight
    total = told.new_zeros(len(labels), dtype=torch.float64)
    for start in range(0, len(told), _POSITIONS):
        at = slice(start, start + _POSITIONS)
        logits = widened(told[at] @ weight.T)
        if term is not None:
            logits += term.bias + term.scale * term.feature(at)
        chosen = logits.gather(1, wanted[at].unsqueeze(1))[:, 0] - logits.logsumexp(dim=1)
        total.index_add_(0, rows[at], chosen.double())
    # A text of no subwords at all is no likelier than any.
    return total / (labels != IGNORED).sum(dim=1).clamp_min(1)
