"""The same weights, read by ours, give the same logits and the same texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from parity.conftest import LONGEST, Saved
from parity.reference import quiet
from v2t_plugins.attacks.vec2text.search import Search


def test_every_tensor_is_taken_over(saved: Saved) -> None:
    networks = saved.load()
    theirs = saved.reference.inverter.float().state_dict()
    ours = networks.inverter.state_dict()
    assert ours.keys() == {name for name in theirs if not name.startswith("embedder.")}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert networks.corrector is not None
    theirs, ours = saved.reference.corrector.float().state_dict(), networks.corrector.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_base_model_gives_the_same_logits(saved: Saved) -> None:
    vectors = saved.vectors(torch.float32)
    labels = torch.randint(2, 300, (64, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = saved.reference.inverter(None, None, labels=labels, frozen_embeddings=vectors)
        network = saved.load().inverter
        states, mask, _ = network.encode(vectors)
        shifted = torch.cat([torch.zeros(64, 1, dtype=torch.long), labels[:, :-1]], dim=1)
        ours = network.logits(network.decode(shifted, states, mask))
    torch.testing.assert_close(ours, theirs.logits, atol=1e-5, rtol=1e-5)


def test_the_corrector_gives_the_same_logits(saved: Saved) -> None:
    vectors = saved.vectors(torch.float32)
    drawn = torch.Generator().manual_seed(0)
    labels = torch.randint(2, 300, (64, 9), generator=drawn)
    guesses = torch.randint(2, 300, (64, 7), generator=drawn)
    guesses[:, 0] = 0  # the start token
    guesses[::3, 4:] = 0
    landed = vectors.flip(0)
    network = saved.load().corrector
    assert network is not None
    with torch.no_grad():
        theirs = saved.reference.corrector(
            embedding=vectors,
            hypothesis_embedding=landed,
            hypothesis_input_ids=guesses,
            hypothesis_attention_mask=(guesses != 0).long(),
            labels=labels,
        )
        states, mask, _ = network.encode(vectors, landed, guesses)
        shifted = torch.cat([torch.zeros(64, 1, dtype=torch.long), labels[:, :-1]], dim=1)
        ours = network.logits(network.decode(shifted, states, mask))
    torch.testing.assert_close(ours, theirs.logits, atol=1e-5, rtol=1e-5)


# In float64, so that no near tie is decided by the order in which a sum is taken.
@pytest.mark.parametrize(
    ("steps", "beam"), [(0, 1), (1, 1), (5, 1), (20, 1), (1, 2), (5, 2), (1, 4), (3, 4)]
)
def test_parity_writes_the_same_tokens(saved: Saved, steps: int, beam: int) -> None:
    vectors = saved.vectors(torch.float64)
    networks = replace(saved.load(torch.float64), longest_correction=LONGEST - 1)
    with quiet(saved.folder):
        ids = saved.reference.invert(vectors, steps=steps, beam=beam, longest=LONGEST)
        theirs = [_trimmed(row) for row in ids.tolist()]
        search = Search(
            networks=networks,
            oracle=saved.reference.oracle(),
            steps=steps,
            beam=beam,
            mode="parity",
        )
        ours = [draft.ids for draft in search.drafts(vectors.float().numpy())]
    assert ours == theirs
    # Else little would have been compared.
    assert len(set(ours)) > 20


def _trimmed(ids: list[int]) -> tuple[int, ...]:
    while ids[-1] == 0 and len(ids) > 1:
        ids = ids[:-1]
    return tuple(ids)


@pytest.mark.parametrize(("steps", "beam"), [(2, 1), (2, 2)])
def test_the_lengths_are_those_of_its_api(saved: Saved, steps: int, beam: int) -> None:
    vectors = saved.vectors(torch.float64)[:4]
    with quiet(saved.folder):
        theirs = saved.reference.vec2text.invert_embeddings(
            vectors,
            saved.reference.trainer,
            num_steps=steps,
            sequence_beam_width=0 if beam == 1 else beam,
        )
        search = Search(
            networks=saved.load(torch.float64),
            oracle=saved.reference.oracle(),
            steps=steps,
            beam=beam,
            mode="parity",
        )
        ours = [trace.text for trace in search.run(vectors.float().numpy())]
    assert ours == theirs


@pytest.mark.parametrize("beam", [1, 2])
def test_leaving_in_a_circle_changes_no_row(saved: Saved, beam: int) -> None:
    vectors = saved.vectors(torch.float64).float().numpy()
    networks = replace(saved.load(torch.float64), longest_correction=LONGEST - 1)
    answers, asked = [], []
    for remember in (True, False):
        oracle = saved.reference.oracle()
        search = Search(
            networks=networks, oracle=oracle, steps=12, beam=beam, mode="parity", remember=remember
        )
        answers.append([trace.text for trace in search.run(vectors)])
        asked.append(oracle.texts_asked)
    assert answers[0] == answers[1]
    assert asked[0] < asked[1]
