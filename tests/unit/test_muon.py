"""Muon and AdamW as one optimizer, and the schedule that both follow."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from v2t_bench.contracts import TrainContext
from v2t_plugins import muon as muon_module
from v2t_plugins.attacks.vec2text.model import Inverter, NetworkConfig
from v2t_plugins.muon import RATE_OF_MUON, Muon, MuonAndAdamW
from v2t_plugins.seeds import seeded
from v2t_plugins.training import fit

SHAPE = NetworkConfig(dim=6, vocabulary_size=20, max_length=5, pseudo_tokens=2, d_model=8, layers=1,
                      heads=2, d_ff=12, dropout=0.0, lexical_words=3)  # fmt: skip
ATTENTION = ("q", "k", "v", "o")
MATRICES = {
    f"encoder_decoder.{name}.weight"
    for name in (
        *(f"encoder.block.0.layer.0.SelfAttention.{part}" for part in ATTENTION),
        *(f"decoder.block.0.layer.0.SelfAttention.{part}" for part in ATTENTION),
        *(f"decoder.block.0.layer.1.EncDecAttention.{part}" for part in ATTENTION),
        *(f"encoder.block.0.layer.1.DenseReluDense.{part}" for part in ("wi", "wo")),
        *(f"decoder.block.0.layer.2.DenseReluDense.{part}" for part in ("wi", "wo")),
    )
}


def inverter() -> Inverter:
    with seeded("inverter"):
        return Inverter(SHAPE)


def both(model: torch.nn.Module) -> MuonAndAdamW:
    return MuonAndAdamW(model, learning_rate=0.01, weight_decay=0.1, fused=False)


def learn_from(model: Inverter, seed: int) -> None:
    """Leave the gradient of one batch."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(4, 6, generator=generator)
    labels = torch.randint(2, 20, (4, 5), generator=generator)
    model.zero_grad()
    model(vectors, labels)["loss"].backward()


