"""Lexical scores of the bag-of-words network."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_model
from torch import Tensor

from v2t_bench.contracts import TrainContext
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.lexical import BowLexical, RidgeLexical
from v2t_plugins.attacks.vec2text.lexical_training import fit_lexical
from v2t_plugins.attacks.vec2text.model import Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.output_layer import FLOOR
from v2t_plugins.attacks.word_classifier import WordClassifier

N, DIM, WORDS, HIDDEN = 20_000, 16, 30, 64
PAD, END = 0, 1


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bow() -> tuple[BowLexical, dict[str, Tensor]]:
    lexical = BowLexical(dim=5, vocabulary_size=9, hidden=7)
    fitted = {
        "hidden_weight": drawn(7, 5, seed=1),
        "hidden_bias": drawn(7, seed=2),
        "out_weight": 2 * drawn(9, 7, seed=3),
        "out_bias": 3 * drawn(9, seed=4) - 3,
    }
    lexical.set_fitted(fitted)
    return lexical, fitted


def by_hand(vectors: Tensor, fitted: dict[str, Tensor]) -> Tensor:
    x = vectors.double()
    w1, b1, w2, b2 = (fitted[name].double() for name in BowLexical.FITTED)
    inner = x @ w1.T + b1
    inner = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
    return (1 / (1 + torch.exp(-(inner @ w2.T + b2)))).clamp_min(FLOOR).log()


def test_scores_are_log_probabilities_of_a_network_with_one_hidden_layer() -> None:
    lexical, fitted = bow()
    scores = lexical(drawn(6, 5))
    expected = by_hand(drawn(6, 5), fitted)
    torch.testing.assert_close(scores.double(), expected, rtol=1e-5, atol=1e-5)
    assert float(scores.max()) <= 0
    # Some lie below the floor and are lifted to it.
    assert float(scores.min()) == pytest.approx(math.log(FLOOR))
    assert float(scores.min()) < float(scores.median())


def test_scores_are_the_same_whatever_precision_the_networks_run_in() -> None:
    lexical, _ = bow()
    exact = lexical(drawn(6, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(lexical(drawn(6, 5)), exact)
    assert lexical.double()(drawn(6, 5).double()).dtype == torch.float64


def test_what_was_fitted_comes_back_and_another_shape_is_refused() -> None:
    lexical, fitted = bow()
    assert all(torch.equal(value, fitted[name]) for name, value in lexical.fitted().items())
    # It lies in a file of its own, and is no part of the networks'.
    assert set(lexical.state_dict()) == {"scale", "bias"}
    for wrong in (
        {"weight": drawn(9, 6)},
        fitted | {"out_bias": drawn(8)},
        fitted | {"x": drawn(1)},
    ):
        with pytest.raises(ValueError, match="expected tensors hidden_weight"):
            lexical.set_fitted(wrong)


@pytest.mark.parametrize(("hidden", "kind"), [(0, RidgeLexical), (7, BowLexical)])
def test_a_hidden_layer_decides_what_scores_come_from(hidden: int, kind: type) -> None:
    network = Inverter(shape(lexical_hidden=hidden, d_model=16, layers=1, heads=2, d_ff=32))
    assert type(network.lexical) is kind


def shape(**more: Any) -> NetworkConfig:
    usual: dict[str, Any] = {"dim": DIM, "vocabulary_size": WORDS, "max_length": 6,
                             "lexical_words": 3, "pad_id": PAD, "end_id": END}  # fmt: skip
    return NetworkConfig(**usual | more)


def planted(path: Path, hidden: int) -> Any:
    """Return a training whose vectors are sums of the directions of three words, far off zero."""
    words = drawn(N, WORDS - 2, seed=5).topk(3, dim=1).indices + 2  # (n, 3), all different
    ids = torch.full((N, 6), PAD)
    ids[:, :3], ids[:, 3] = words, words[:, 0]  # the first is said twice
    ids[:, 4] = END
    directions = torch.nn.functional.normalize(drawn(WORDS, DIM, seed=6), dim=1)
    vectors = directions[words].sum(dim=1) + 4.0
    (path / "work").mkdir(parents=True)
    return SimpleNamespace(
        config=shape(lexical_hidden=hidden),
        vectors=vectors,
        ids=ids,
        texts=[""] * N,
        labels=lambda rows: ids[torch.as_tensor(rows)].masked_fill(ids == PAD, -100),
        context=TrainContext(folder=path, work=path / "work", max_tokens=32),
        choices=Choices(precision="float32"),
        base_identity="planted",
        words=words,
    )


@pytest.fixture(scope="module")
def fitted_bow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    training = planted(tmp_path_factory.mktemp("planted"), HIDDEN)
    training.fitted, training.curve = fit_lexical(training)
    return training


def filled(training: Any) -> BowLexical:
    lexical = BowLexical(dim=DIM, vocabulary_size=WORDS, hidden=HIDDEN)
    lexical.set_fitted({name: value.half() for name, value in training.fitted.items()})
    return lexical


def test_fitting_finds_the_words_that_are_there(fitted_bow: Any) -> None:
    scores = filled(fitted_bow)(fitted_bow.vectors)
    found = scores.topk(3, dim=1).indices
    hits = (found.unsqueeze(2) == fitted_bow.words.unsqueeze(1)).any(dim=1).float().mean()
    assert float(hits) > 0.5  # a tenth by chance
    # Padding and end are no words, though they stand in every row.
    assert float(scores[:, [PAD, END]].max()) < math.log(0.01)
    assert {row["stage"] for row in fitted_bow.curve} == {"lexical"}


def test_centring_and_scaling_are_part_of_what_is_fitted(fitted_bow: Any) -> None:
    network = WordClassifier(dim=DIM, hidden=HIDDEN, words=WORDS)
    load_model(network, fitted_bow.context.work / "lexical" / "done" / "model.safetensors")
    assert float(network.centre.min()) > 3  # there was something to centre
    expected = torch.nn.functional.logsigmoid(network.eval().logits(fitted_bow.vectors[:99]))
    scores = filled(fitted_bow)(fitted_bow.vectors[:99])
    torch.testing.assert_close(scores, expected.clamp_min(math.log(FLOOR)), rtol=0, atol=0.05)


def test_a_ridge_regression_is_fitted_without_a_curve(tmp_path: Path) -> None:
    training = planted(tmp_path, hidden=0)
    fitted, curve = fit_lexical(training)
    assert curve == []
    assert {name: tuple(value.shape) for name, value in fitted.items()} == {
        "weight": (WORDS, DIM + 1)
    }
