"""How likely a text is, beside how close it lands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from v2t_bench.contracts import Space, Vectors
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.vec2text import search
from v2t_plugins.attacks.vec2text.lexical import RidgeLexical
from v2t_plugins.attacks.vec2text.model import Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Draft, Networks
from v2t_plugins.attacks.vec2text.plausibility import plausibility
from v2t_plugins.attacks.vec2text.tried import Node, worth
from v2t_plugins.seeds import seeded

AFTER = {"a": "b", "b": "c", "c": "a"}
TEXTS = [(5, 9, 1), (7, 7, 8, 11, 6, 1), (12, 1)]


@pytest.fixture(scope="module", params=[0, 4], ids=["plain", "lexical"])
def networks(request: pytest.FixtureRequest) -> Networks:
    shape = NetworkConfig(
        dim=8,
        vocabulary_size=20,
        max_length=8,
        pseudo_tokens=3,
        d_model=32,
        layers=2,
        heads=4,
        d_ff=64,
        dropout=0.0,
        lexical_words=request.param,
    )
    with seeded("plausibility", request.param):
        inverter = Inverter(shape).eval()
        if isinstance(inverter.lexical, RidgeLexical):
            inverter.lexical.weight.normal_(0.05, 0.1)
    tokenizer: Any = None  # nothing is spelled here
    return Networks(inverter=inverter, corrector=None, tokenizer=tokenizer)


def test_plausibility_is_the_mean_log_probability_of_the_subwords(networks: Networks) -> None:
    vectors = np.random.Generator(np.random.PCG64(0)).standard_normal((3, 8)).astype(np.float32)
    found = plausibility(networks, vectors, [Draft(ids, "") for ids in TEXTS])
    for row, ids in enumerate(TEXTS):
        alone = networks.tensor(vectors[row : row + 1])
        with torch.no_grad():
            loss = networks.inverter(alone, torch.tensor([ids]))["loss"]
        assert found[row] == pytest.approx(-float(loss), abs=1e-5)
    assert len(set(found.round(3))) == 3


def test_worth_weighs_plausibility_against_the_logarithm_of_the_distance() -> None:
    node = Node(Draft((1,), "a"), cosine=0.9, plausibility=-2.0)
    assert worth(node, 0.5) == pytest.approx(0.5 * -2.0 + math.log(10))
    assert worth(node, 0.0) == 0.9


def test_no_plausibility_makes_up_for_an_exact_hit() -> None:
    exact = Node(Draft((1,), "a"), cosine=1.0, plausibility=-9.0)
    near = Node(Draft((2,), "b"), cosine=0.98, plausibility=-0.1)
    assert worth(exact, 0.5) > worth(near, 0.5)


class Chain:
    """Corrects a to b and b to c; `where` is the angle of each to the target."""

    guess_tokens = longest_correction = None

    def first_drafts(self, vectors: Vectors, longest: int | None = None) -> list[Draft]:
        return [self.draft("a") for _ in vectors]

    def corrections(
        self, vectors: Vectors, guesses: Sequence[Draft], landed: Vectors, *, beams: int
    ) -> list[list[Draft]]:
        return [[self.draft(AFTER[guess.text])] for guess in guesses]

    def draft(self, text: str) -> Draft:
        return Draft((ord(text),), text)


@pytest.mark.parametrize(("fluency", "answer"), [(0.0, "c"), (0.5, "b"), (0.1, "c")])
def test_the_answer_is_the_text_of_most_worth(
    fluency: float, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Worth at 0.5: a 0.5 * -1 + 0.69 = 0.19, b -0.5 + 1.45 = 0.95, c -3 + 1.72 = -1.28.
    where = {"a": 60.0, "b": 40.0, "c": 34.9}
    likely = {"a": -1.0, "b": -1.0, "c": -6.0}

    def found(networks: Any, vectors: Vectors, drafts: Sequence[Draft]) -> Any:
        return np.array([likely[draft.text] for draft in drafts])

    if fluency == 0.1:
        likely["c"] = -2.0
    monkeypatch.setattr(search, "plausibility", found)

    def embed(texts: Sequence[str], role: str) -> Vectors:
        angles = np.radians([where[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    space = Space(weights="circle", pooling="", normalize=True, max_tokens=9)
    chain: Any = Chain()
    looking = search.Search(
        networks=chain,
        oracle=Oracle(embed, space=space, dim=2),
        steps=5,
        samples=0,
        fluency=fluency,
    )
    (trace,) = looking.run(np.array([[1.0, 0.0]], dtype=np.float32))
    assert trace.text == answer
