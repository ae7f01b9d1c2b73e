"""What our decoder writes is what transformers' generate writes with the same weights."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput

from v2t_plugins.attacks.vec2text.generate import write_beams, write_by_chance, write_greedily
from v2t_plugins.attacks.vec2text.lexical import RidgeLexical
from v2t_plugins.attacks.vec2text.model import Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.output_layer import FLOOR
from v2t_plugins.seeds import seeded

LONGEST = 23  # longer than the caches are at first


def random_network(vocabulary: int, *, lexical_words: int = 0) -> Inverter:
    """Return a network whose texts differ, and end at different lengths."""
    shape = NetworkConfig(
        dim=8,
        vocabulary_size=vocabulary,
        max_length=LONGEST,
        pseudo_tokens=3,
        d_model=32,
        layers=2,
        heads=4,
        d_ff=64,
        lexical_words=lexical_words,
    )
    with seeded("writing", vocabulary):
        network = Inverter(shape).double().eval()
        with torch.no_grad():
            for name, value in network.named_parameters():
                if ".block." in name and value.dim() == 2:
                    value.mul_(3)
            if isinstance(network.lexical, RidgeLexical):
                network.lexical.weight.normal_(0.05, 0.1)
                network.lexical.bias.normal_()
    return network


def read(network: Inverter, n: int = 48) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return encoder states of ``n`` vectors; some rows have positions that are hidden."""
    vectors = torch.randn(n, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        states, mask, scores = network.encode(vectors)
    mask = mask.clone()
    mask[::3, -1] = 0
    return states, mask, scores


class Bonus(LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """The lexical term, added to log probabilities, which normalising makes logits again."""

    def __init__(self, network: Inverter, scores: Tensor, beams: int) -> None:
        self.lexical: Any = network.lexical
        self.feature = scores.repeat_interleave(beams, dim=0)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        feature = self.feature.scatter(1, input_ids, math.log(FLOOR))
        logits: Tensor = scores + self.lexical.scale * feature + self.lexical.bias
        return logits.float().log_softmax(dim=1)


def theirs(network: Inverter, read: tuple[Tensor, Tensor, Tensor | None], beams: int) -> Tensor:
    """Return transformers' texts, (n * k, t), padded behind the end token."""
    states, mask, scores = read
    more: dict[str, Any] = {}
    if scores is not None:
        more["logits_processor"] = LogitsProcessorList([Bonus(network, scores, beams)])
    model: Any = network.encoder_decoder
    ids: Tensor = model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        attention_mask=mask,
        num_beams=beams,
        num_return_sequences=beams,
        max_length=LONGEST + 1,
        do_sample=False,
        early_stopping=False,
        length_penalty=1.0,
        **more,
    )[:, 1:]
    ended = (ids == 1).long()
    return ids.masked_fill(ended.cumsum(dim=1) - ended > 0, 0)


def same_width(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    width = max(one.shape[1], other.shape[1])
    pad = torch.nn.functional.pad
    return pad(one, (0, width - one.shape[1])), pad(other, (0, width - other.shape[1]))


@pytest.mark.parametrize("lexical_words", [0, 4])
@pytest.mark.parametrize("vocabulary", [12, 300])
@pytest.mark.parametrize("beams", [1, 2, 4])
def test_it_writes_what_transformers_writes(
    beams: int, vocabulary: int, lexical_words: int
) -> None:
    network = random_network(vocabulary, lexical_words=lexical_words)
    given = read(network)
    with torch.no_grad():
        if beams == 1:
            ours = write_greedily(network, *given)
        else:
            ours = write_beams(network, *given, beams=beams).flatten(0, 1)
        ours, wanted = same_width(ours, theirs(network, given, beams))
    assert torch.equal(ours, wanted)
    assert len(set(map(tuple, ours.tolist()))) > 3


@pytest.mark.parametrize("beams", [1, 3])
def test_a_text_does_not_depend_on_its_batch(beams: int) -> None:
    network = random_network(12)
    states, mask, _ = read(network)

    def write(rows: slice) -> list[list[int]]:
        with torch.no_grad():
            ids = write_beams(network, states[rows], mask[rows], None, beams=beams)
        # All beams of a text, without the padding that a longer neighbour brings.
        return [[word for word in text.flatten().tolist() if word] for text in ids]

    alone = [write(slice(row, row + 1))[0] for row in range(len(states))]
    assert write(slice(None)) == alone


def test_a_shorter_limit_ends_every_text() -> None:
    network = random_network(300)
    states, mask, scores = read(network)
    with torch.no_grad():
        assert write_greedily(network, states, mask, scores, longest=5).shape[1] <= 5
        assert write_beams(network, states, mask, scores, beams=2, longest=5).shape[2] <= 5


def by_chance(
    network: Inverter, given: tuple[Tensor, Tensor, Tensor | None], chances: Tensor, **more: Any
) -> Tensor:
    settings: dict[str, Any] = {"temperatures": torch.ones(len(chances)), "choices": 12} | more
    with torch.no_grad():
        return write_by_chance(network, *given, chances=chances, **settings)


def some_chances(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("lexical_words", [0, 4])
def test_one_choice_is_greedy(lexical_words: int) -> None:
    network = random_network(300, lexical_words=lexical_words)
    given = read(network)
    with torch.no_grad():
        greedy = write_greedily(network, *given)
    drawn = by_chance(network, given, some_chances(48, 2, LONGEST), choices=1)
    for beam in range(2):
        assert torch.equal(*same_width(drawn[:, beam], greedy))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("lexical_words", [0, 4])
def test_a_subword_is_drawn_as_often_as_it_is_probable(
    lexical_words: int, temperature: float
) -> None:
    network = random_network(12, lexical_words=lexical_words).float()
    vectors = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        given = network.encode(vectors)
    many = 1000
    chances = torch.zeros(1, many, 2)  # the first word is the likeliest, of however many
    chances[0, :, 1] = (torch.arange(many) + 0.5) / many
    heat = torch.tensor([temperature])
    drawn = by_chance(network, given, chances, temperatures=heat)[0]
    (first,) = set(drawn[:, 0].tolist())
    assert first != 1
    # What the loss of the training, an implementation of its own, says of every second word.
    with torch.no_grad():
        losses = [network(vectors, torch.tensor([[first, word]]))["loss"] for word in range(12)]
    expected = (-2 * torch.stack(losses) / temperature).softmax(dim=0)
    shares = torch.bincount(drawn[:, 1], minlength=12) / many
    torch.testing.assert_close(shares, expected, atol=2 / many, rtol=0.0)
    few = by_chance(network, given, chances, temperatures=heat, choices=3)[0, :, 1]
    assert set(few.tolist()) == set(expected.topk(3).indices.tolist())


def test_a_drawn_text_does_not_depend_on_its_batch() -> None:
    network = random_network(12, lexical_words=4)
    states, mask, scores = read(network)
    assert scores is not None
    chances = some_chances(48, 3, LONGEST)
    together = by_chance(network, (states, mask, scores), chances)
    assert len({int((text != 0).sum()) for text in together[:, 0]}) > 3  # some leave early
    for row in range(0, 48, 5):
        one = slice(row, row + 1)
        for beam in range(3):
            alone = by_chance(
                network,
                (states[one], mask[one], scores[one]),
                chances[one, beam : beam + 1],
            )
            assert torch.equal(*same_width(alone[0], together[one, beam]))
