"""One network in both roles, and what it is shown in its training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from v2t_bench.contracts import Embedder, TrainContext, Vectors
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import scaled_like_targets
from v2t_plugins.attacks.vec2text.choices import Choices
from v2t_plugins.attacks.vec2text.dev import Dev
from v2t_plugins.attacks.vec2text.model import IGNORED, Corrector, Inverter, NetworkConfig
from v2t_plugins.attacks.vec2text.networks import Draft, Networks
from v2t_plugins.attacks.vec2text.shared import Shared
from v2t_plugins.attacks.vec2text.together import Together
from v2t_plugins.attacks.vec2text.train import Training
from v2t_plugins.seeds import seeded

SHAPE = NetworkConfig(dim=7, vocabulary_size=30, max_length=9, pseudo_tokens=3, d_model=16,
                      layers=1, heads=2, d_ff=32, dropout=0.0, shared=True,
                      layer_norm=False)  # fmt: skip
LABELS = torch.tensor([[4, 1, IGNORED, IGNORED], [5, 6, 7, 1], [8, 9, 1, IGNORED]])


def shared() -> Shared:
    with seeded("shared"):
        return Shared(SHAPE).eval()


def drawn(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 7, generator=torch.Generator().manual_seed(seed))


def test_both_roles_share_all_weights_but_those_that_read_where_a_guess_landed() -> None:
    network = shared()
    corrector = {name for name, _ in network.named_parameters() if name.startswith("corrector.")}
    assert {name.split(".")[1] for name in corrector} == {
        "embedding_transform_2",
        "embedding_transform_3",
    }
    guesses, vectors = torch.tensor([[4, 1]]), drawn(1)
    with torch.no_grad():
        before = network.corrector(vectors, drawn(1, 1), guesses, LABELS[:1, :2])["loss"]
        network.inverter.encoder_decoder.shared.weight.mul_(1.5)
        after = network.corrector(vectors, drawn(1, 1), guesses, LABELS[:1, :2])["loss"]
    assert float(before) != float(after)
    n_shared, n_apart = (
        sum(value.numel() for part in parts for value in part.parameters())
        for parts in ([network], [Inverter(SHAPE), Corrector(SHAPE)])
    )
    t5 = sum(value.numel() for value in network.inverter.encoder_decoder.parameters())
    transform = sum(value.numel() for value in network.inverter.embedding_transform.parameters())
    assert n_shared == n_apart - t5 - transform


def test_the_loss_is_the_mean_over_the_labels_of_both_roles() -> None:
    network = shared()
    guesses = torch.tensor([[4, 5, 1]])
    corrected = network.corrector(drawn(3)[:1], drawn(1, 1), guesses, LABELS[:1, :2])["loss"]
    first = network.inverter(drawn(3)[1:], LABELS[1:])["loss"]
    loss = network(drawn(3), LABELS, guess_vectors=drawn(1, 1), guesses=guesses)["loss"]
    torch.testing.assert_close(loss, (2 * corrected + 7 * first) / 9)
    assert abs((corrected - first).item()) > 1e-3


def test_a_batch_may_be_of_one_role() -> None:
    network = shared()
    first = network(drawn(3), LABELS)["loss"]
    torch.testing.assert_close(first, network.inverter(drawn(3), LABELS)["loss"])
    guesses = torch.tensor([[4, 1, 0], [5, 6, 1], [7, 1, 0]])
    both = network(drawn(3), LABELS, guess_vectors=drawn(3, 1), guesses=guesses)["loss"]
    expected = network.corrector(drawn(3), drawn(3, 1), guesses, LABELS)["loss"]
    torch.testing.assert_close(both, expected)


def test_the_dev_loss_is_the_mean_over_all_labels_of_all_batches() -> None:
    network = shared()
    labels = LABELS.repeat(100, 1)
    labels[:150, 1:] = IGNORED  # the first batch has far fewer labels than the last
    dev = Dev(drawn(300), labels)
    for measured in (network, network.inverter):
        measure = dev.loss_of(measured)
        assert measure is not None
        with torch.no_grad():
            expected = float(network.inverter(drawn(300), labels)["loss"])
            found = measure()
        assert found == {"dev_loss": pytest.approx(expected, rel=1e-5)}
    assert dev.loss_of(network.corrector) is None


OPTIONS = {"vocabulary": "400", "pseudo_tokens": "4", "precision": "float32", "shared": "true"}


def noise(texts: Sequence[str], dim: int) -> Vectors:
    """Return what a release adds: by the text alone."""
    rows = [
        np.random.Generator(np.random.PCG64(list(text.encode()))).normal(size=dim) for text in texts
    ]
    return (0.3 * np.array(rows)).astype(np.float32)


def headless(text: str) -> str:
    return text.partition(" ")[2]


@dataclass
class Shown:
    """What a training of one network in both roles would have shown it."""

    together: Together
    texts: list[str]
    stages: list[dict[str, Any]] = field(default_factory=list)
    corrected: list[tuple[list[str], Vectors, Vectors]] = field(default_factory=list)

    def examples(self, stage: int) -> list[tuple[str, str | None, Vectors, Vectors | None]]:
        """Return text, guess, and the vectors of both, of every example of a stage."""
        told, found = self.stages[stage], []
        decode: Any = self.together.training.tokenizer.decode
        # Shuffled, so that batches hold both roles in any order.
        order = np.random.Generator(np.random.PCG64(1)).permutation(told["n"]).tolist()
        for start in range(0, told["n"], 8):
            batch = told["collate"](order[start : start + 8])
            guesses = batch.get("guesses", [])
            for row, labels in enumerate(batch["labels"]):
                text = decode(labels[labels != IGNORED], skip_special_tokens=True)
                guess = where = None
                if row < len(guesses):  # corrections come first
                    guess = decode(guesses[row], skip_special_tokens=True)
                    where = batch["guess_vectors"][row].numpy()
                found.append((text, guess, batch["vectors"][row].numpy(), where))
        return found


Show = Callable[..., Shown]


@pytest.fixture
def show(
    embedder: Embedder, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Show:
    """Run the stages without taking a step.

    A first guess is the next text, or every fifth time the text itself; a correction is right
    every second time, or else lacks the first word.
    """

    def show(*, released: bool = False, **options: str) -> Shown:
        (tmp_path / "work").mkdir()
        clean = embedder.embed(texts, "document")
        vectors = clean
        if released:
            vectors = scaled_like_targets(clean + noise(texts, embedder.dim), embedder.space)
        context = TrainContext(folder=tmp_path, work=tmp_path / "work", max_tokens=32, size="tiny",
                               steps=10, batch_size=8, options=OPTIONS | options)  # fmt: skip
        training = Training(list(texts), vectors, Choices.read(context), context, None)
        oracle = Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)
        together = Together(training, Shared(training.config), oracle, torch.from_numpy(clean))
        shown = Shown(together, list(texts))
        rows = {vector.tobytes(): row for row, vector in enumerate(vectors)}

        def first(self: Networks, targets: Vectors, *, fast: bool = False) -> list[str]:
            assert self.inverter is together.network.inverter
            places = [rows[target.tobytes()] for target in targets]
            return [texts[(row + (row % 5 > 0)) % len(texts)] for row in places]

        def correct(
            self: Networks, targets: Vectors, guesses: list[Draft], landed: Vectors, **more: Any
        ) -> list[list[Draft]]:
            assert self.corrector is together.network.corrector
            shown.corrected.append(([guess.text for guess in guesses], landed, targets))
            places = [rows[target.tobytes()] for target in targets]
            return [[self.draft(texts[row] if row % 2 else headless(texts[row]))] for row in places]

        def fit(network: Any, n: int, collate: Any, **more: Any) -> list[Any]:
            shown.stages.append({"n": n, "collate": collate, **more})
            return []

        monkeypatch.setattr(Networks, "first_guesses", first)
        monkeypatch.setattr(Networks, "corrections", correct)
        monkeypatch.setattr(training, "fit", fit)
        together.run()
        return shown

    return show


@pytest.mark.parametrize("released", [False, True])
def test_guesses_lie_where_they_land_and_targets_are_as_released(
    show: Show, embedder: Embedder, released: bool
) -> None:
    shown = show(released=released, hypotheses="200")
    corrections = 0
    for stage in range(3):
        for text, guess, target, where in shown.examples(stage):
            clean = embedder.embed([text], "document")
            expected = clean
            if released:
                expected = scaled_like_targets(clean + noise([text], 64), embedder.space)
            np.testing.assert_array_equal(target, expected[0])
            if guess is not None:
                assert guess != text
                np.testing.assert_array_equal(where, embedder.embed([guess], "document")[0])
                corrections += 1
    assert corrections > 300


def test_the_first_stage_holds_every_text_and_corrections_of_what_lies_close(
    show: Show, embedder: Embedder, texts: list[str]
) -> None:
    shown = show()
    examples = shown.examples(0)
    assert sorted(text for text, guess, *_ in examples if guess is None) == sorted(texts)
    closeness = embedder.embed(texts, "document") @ embedder.embed(texts, "document").T
    np.fill_diagonal(closeness, -2)
    pairs = [(texts.index(text), texts.index(guess)) for text, guess, *_ in examples if guess]
    assert len(pairs) == round(0.35 * len(texts))
    ranks = [int((closeness[row] > closeness[row, other]).sum()) for row, other in pairs]
    assert max(ranks) < 32
    assert len(set(ranks)) > 10  # drawn from all of the closest


def test_own_guesses_are_learned_where_wrong_and_corrected_from_the_second_round_on(
    show: Show, texts: list[str]
) -> None:
    shown = show(hypotheses="200")
    wrong = {text: texts[(row + 1) % len(texts)] for row, text in enumerate(texts) if row % 5}
    own = [
        {(text, guess) for text, guess, *_ in shown.examples(stage) if guess} for stage in (1, 2)
    ]
    assert set(wrong.items()) <= own[0]
    still = {(text, headless(text)) for row, text in enumerate(texts) if row % 5 and not row % 2}
    assert not still & own[0]
    assert set(wrong.items()) | still <= own[1]
    right = {text for row, text in enumerate(texts) if row % 2}
    assert not {text for text, guess in own[1] if guess == headless(text)} & right
    # Twice the guesses, and once their corrections.
    assert shown.together.n_guesses == 2 * len(wrong) + len(still)
    # The rest are first guesses and neighbours, twice and a quarter as many at most.
    n = shown.stages[1]["n"]
    firsts = sum(guess is None for _, guess, *_ in shown.examples(1))
    assert firsts == min(len(texts), 2 * len(wrong))
    assert n == len(wrong) + firsts + min(len(wrong) // 4, round(0.35 * len(texts)))


def test_first_guesses_are_twice_as_many_as_own_guesses_where_there_are_texts_for_it(
    show: Show, texts: list[str]
) -> None:
    shown = show(hypotheses="20", rounds="1")
    own = shown.together.n_guesses
    assert 0 < 2 * own < len(texts)
    firsts = [text for text, guess, *_ in shown.examples(1) if guess is None]
    assert len(firsts) == len(set(firsts)) == 2 * own
    assert shown.stages[1]["n"] == own + 2 * own + own // 4


def test_the_corrector_is_shown_the_guess_and_where_it_landed(
    show: Show, embedder: Embedder, texts: list[str]
) -> None:
    shown = show(released=True, hypotheses="200")
    released = scaled_like_targets(
        embedder.embed(texts, "document") + noise(texts, 64), embedder.space
    )
    seen = 0
    for guesses, landed, targets in shown.corrected:
        np.testing.assert_array_equal(landed, embedder.embed(guesses, "document"))
        for guess, target in zip(guesses, targets, strict=True):
            row = texts.index(guess) - 1
            np.testing.assert_array_equal(target, released[row])
            seen += 1
    assert seen == sum(row % 5 > 0 for row in range(len(texts)))


@pytest.mark.parametrize(
    ("rounds", "steps"), [("1", [10, 10]), ("2", [10, 4, 6]), ("3", [10, 2, 2, 6])]
)
def test_the_decay_is_in_the_last_stage_and_the_steps_are_divided(
    show: Show, rounds: str, steps: list[int]
) -> None:
    stages = show(rounds=rounds).stages
    assert [stage["steps"] for stage in stages] == steps
    holds = [stage["hold"] for stage in stages]
    assert holds == [*[1.0] * (len(steps) - 1), pytest.approx(0.3)]
    assert len({stage["stage"] for stage in stages}) == len(steps)


def test_a_batch_is_of_one_role_and_one_length(show: Show) -> None:
    shown = show()
    alike = shown.stages[0]["alike"]
    lengths: dict[bool, set[int]] = {True: set(), False: set()}
    batch = shown.stages[0]["collate"](list(range(len(alike))))
    corrections = len(batch["guesses"])
    assert int((alike >= 1_000_000).sum()) == corrections
    for row, labels in enumerate(batch["labels"]):
        lengths[row < corrections].add(int((labels != IGNORED).sum()))
    assert set((alike % 1_000_000).tolist()) == lengths[True] | lengths[False]


def test_guesses_that_are_stored_are_not_asked_for_again(show: Show, tmp_path: Path) -> None:
    shown = show(hypotheses="200")
    stored = sorted((tmp_path / "work" / "guesses").glob("*.json"))
    counts = [len(json.loads(path.read_text())["guesses"]) for path in stored]
    # All texts twice, and of the second time what was wrong.
    assert sorted(counts) == [86, 108, 108]
    asked = shown.together.oracle.texts_asked
    shown.together.run()
    assert shown.together.oracle.texts_asked == asked == sum(counts)
