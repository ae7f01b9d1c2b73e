"""Writing texts from encoder states: greedily, by token beam search, or by chance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from v2t_plugins.attacks.vec2text.endings import Endings
from v2t_plugins.attacks.vec2text.model import Network
from v2t_plugins.attacks.vec2text.output_layer import FLOOR
from v2t_plugins.attacks.vec2text.stepping import StepDecoder, beams_of

# What transformers' beam search takes off a score that must not be chosen.
_NEVER = 1.0e9


def write_greedily(
    network: Network,
    states: Tensor,
    mask: Tensor,
    scores: Tensor | None,
    longest: int | None = None,
) -> Tensor:
    """Return the likeliest next subword again and again, (n, t), padded after the end token.

    A row that has ended leaves the batch, so a long one does not make the others wait.
    """
    config = network.shape
    n, longest = len(states), longest or config.max_length
    written = torch.full((n, longest), config.pad_id, device=states.device)
    rows = torch.arange(n, device=states.device)
    last = torch.full((n,), config.pad_id, device=states.device)
    bonus = _bonus(network, scores, last)
    decoder = StepDecoder(network, states, mask, longest=longest)
    endings = Endings(config, n, states.device)
    for position in range(longest):
        logits = widened(decoder.advance(last))
        if bonus is not None:
            logits = logits + bonus
        last = endings.decide(logits, first=not position).argmax(dim=1)
        written[rows, position] = last
        if bonus is not None:
            _strike(network, bonus, last)
        going = last != config.end_id
        if not going.any():
            break
        # Moving the caches costs about a step, so it waits until a quarter has ended.
        if going.float().mean() < 0.75:
            rows, last = rows[going], last[going]
            endings.keep(going)
            bonus = bonus[going] if bonus is not None else None
            decoder.keep_texts(going.nonzero()[:, 0])
    return _blank_after_end(written, config.end_id, config.pad_id)


class _Beams:
    """The open and the finished beams of ``n`` texts, scored as transformers scores them.

    Scores are float32 whatever the network's precision; a finished one is divided by the
    number of its subwords (length_penalty 1). Wolf et al. 2020, transformers,
    ``num_beams`` with ``early_stopping=False``.
    """

    def __init__(self, n: int, k: int, longest: int, pad_id: int, device: torch.device) -> None:
        self.k, self.longest = k, longest
        self.open = torch.full((n, k, longest), pad_id, device=device)
        self.open_scores = torch.zeros(n, k, device=device)
        # At first all beams are the same, so only one may have successors.
        self.open_scores[:, 1:] = -_NEVER
        self.done = self.open.clone()
        self.done_scores = torch.full((n, k), -_NEVER, device=device)
        self.is_done = torch.zeros(n, k, dtype=torch.bool, device=device)
        self.live = torch.ones(n, dtype=torch.bool, device=device)

    def grow(self, log_probabilities: Tensor, position: int, end_id: int) -> Tensor:
        """Take in what may follow, (n * k, v); return which beam each open one continues, (n, k).

        ``live`` (n,) then says which texts can still improve; the others stay as they are.
        """
        n, v = len(self.open), log_probabilities.shape[1]
        total = log_probabilities.view(n, self.k, v) + self.open_scores.unsqueeze(2)
        best, places = total.view(n, -1).topk(2 * self.k)  # as many again, should k of them end
        parents, words = places // v, places % v
        texts = _gathered(self.open, parents)
        texts[:, :, position] = words
        ended = words == end_id
        if position + 1 == self.longest:
            ended = torch.ones_like(ended)
        running = best - ended.float() * _NEVER
        chosen = running.topk(self.k).indices
        self.open, self.open_scores = _gathered(texts, chosen), running.gather(1, chosen)
        self._finish(texts, best, ended, position + 1)
        can_improve = self.open_scores[:, :1] / (position + 1) > self._worst_done()
        self.live &= can_improve.any(dim=1)
        return parents.gather(1, chosen)

    def _finish(self, texts: Tensor, scores: Tensor, ended: Tensor, length: int) -> None:
        # Only the k best may end; the others stand by to go on.
        ends = ended.clone()
        ends[:, self.k :] = False
        ends &= self.live.unsqueeze(1)
        scores = scores / length - (~ends).float() * _NEVER
        together = torch.cat([self.done_scores, scores], dim=1)
        best = together.topk(self.k).indices
        self.done = _gathered(torch.cat([self.done, texts], dim=1), best)
        self.done_scores = together.gather(1, best)
        self.is_done = torch.cat([self.is_done, ends], dim=1).gather(1, best)

    def _worst_done(self) -> Tensor:
        worst = self.done_scores.min(dim=1, keepdim=True).values
        return torch.where(self.is_done, worst, -_NEVER)

    def keep(self, texts: Tensor) -> None:
        """Go on with some of the texts, by their places."""
        for name in ("open", "open_scores", "done", "done_scores", "is_done", "live"):
            setattr(self, name, getattr(self, name)[texts])


def write_beams(
    network: Network,
    states: Tensor,
    mask: Tensor,
    scores: Tensor | None,
    *,
    beams: int,
    longest: int | None = None,
) -> Tensor:
    """Return the ``k`` likeliest texts a token beam search finds, best first, (n, k, t).

    Padded after the end token. A text whose open beams cannot win any more leaves the batch.
    """
    config = network.shape
    n, longest = len(states), longest or config.max_length
    found = torch.full((n, beams, longest), config.pad_id, device=states.device)
    rows = torch.arange(n, device=states.device)
    last = torch.full((n * beams,), config.pad_id, device=states.device)
    if scores is not None:
        scores = scores.repeat_interleave(beams, dim=0)
    bonus = _bonus(network, scores, last)
    held = _Beams(n, beams, longest, config.pad_id, states.device)
    decoder = StepDecoder(network, states, mask, longest=longest, beams=beams)
    endings = Endings(config, n * beams, states.device)
    for position in range(longest):
        logits = widened(decoder.advance(last))
        if bonus is not None:
            logits = logits + bonus
        logits = endings.decide(logits.float(), first=not position)
        parents = held.grow(logits.log_softmax(dim=1), position, config.end_id)
        if not held.live.any() or position + 1 == longest:
            found[rows] = held.done
            break
        offsets = torch.arange(len(rows), device=states.device).unsqueeze(1) * beams
        parents = (parents + offsets).flatten()
        decoder.follow(parents)
        endings.keep(parents)
        last = held.open[:, :, position].flatten()
        if bonus is not None:
            bonus = bonus[parents]
            _strike(network, bonus, last)
        if held.live.float().mean() < 0.75:
            found[rows] = held.done
            left = held.live.nonzero()[:, 0]
            rows = rows[left]
            held.keep(left)
            decoder.keep_texts(left)
            kept = beams_of(left, beams)
            last = last[kept]
            endings.keep(kept)
            if bonus is not None:
                bonus = bonus[kept]
    used = (found != config.pad_id).flatten(0, 1).any(dim=0).nonzero()
    return found[:, :, : int(used.max()) + 1 if len(used) else 1]


def write_by_chance(
    network: Network,
    states: Tensor,
    mask: Tensor,
    scores: Tensor | None,
    *,
    chances: Tensor,
    temperatures: Tensor,
    choices: int,
) -> Tensor:
    """Return ``k`` texts drawn for each row, (n, k, t), padded after the end token.

    Each subword is one of the likeliest. Laid end to end, likeliest first, as long as they
    are probable, it is the one on which the chance of its position falls.

    Args:
        network, states, mask, scores: As the other ways of writing take them.
        chances: From 0 to 1, 1 excluded, (n, k, t); ``t`` is the most subwords written. A
            text depends on its own alone, so neither batch nor order matters. Where
            `Endings` decide, the last chance of a text says where it ends.
        temperatures: What the logits of a row are divided by, (n,).
        choices: How many of the likeliest; 1 is greedy.
    """
    config = network.shape
    n, k, longest = chances.shape
    written = torch.full((n, k, longest), config.pad_id, device=states.device)
    rows = torch.arange(n, device=states.device)
    last = torch.full((n * k,), config.pad_id, device=states.device)
    going = torch.ones_like(last, dtype=torch.bool)
    if scores is not None:
        scores = scores.repeat_interleave(k, dim=0)
    bonus = _bonus(network, scores, last)
    decoder = StepDecoder(network, states, mask, longest=longest, beams=k)
    endings = Endings(config, n * k, states.device, chances[:, :, -1].flatten())
    for position in range(longest):
        logits = widened(decoder.advance(last))
        if bonus is not None:
            logits = logits + bonus
        logits = endings.decide(logits, first=not position)
        heat = temperatures[rows].repeat_interleave(k)
        last = _drawn(logits, heat, chances[rows, :, position].flatten(), choices)
        written[rows, :, position] = last.view(-1, k)
        if bonus is not None:
            _strike(network, bonus, last)
        going &= last != config.end_id
        live = going.view(-1, k).any(dim=1)
        if not live.any():
            break
        if live.float().mean() < 0.75:
            left = live.nonzero()[:, 0]
            rows = rows[left]
            decoder.keep_texts(left)
            kept = beams_of(left, k)
            last, going = last[kept], going[kept]
            endings.keep(kept)
            if bonus is not None:
                bonus = bonus[kept]
    texts = _blank_after_end(written.flatten(0, 1), config.end_id, config.pad_id)
    return texts.view(n, k, -1)


def _drawn(logits: Tensor, heat: Tensor, chances: Tensor, choices: int) -> Tensor:
    """Return an id for each row of logits, (n, v), by its temperature and its chance, (n,)."""
    best, ids = logits.topk(min(choices, logits.shape[1]), dim=1)
    ends = (best.float() / heat.unsqueeze(1)).softmax(dim=1).cumsum(dim=1)  # (n, choices)
    # Rounding may leave the last end a little short of 1.
    at = torch.searchsorted(ends, chances.unsqueeze(1) * ends[:, -1:], right=True)
    return ids.gather(1, at.clamp_(max=ids.shape[1] - 1))[:, 0]


def _gathered(texts: Tensor, places: Tensor) -> Tensor:
    """Return some of the texts (n, m, t), by their places (n, k)."""
    return texts.gather(1, places.unsqueeze(2).expand(-1, -1, texts.shape[2]))


def widened(logits: Tensor) -> Tensor:
    """Return ``logits`` in float32, or in float64 where they are."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _bonus(network: Network, scores: Tensor | None, start: Tensor) -> Tensor | None:
    """Return what the lexical scores add to every logit, (n, v), or None."""
    if network.lexical is None or scores is None:
        return None
    bonus = network.lexical.scale * scores + network.lexical.bias
    _strike(network, bonus, start)
    return bonus


def _strike(network: Network, bonus: Tensor, written: Tensor) -> None:
    """Set the bonus of subwords just written, (n,), to that of one that is absent."""
    assert network.lexical is not None
    absent = network.lexical.scale * math.log(FLOOR) + network.lexical.bias  # (v,)
    bonus.scatter_(1, written.unsqueeze(1), absent[written].unsqueeze(1).to(bonus.dtype))


def _blank_after_end(written: Tensor, end_id: int, pad_id: int) -> Tensor:
    ended = (written == end_id).long().cumsum(dim=1) - (written == end_id).long() > 0
    written = written.masked_fill(ended, pad_id)
    used = (written != pad_id).any(dim=0).nonzero()
    return written[:, : int(used.max()) + 1 if len(used) else 1]
