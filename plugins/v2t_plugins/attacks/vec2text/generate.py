"""Writing a text from encoder states: greedy, with cached keys and values."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, EncoderDecoderCache

from v2t_plugins.attacks.vec2text.model import Network
from v2t_plugins.attacks.vec2text.output_layer import FLOOR


def write_greedily(network: Network, states: Tensor, mask: Tensor, scores: Tensor | None) -> Tensor:
    """Return the likeliest next subword again and again, (n, t), padded after the end token.

    A row that has ended leaves the batch, so a long one does not make the others wait.
    """
    config = network.shape
    n = len(states)
    written = torch.full((n, config.max_length), config.pad_id, device=states.device)
    rows = torch.arange(n, device=states.device)
    last = torch.full((n, 1), config.pad_id, device=states.device)
    bonus = _bonus(network, scores, last)
    cache = _new_cache(network)
    for position in range(config.max_length):
        logits = _next_logits(network, last, states, mask, cache)
        if bonus is not None:
            logits += bonus
        last = logits.argmax(dim=1, keepdim=True)
        written[rows, position] = last[:, 0]
        if bonus is not None:
            bonus.scatter_(1, last, _absent(network).expand(len(last), -1).gather(1, last))
        going = last[:, 0] != config.end_id
        if not going.any():
            break
        # Moving the cache costs about a step, so it waits until a quarter has ended.
        if going.float().mean() < 0.75:
            rows, last, states, mask = rows[going], last[going], states[going], mask[going]
            bonus = bonus[going] if bonus is not None else None
            cache.batch_select_indices(going.nonzero()[:, 0])
    return _blank_after_end(written, config.end_id, config.pad_id)


def _new_cache(network: Network) -> EncoderDecoderCache:
    shape = network.encoder_decoder.decoder.config
    return EncoderDecoderCache(DynamicCache(config=shape), DynamicCache(config=shape))


def _next_logits(
    network: Network, last: Tensor, states: Tensor, mask: Tensor, cache: EncoderDecoderCache
) -> Tensor:
    out = network.encoder_decoder.decoder(
        input_ids=last,
        encoder_hidden_states=states,
        encoder_attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state[:, -1]
    weight = network.encoder_decoder.shared.weight
    return functional.linear(network.scaled(out), weight).float()  # (n, v)


def _absent(network: Network) -> Tensor:
    assert network.lexical is not None
    return (network.lexical.scale * math.log(FLOOR) + network.lexical.bias).unsqueeze(0)


def _bonus(network: Network, scores: Tensor | None, start: Tensor) -> Tensor | None:
    """Return what the lexical scores add to every logit, (n, v), or None."""
    if network.lexical is None or scores is None:
        return None
    bonus = network.lexical.scale * scores + network.lexical.bias
    return bonus.scatter(1, start, _absent(network).expand(len(start), -1).gather(1, start))


def _blank_after_end(written: Tensor, end_id: int, pad_id: int) -> Tensor:
    ended = (written == end_id).long().cumsum(dim=1) - (written == end_id).long() > 0
    written = written.masked_fill(ended, pad_id)
    longest = int((written != pad_id).sum(dim=1).max()) if len(written) else 0
    return written[:, : max(1, longest)]
