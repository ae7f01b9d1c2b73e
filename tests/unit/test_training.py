import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_plugins.networks import (
    load_network,
    load_tensors,
    read_json,
    save_network,
    save_tensors,
    write_json,
)
from v2t_plugins.subwords import (
    load_tokenizer,
    piece_texts,
    read_tokenizer,
    save_tokenizer,
    train_tokenizer,
)
from v2t_plugins.training import fit, seeded

TEXTS = [
    f"The {a} {b} saw {c} cats, twice."
    for a in ("red", "old")
    for b in ("dog", "Ünï")
    for c in range(30)
]


class Line(torch.nn.Module):
    """Learns y = w x, with dropout so that randomness matters."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.drop = torch.nn.Dropout(0.2)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.layer(self.drop(x)) - y).square().mean()}


def examples() -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 3, generator=generator)
    return TensorDataset(x, x @ torch.tensor([[1.0], [2.0], [-1.0]]))


def collate(rows: list[Any]) -> dict[str, Tensor]:
    return {"x": torch.stack([x for x, _ in rows]), "y": torch.stack([y for _, y in rows])}


def fresh() -> Line:
    with seeded("line"):
        return Line()


def context(path: Path, **more: Any) -> TrainContext:
    folder, work = path / "folder", path / "work"
    folder.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    return TrainContext(folder=folder, work=work, max_tokens=32, **more)


def train(path: Path, model: Line, **more: Any) -> list[dict[str, Any]]:
    settings: dict[str, Any] = {
        "stage": "line",
        "steps": 40,
        "learning_rate": 0.05,
        "batch_size": 8,
    } | more
    return fit(model, examples(), collate=collate, context=context(path), **settings)


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(value.detach().numpy().tobytes() for value in model.parameters())


def test_a_network_learns(tmp_path: Path) -> None:
    model = fresh()
    train(tmp_path, model, steps=200)
    x, y = examples().tensors
    assert (model.layer(x) - y).square().mean() < 0.2 * y.square().mean()


def test_two_trainings_end_with_equal_bytes(tmp_path: Path) -> None:
    first, second = fresh(), fresh()
    train(tmp_path / "1", first)
    train(tmp_path / "2", second)
    assert weights(first) == weights(second)


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    first, second = fresh(), fresh()
    train(tmp_path / "1", first)
    other = context(tmp_path / "2", seed=1)
    fit(
        second,
        examples(),
        collate=collate,
        context=other,
        stage="line",
        steps=40,
        learning_rate=0.05,
        batch_size=8,
    )
    assert weights(first) != weights(second)


def test_global_randomness_is_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    numpy: Any = np.random.get_state
    expected = torch.get_rng_state(), numpy()[1].copy()
    train(tmp_path, fresh())
    assert torch.equal(torch.get_rng_state(), expected[0])
    np.testing.assert_array_equal(numpy()[1], expected[1])


def test_nothing_is_printed_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, fresh(), steps=120)
    assert capsys.readouterr().out == ""


def test_the_learning_rate_ends_at_nearly_zero(tmp_path: Path) -> None:
    curve = train(tmp_path, fresh(), steps=100)
    assert curve[-1]["step"] == 100
    assert curve[-1]["learning_rate"] < 0.05 * 0.05


def test_a_budget_in_minutes_ends_the_training(tmp_path: Path) -> None:
    began = time.monotonic()
    curve = train(tmp_path, fresh(), steps=None, minutes=0.02)
    assert time.monotonic() - began < 20
    assert curve[-1]["learning_rate"] < 0.05 * 0.2


def test_a_training_without_a_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="budget"):
        train(tmp_path, fresh(), steps=None)


def test_evaluations_join_the_curve(tmp_path: Path) -> None:
    curve = train(tmp_path, fresh(), evaluate=lambda: {"bleu": 1.0}, evaluate_every=20)
    assert [row["step"] for row in curve if "bleu" in row] == [20, 40]


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    first, second = fresh(), fresh()
    curve = train(tmp_path, first)
    began = time.monotonic()
    assert train(tmp_path, second) == curve
    assert weights(first) == weights(second)
    assert time.monotonic() - began < 5


def test_a_finished_training_with_other_settings_starts_anew(tmp_path: Path) -> None:
    first, second = fresh(), fresh()
    train(tmp_path, first)
    train(tmp_path, second, learning_rate=0.01)
    assert weights(first) != weights(second)


class Mean(torch.nn.Module):
    """A loss that is the mean over the cells that are there, of which rows have unlike many."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 6).double()

    def forward(self, x: Tensor, there: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.layer(x) - 1).square()[there].mean()}


def ragged(rows: list[Any]) -> dict[str, Tensor]:
    x = torch.stack([x for x, _ in rows]).double()
    return {"x": x, "there": torch.arange(6) <= (x[:, :1].abs() * 3)}


@pytest.mark.parametrize("slices", [2, 3, 7])
def test_a_step_in_slices_is_the_step(tmp_path: Path, slices: int) -> None:
    found = []
    for accumulate in (1, slices):
        with seeded("mean"):
            model = Mean()
        curve = fit(
            model,
            examples(),
            collate=ragged,
            context=context(tmp_path / str(accumulate)),
            stage="mean",
            steps=20,
            learning_rate=0.05,
            batch_size=7,
            accumulate=accumulate,
            precision="float32",
            terms=lambda batch: int(batch["there"].sum()),
        )
        found.append((model.layer.weight, curve[-1]["loss"]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-9, atol=1e-12)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)