def state(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_everything_else() -> None:
    model = inverter()
    names = {id(value): name for name, value in model.named_parameters()}
    model.embedding_transform[0].bias.requires_grad = False
    adamw, muon = both(model).halves
    assert isinstance(muon, torch.optim.Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    taken = [
        [names[id(value)] for group in half.param_groups for value in group["params"]]
        for half in (adamw, muon)
    ]
    assert sorted(taken[1]) == sorted(MATRICES)
    left = set(names.values()) - MATRICES - {"embedding_transform.0.bias"}
    assert sorted(taken[0]) == sorted(left)
    assert {"encoder_decoder.shared.weight", "embedding_transform.3.weight"} < left
    assert any("relative_attention_bias" in name for name in left)


@pytest.mark.parametrize("fast_bfloat16", [False, True])
def test_a_step_is_that_of_either_alone(
    fast_bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon_module, "has_fast_bfloat16", lambda device: fast_bfloat16)
    model, other = inverter(), inverter()
    optimizer = both(model)
    matrices = [value for name, value in other.named_parameters() if name in MATRICES]
    rest = [value for name, value in other.named_parameters() if name not in MATRICES]
    adamw = torch.optim.AdamW(rest, lr=0.01, weight_decay=0.1, betas=(0.9, 0.98))
    muon = torch.optim.Muon(matrices, lr=0.01 * RATE_OF_MUON, weight_decay=0.1)
    for seed in range(3):
        learn_from(model, seed)
        # The same gradients, though rounding has moved them apart by now.
        for mine, same in zip(model.parameters(), other.parameters(), strict=True):
            same.grad = None if mine.grad is None else mine.grad.clone()
        for each in (optimizer, adamw, muon):
            each.step()
    before, expected = state(inverter()), state(other)
    for name, value in state(model).items():
        # torch rounds to bfloat16, three digits, and 45 multiplications follow.
        moved = 0.06 if name in MATRICES else 1e-6
        distance = (value - expected[name]).norm()
        assert distance <= moved * (expected[name] - before[name]).norm(), name


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (12, 8), (8, 12)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_step_of_a_matrix_is_half_orthogonal_whatever_the_precision(
    rows: int, columns: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon_module, "has_fast_bfloat16", lambda device: False)
    generator = torch.Generator().manual_seed(rows + columns)
    given = torch.randn(2, rows, columns, generator=generator, dtype=dtype)
    matrices = [torch.nn.Parameter(matrix.clone()) for matrix in given]
    for matrix in matrices:
        matrix.grad = torch.randn(rows, columns, generator=generator, dtype=dtype)
    Muon(matrices, lr=1.0, weight_decay=0.0).step()
    for before, matrix in zip(given, matrices, strict=True):
        moved = (matrix - before).detach() / max(1.0, rows / columns) ** 0.5
        assert moved.dtype == dtype
        assert ((torch.linalg.svdvals(moved) > 0.6) & (torch.linalg.svdvals(moved) < 1.3)).all()


def test_gradients_are_forgotten_in_both() -> None:
    model = inverter()
    learn_from(model, 0)
    both(model).zero_grad()
    assert all(value.grad is None for value in model.parameters())


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_schedule_acts_on_both_halves_also_after_a_resume(reloaded: bool) -> None:
    model = inverter()
    optimizer = both(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1.0, 0.5, 0.0)[step])
    learn_from(model, 0)
    optimizer.step()
    schedule.step()
    if reloaded:
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    rates = [[group["lr"] for group in half.param_groups] for half in optimizer.halves]
    assert rates == [[0.005], [0.005 * RATE_OF_MUON]]
    schedule.step()
    before = state(model)
    learn_from(model, 1)
    optimizer.step()
    after = state(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_state_that_comes_back_goes_on_as_if_nothing_had_happened() -> None:
    model = inverter()
    optimizer = both(model)
    for seed in range(3):
        learn_from(model, seed)
        optimizer.step()
    other = inverter()
    other.load_state_dict(model.state_dict())
    resumed = both(other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for network, each in ((model, optimizer), (other, resumed)):
        learn_from(network, 3)
        each.step()
    expected = state(model)
    assert all(torch.equal(value, expected[name]) for name, value in state(other).items())


class Blocks(torch.nn.Module):
    """One matrix for Muon and one for AdamW, with dropout so that randomness matters."""

    def __init__(self) -> None:
        super().__init__()
        self.block = torch.nn.ModuleList([torch.nn.Linear(3, 3)])
        self.out = torch.nn.Linear(3, 1)
        self.drop = torch.nn.Dropout(0.2)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.out(self.block[0](self.drop(x)).tanh()) - y).square().mean()}


class Interrupted(Exception):
    pass


def collate(rows: list[Any]) -> dict[str, Tensor]:
    return {"x": torch.stack([x for x, _ in rows]), "y": torch.stack([y for _, y in rows])}


def train(path: Path, **more: Any) -> tuple[Blocks, list[dict[str, Any]]]:
    folder, work = path / "folder", path / "work"
    folder.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    with seeded("blocks"):
        model = Blocks()
    settings: dict[str, Any] = {
        "stage": "blocks", "steps": 40, "learning_rate": 0.01, "batch_size": 8, "optimizer": "muon"
    } | more  # fmt: skip
    context = TrainContext(folder=folder, work=work, max_tokens=32)
    examples = TensorDataset(x, x @ torch.tensor([[1.0], [2.0], [-1.0]]))
    return model, fit(model, examples, collate=collate, context=context, **settings)


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(value.detach().numpy().tobytes() for value in model.parameters())


def test_a_resumed_training_with_muon_ends_with_the_bytes_of_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    calls = iter(range(1, 100))

    def stop() -> dict[str, float]:
        if next(calls) == 30:
            raise Interrupted
        return {}

    with pytest.raises(Interrupted):
        train(tmp_path / "1", evaluate=stop, evaluate_every=1, save_seconds=0.0)
    assert (tmp_path / "1" / "work" / "blocks" / "checkpoint-29").is_dir()
    resumed, curve = train(tmp_path / "1", evaluate=lambda: {"one": 1.0}, evaluate_every=1)
    assert [row["step"] for row in curve if "one" in row] == list(range(30, 41))
    whole, _ = train(tmp_path / "2")
    other, _ = train(tmp_path / "3", optimizer="adamw")
    assert weights(resumed) == weights(whole) != weights(other)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(
    ("hold", "middle", "end"),
    [(0.0, 0.51, 0.01), (0.25, 0.51 / 0.75, 0.01 / 0.75), (0.5, 1.0, 0.02), (1.0, 1.0, 1.0)],
)
def test_the_decay_begins_when_the_hold_is_over(
    tmp_path: Path, hold: float, middle: float, end: float, optimizer: str
) -> None:
    _, curve = train(tmp_path, steps=100, hold=hold, optimizer=optimizer, warm_up=10)
    # Steps 50 and 100 are taken when 49 and 99 of a hundred are spent.
    rates = {row["step"]: row["learning_rate"] / 0.01 for row in curve if "learning_rate" in row}
    assert rates == {50: pytest.approx(middle), 100: pytest.approx(end)}


def test_a_hold_does_not_shorten_the_warm_up(tmp_path: Path) -> None:
    _, curve = train(tmp_path, steps=100, hold=1.0, warm_up=200)
    rates = {row["step"]: row["learning_rate"] / 0.01 for row in curve if "learning_rate" in row}
    assert rates == {50: pytest.approx(0.25, abs=0.01), 100: pytest.approx(0.5, abs=0.01)}


def test_another_hold_and_another_optimizer_are_other_trainings(tmp_path: Path) -> None:
    found = [
        weights(train(tmp_path, **more)[0])
        for more in ({}, {"hold": 0.5}, {"optimizer": "adamw"}, {"hold": 0.5})
    ]
    assert found[0] != found[1] != found[2] != found[0]
    assert found[1] == found[3]
