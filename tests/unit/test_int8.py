"""Weights stored as int8 with a scale a row, and what is damaged in such a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from v2t_bench.errors import BadParameter, BrokenPromise, CorruptArtifact
from v2t_plugins.int8 import pack, unpack
from v2t_plugins.networks import load_network, load_tensors, save_network, save_tensors

PLACE = Path("t.safetensors")


def back(tensor: Tensor, **more: tuple[str, ...]) -> Tensor:
    """Return a tensor as it is after being stored."""
    return unpack(pack({"x": tensor}, **more), PLACE)["x"]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Small(torch.nn.Module):
    """A matrix that is used twice, a bias, a number, a convolution, and a count."""

    count: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.one = torch.nn.Linear(400, 300)
            self.two = torch.nn.Linear(400, 300, bias=False)
            self.wide = torch.nn.Conv1d(20, 30, 5)
        self.two.weight = self.one.weight
        self.factor = torch.nn.Parameter(torch.tensor(1.5 + seed))
        self.register_buffer("count", torch.arange(3) + seed)


def test_an_entry_is_the_nearest_of_255_steps_of_its_row() -> None:
    # By hand: 1.27 / 127 is a step of 0.01 (0.010002 in float16), 2 ** -6 a step exactly.
    rows = torch.tensor([[1.27, -0.634, 0.0], [127 / 64, 1.49 / 64, -1.51 / 64]])
    packed = pack({"x": rows})
    assert packed["x"].tolist() == [[127, -63, 0], [127, 1, -2]]
    assert packed["x.scale"].dtype == torch.float16
    assert packed["x.scale"].tolist() == pytest.approx([0.01, 1 / 64], rel=2**-11)
    assert unpack(packed, PLACE)["x"][1].tolist() == [127 / 64, 1 / 64, -2 / 64]


@pytest.mark.parametrize("magnitude", [1e-30, 1e-6, 1e-3, 1.0, 1e4, 1e9])
@pytest.mark.parametrize("shape", [(50, 300), (7, 6, 5)])
def test_no_entry_is_off_by_more_than_half_a_step(shape: tuple[int, ...], magnitude: float) -> None:
    tensor = drawn(*shape) * magnitude
    # float16 scales are off by at most 2 ** -11, which moves 127 steps by 127 * 2 ** -11.
    most = tensor.flatten(1).abs().amax(1) / 127 * (0.5 + 127 * 2**-11)
    off = (back(tensor) - tensor).flatten(1).abs().amax(1)
    assert bool((off <= most).all())
    assert bool((off > most / 4).all())  # it is rounded at all


def test_a_scale_that_float16_would_lose_is_kept_in_float32() -> None:
    small = torch.tensor([[1e-5, -1e-5], [1.0, 0.5]])
    assert pack({"x": small})["x.scale"].dtype == torch.float32
    assert back(small)[0].tolist() == pytest.approx([1e-5, -1e-5])
    assert pack({"x": torch.full((2, 2), 1e8)})["x.scale"].dtype == torch.float32


def test_numbers_near_the_end_of_float32_keep_their_sign() -> None:
    # A scale is a multiple of 2 ** -149 there: 2e-43 are 143 of them, and int8 ends at 127.
    tiny = torch.tensor([[2e-43, -2e-43]])
    assert pack({"x": tiny})["x"].tolist() == [[127, -127]]


def test_rows_of_zeros_stay_zeros() -> None:
    rows = drawn(4, 6)
    rows[1] = 0
    packed = pack({"x": rows})
    assert packed["x.scale"].dtype == torch.float16
    assert back(rows)[1].tolist() == [0] * 6
    assert torch.equal(back(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_a_last_column_apart_leaves_the_others_their_precision() -> None:
    weight = torch.cat([drawn(40, 30) * 1e-3, torch.full((40, 1), 0.7)], dim=1)
    together, apart = back(weight), back(weight, last_apart=("x",))
    rest = weight[:, :-1]
    assert float((together[:, :-1] - rest).abs().max()) > 1e-3  # the bias took it all
    assert float((apart[:, :-1] - rest).abs().max()) < 2e-5
    assert torch.allclose(apart[:, -1], weight[:, -1], rtol=2**-11)
    assert sorted(pack({"x": weight}, ("x",))) == ["x", "x.last", "x.scale"]
    # Of another tensor nothing is kept apart.
    assert sorted(pack({"y": weight}, ("x",))) == ["y", "y.scale"]


def test_what_has_no_rows_is_float16_and_whole_numbers_stay() -> None:
    given = {"n": torch.arange(5), "line": drawn(9), "one": torch.tensor(0.1), "no": drawn(0, 3)}
    packed = pack(given)
    kinds = {name: tensor.dtype for name, tensor in packed.items()}
    half = torch.float16
    assert kinds == {"n": torch.int64, "line": half, "one": half, "no": half}
    assert torch.equal(packed["line"], given["line"].half())
    assert pack({"line": torch.tensor([1e6])})["line"].tolist() == [1e6]


def test_a_network_comes_back_from_a_quarter_of_its_size(tmp_path: Path) -> None:
    network, other = Small(), Small(1)
    save_network(tmp_path / "whole", network)
    save_network(tmp_path / "int8", network, weights="int8")
    sizes = [(tmp_path / name).stat().st_size for name in ("whole", "int8")]
    assert 0.25 < sizes[1] / sizes[0] < 0.27
    load_network(tmp_path / "int8", other)
    assert other.two.weight is other.one.weight
    given, found = network.one.weight.detach(), other.one.weight.detach()
    assert 0 < float((found - given).abs().max()) <= 0.6 * float(given.abs().max()) / 127
    assert torch.equal(other.one.bias, network.one.bias.half().float())
    assert (other.factor.item(), other.count.tolist()) == (1.5, [0, 1, 2])


def test_float16_is_stored_as_ever(tmp_path: Path) -> None:
    save_network(tmp_path / "told", Small(), weights="fp16")
    save_network(tmp_path / "before", Small().half())
    assert (tmp_path / "told").read_bytes() == (tmp_path / "before").read_bytes()
    back = Small(1)
    load_network(tmp_path / "told", back)
    assert torch.equal(back.one.weight, Small().one.weight.half().float())


def test_without_being_told_numbers_stay_as_they_are(tmp_path: Path) -> None:
    given = {"x": drawn(3, 4), "x.scale": drawn(3), "half": drawn(2).half()}
    save_tensors(tmp_path / "t", given)
    found = load_tensors(tmp_path / "t")
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        "x": torch.float32, "x.scale": torch.float32, "half": torch.float16
    }  # fmt: skip
    assert all(torch.equal(found[name], given[name]) for name in given)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"x.scale": None}, r"lacks x\.scale"),
        ({"x.scale": torch.ones(4)}, "each of 5 rows"),
        ({"x.scale": torch.ones(5, 1)}, "each of 5 rows"),
        ({"x.scale": torch.ones(5, dtype=torch.int32)}, "floating point"),
        ({"x.scale": torch.tensor([1, 1, 1, 1, float("nan")])}, "NaN or infinity"),
        ({"x.scale": torch.tensor([1, 1, 1, 1, float("inf")]).half()}, "NaN or infinity"),
        ({"x.scale": -torch.ones(5)}, "negative"),
        ({"x.last": torch.ones(4)}, "each of 5 rows"),
        ({"x.last": torch.full((5,), float("nan"))}, "NaN or infinity"),
        ({"x": torch.ones(5, 2, 2, dtype=torch.int8)}, "no columns"),
        ({"x": torch.tensor(1, dtype=torch.int8)}, "no rows"),
    ],
)
def test_rows_without_their_scales_are_refused(
    tmp_path: Path, damage: dict[str, Tensor | None], message: str
) -> None:
    held = pack({"x": drawn(5, 3)}, ("x",)) | damage
    path = tmp_path / "t.safetensors"
    save_file({name: tensor for name, tensor in held.items() if tensor is not None}, str(path))
    with pytest.raises(CorruptArtifact, match=rf"t\.safetensors.*{message}"):
        load_tensors(path)


@pytest.mark.parametrize("extra", ["one.weight.last", "two.weight.scale", "one.bias.scale"])
def test_a_network_with_parts_too_many_is_refused(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "n.safetensors"
    save_network(path, Small(), weights="int8")
    save_file(load_file(str(path)) | {extra: torch.ones(300)}, str(path))
    with pytest.raises(CorruptArtifact, match="does not fit its configuration"):
        load_network(path, Small())


def test_what_cannot_be_stored_so_is_refused(tmp_path: Path) -> None:
    for tensor in (torch.full((2, 2), float("nan")), torch.tensor([float("inf")])):
        with pytest.raises(BrokenPromise, match="x holds NaN or infinity"):
            save_tensors(tmp_path / "t", {"x": tensor}, weights="int8")
    with pytest.raises(BrokenPromise, match=r"two tensors are called x\.scale"):
        save_tensors(tmp_path / "t", {"x": drawn(2, 2), "x.scale": drawn(2)}, weights="int8")
    with pytest.raises(BrokenPromise, match="x is of int8"):
        save_tensors(tmp_path / "t", {"x": torch.ones(2, dtype=torch.int8)})
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_diverged_is_not_stored(tmp_path: Path) -> None:
    network = Small()
    with torch.no_grad():
        network.one.weight[0, 0] = float("nan")
    with pytest.raises(BadParameter, match=r"one\.weight holds NaN or infinity; give a"):
        save_network(tmp_path / "n.safetensors", network, weights="fp16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strange", [float("nan"), float("-inf")])
def test_numbers_that_are_none_are_not_read(tmp_path: Path, strange: float) -> None:
    path = tmp_path / "n.safetensors"
    save_network(path, Small(), weights="fp16")
    stored = load_file(str(path))
    stored["one.bias"][1] = strange
    save_file(stored, str(path))
    with pytest.raises(CorruptArtifact, match=r"n\.safetensors: one\.bias holds NaN or infinity"):
        load_network(path, Small())