class Interrupted(Exception):
    pass


def stop_at(step: int) -> Any:
    calls = iter(range(1, 1000))

    def evaluate() -> dict[str, float]:
        if next(calls) == step:
            raise Interrupted
        return {}

    return evaluate


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """Leave a work folder whose training stopped at step 30 of 40."""
    with pytest.raises(Interrupted):
        train(tmp_path, fresh(), evaluate=stop_at(30), evaluate_every=1, save_seconds=0.0)
    return tmp_path


def test_a_resumed_training_ends_with_the_bytes_of_an_undisturbed_one(interrupted: Path) -> None:
    assert list((interrupted / "work" / "line").glob("checkpoint-*"))
    whole, resumed = fresh(), fresh()
    train(interrupted / "other", whole)
    told: list[str] = []
    fit(
        resumed,
        examples(),
        collate=collate,
        context=context(interrupted, progress=told.append),
        stage="line",
        steps=40,
        learning_rate=0.05,
        batch_size=8,
    )
    assert any("resuming at step 29" in line for line in told)
    assert weights(whole) == weights(resumed)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "sealed.json"])
def test_a_half_written_checkpoint_is_passed_over(interrupted: Path, name: str) -> None:
    newest = interrupted / "work" / "line" / "checkpoint-29" / name
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    whole, resumed = fresh(), fresh()
    train(interrupted / "other", whole)
    train(interrupted, resumed)
    assert weights(whole) == weights(resumed)


SCRIPT = """
    import sys, time
    sys.path[:0] = {paths!r}
    from pathlib import Path
    import test_training as t
    slow = lambda: (time.sleep(0.05), {{}})[1]
    t.train(Path({path!r}), t.fresh(), evaluate=slow, evaluate_every=1, save_seconds=0.2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_can_be_resumed(tmp_path: Path, how: signal.Signals) -> None:
    root = Path(__file__).resolve().parents[2]
    paths = [str(root / "bench"), str(root / "plugins"), str(Path(__file__).parent)]
    script = textwrap.dedent(SCRIPT).format(paths=paths, path=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        while not list(tmp_path.glob("work/line/checkpoint-*/sealed.json")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(how)
        process.wait(timeout=60)
    finally:
        process.kill()
    assert not (tmp_path / "work" / "line" / "done").exists()
    whole, resumed = fresh(), fresh()
    train(tmp_path / "other", whole)
    train(tmp_path, resumed)
    assert weights(whole) == weights(resumed)


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(4, 4, bias=False)
        self.two = torch.nn.Linear(4, 4, bias=False)
        self.two.weight = self.one.weight


def test_a_stored_network_comes_back(tmp_path: Path) -> None:
    network, back = Tied(), Tied()
    save_network(tmp_path / "n.safetensors", network)
    load_network(tmp_path / "n.safetensors", back)
    assert torch.equal(network.one.weight, back.two.weight)


def test_a_truncated_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    save_network(path, Tied())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptArtifact, match=r"n\.safetensors"):
        load_network(path, Tied())


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    save_network(path, torch.nn.Linear(4, 2))
    for other in (torch.nn.Linear(4, 3), torch.nn.Linear(4, 2, bias=False), Tied()):
        with pytest.raises(CorruptArtifact, match="does not fit"):
            load_network(path, other)


def test_missing_tensors_and_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact):
        load_tensors(tmp_path / "none.safetensors")
    with pytest.raises(CorruptArtifact):
        read_json(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(CorruptArtifact, match="object"):
        read_json(tmp_path / "list.json")


def test_json_and_tensors_come_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    save_tensors(tmp_path / "t.safetensors", {"x": torch.ones(4)[::2]})
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert torch.equal(load_tensors(tmp_path / "t.safetensors")["x"], torch.ones(2))
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


@pytest.mark.parametrize("text", ["The red dog", "Ünï, 日本 🙂!", "new words: xylophone 12,5", "a"])
def test_any_text_can_be_spelled(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS, vocabulary_size=350)
    ids: Any = tokenizer(text)["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id == 1
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_tokenizer_of_the_same_texts_is_the_same() -> None:
    one, two = (train_tokenizer(TEXTS, vocabulary_size=400).get_vocab() for _ in range(2))
    assert one == two


def test_a_stored_tokenizer_comes_back(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, vocabulary_size=350)
    save_tokenizer(tokenizer, tmp_path)
    assert load_tokenizer(tmp_path).get_vocab() == tokenizer.get_vocab()
    assert read_tokenizer(tmp_path)("The red dog") == tokenizer("The red dog")
    assert all(piece_texts(tokenizer))


def test_a_tokenizer_that_came_back_is_stored_in_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    save_tokenizer(train_tokenizer(TEXTS, vocabulary_size=350), first)
    save_tokenizer(read_tokenizer(first), second)
    files = {path.name: path.read_bytes() for path in first.iterdir()}
    assert {path.name: path.read_bytes() for path in second.iterdir()} == files


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CorruptArtifact, match=r"tokenizer\.json"):
        read_tokenizer(tmp_path)


def test_no_text_and_no_room_are_refused() -> None:
    with pytest.raises(BadInput):
        train_tokenizer([" "])
    with pytest.raises(BadParameter):
        train_tokenizer(TEXTS, vocabulary_size=100)
