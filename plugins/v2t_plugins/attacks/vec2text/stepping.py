"""A T5 decoder that writes one subword at a time for rows that may leave or branch.

The weights and the arithmetic are those of transformers' T5; what differs is what is kept
between two steps. The keys and values of the encoder's states are computed once for a text
and shared by all its beams, position biases are computed once, and a row that has ended
takes its share of the caches with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from v2t_plugins.attacks.vec2text.model import Network

_FIRST_CAPACITY = 16


class StepDecoder:
    """The state of writing ``k`` beams for each of ``n`` texts.

    Args:
        network: Whose decoder writes.
        states: Encoder states, (n, positions, d_model).
        mask: 1 where a position may be looked at, (n, positions).
        longest: Most subwords written.
        beams: ``k``.
    """

    def __init__(
        self, network: Network, states: Tensor, mask: Tensor, *, longest: int, beams: int = 1
    ) -> None:
        decoder: Any = network.encoder_decoder.decoder
        self.network, self.beams, self.longest = network, beams, longest
        self.position = 0
        self._blocks: Sequence[Any] = [block.layer for block in decoder.block]
        self._last_norm = decoder.final_layer_norm
        # (1, heads, longest, longest); every layer uses that of the first.
        self._bias = self._blocks[0][0].SelfAttention.compute_bias(longest, longest)
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._read = [
            (
                _heads(attention.k(states), attention.n_heads),
                _heads(attention.v(states), attention.n_heads),
            )
            for attention in (layer[1].EncDecAttention for layer in self._blocks)
        ]
        self._hidden: Tensor | None = None
        if not bool(mask.all()):
            low = torch.finfo(self._read[0][0].dtype).min
            blank = torch.zeros_like(mask, dtype=self._read[0][0].dtype)
            self._hidden = blank.masked_fill(mask == 0, low)[:, None, None, :]

    def advance(self, last: Tensor) -> Tensor:
        """Return logits for what follows ``last`` (n * k,), as (n * k, v)."""
        x = self.network.words(last.unsqueeze(1))  # (n * k, 1, d_model)
        for number, (look_back, look_over, think) in enumerate(self._blocks):
            x = x + self._among_written(number, look_back.SelfAttention, look_back.layer_norm(x))
            x = x + self._over_states(number, look_over.EncDecAttention, look_over.layer_norm(x))
            x = think(x)
        self.position += 1
        return self.network.logits(self._last_norm(x)[:, 0])

    def _among_written(self, number: int, attention: Any, x: Tensor) -> Tensor:
        at, heads = self.position, attention.n_heads
        key, value = _heads(attention.k(x), heads), _heads(attention.v(x), heads)
        if number == len(self._seen):
            self._seen.append((_room_for(key, self.longest), _room_for(value, self.longest)))
        elif at == self._seen[number][0].shape[2]:
            # Most texts end long before the limit, so room is made as it is needed.
            self._seen[number] = (_doubled(self._seen[number][0]), _doubled(self._seen[number][1]))
        keys, values = self._seen[number]
        keys[:, :, at] = key[:, :, 0]
        values[:, :, at] = value[:, :, 0]
        bias = self._bias[:, :, at : at + 1, : at + 1].to(key.dtype)
        looked = functional.scaled_dot_product_attention(
            _heads(attention.q(x), heads),
            keys[:, :, : at + 1],
            values[:, :, : at + 1],
            attn_mask=bias,
            scale=1.0,
        )
        out: Tensor = attention.o(looked.transpose(1, 2).flatten(2))
        return out

    def _over_states(self, number: int, attention: Any, x: Tensor) -> Tensor:
        keys, values = self._read[number]  # (n, heads, positions, d_kv)
        beams = x.view(-1, self.beams, x.shape[-1])  # the beams of a text ask the same states
        looked = functional.scaled_dot_product_attention(
            _heads(attention.q(beams), attention.n_heads),
            keys,
            values,
            attn_mask=self._hidden,
            scale=1.0,
        )
        out: Tensor = attention.o(looked.transpose(1, 2).flatten(2))
        return out.view(len(x), 1, -1)

    def keep_texts(self, texts: Tensor) -> None:
        """Go on with some of the n texts, by their places."""
        self.follow(beams_of(texts, self.beams))
        self._read = [(keys[texts], values[texts]) for keys, values in self._read]
        if self._hidden is not None:
            self._hidden = self._hidden[texts]

    def follow(self, beams: Tensor) -> None:
        """Continue each beam from the one whose place, among n * k, is given."""
        self._seen = [
            (_taken(keys, beams, self.position), _taken(values, beams, self.position))
            for keys, values in self._seen
        ]


def beams_of(texts: Tensor, k: int) -> Tensor:
    """Return the places of all beams of some texts, (m * k,), by the texts' places (m,)."""
    return (texts.unsqueeze(1) * k + torch.arange(k, device=texts.device)).flatten()


def _heads(x: Tensor, heads: int) -> Tensor:
    """Return (n, t, heads * d_kv) as (n, heads, t, d_kv)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _room_for(one: Tensor, longest: int) -> Tensor:
    n, heads, _, width = one.shape
    return one.new_empty(n, heads, min(longest, _FIRST_CAPACITY), width)


def _doubled(full: Tensor) -> Tensor:
    return torch.cat([full, torch.empty_like(full)], dim=2)


def _taken(room: Tensor, rows: Tensor, used: int) -> Tensor:
    taken = room.new_empty(len(rows), *room.shape[1:])
    taken[:, :, :used] = room[rows, :, :used]
    return taken
