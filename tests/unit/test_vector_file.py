"""Reading vectors that somebody stored: three formats, and everything that can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.vector_file import read_vectors

# Exact in bfloat16 too: what is read must be equal to the last bit.
ROWS = np.array([[1, -2, 0.5], [0.25, 0, 3]], np.float32)


def npy(path: Path, rows: Any) -> Path:
    np.save(path, rows)
    return path


def tensors(path: Path, **named: Any) -> Path:
    save_file({name: torch.as_tensor(rows) for name, rows in named.items()}, path)
    return path


def parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def lists(rows: Any, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(rows, kind or pa.list_(pa.float32()))


class TestWhatIsRead:
    @pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4"])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_an_array_of_any_width_and_order(self, tmp_path: Path, kind: str, order: Any) -> None:
        found = read_vectors(npy(tmp_path / "v.npy", np.asarray(ROWS, kind, order=order)))
        np.testing.assert_array_equal(found, ROWS)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous

    def test_an_array_of_one_dimension_is_one_vector(self, tmp_path: Path) -> None:
        found = read_vectors(npy(tmp_path / "v.npy", ROWS[1]), limit=1)
        np.testing.assert_array_equal(found, ROWS[1:])

    @pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
    def test_a_tensor_of_any_width(self, tmp_path: Path, kind: torch.dtype) -> None:
        path = tensors(tmp_path / "v.safetensors", v=torch.from_numpy(ROWS).to(kind))
        found = read_vectors(path)
        np.testing.assert_array_equal(found, ROWS)
        assert found.dtype == np.float32

    def test_the_only_tensor_of_two_dimensions(self, tmp_path: Path) -> None:
        path = tensors(tmp_path / "v.safetensors", v=ROWS, n=np.ones(3), c=np.ones((1, 1, 1)))
        np.testing.assert_array_equal(read_vectors(path), ROWS)

    def test_the_named_one_of_several_tensors(self, tmp_path: Path) -> None:
        path = tensors(tmp_path / "v.safetensors", a=ROWS, b=ROWS * 2)
        np.testing.assert_array_equal(read_vectors(path, column="b"), ROWS * 2)

    @pytest.mark.parametrize(
        "kind",
        [
            pa.list_(pa.float16()),
            pa.list_(pa.float32()),
            pa.list_(pa.float64()),
            pa.large_list(pa.float32()),
            pa.list_(pa.float32(), 3),
        ],
        ids=str,
    )
    def test_a_column_of_lists_of_any_kind(self, tmp_path: Path, kind: pa.DataType) -> None:
        path = parquet(tmp_path / "v.parquet", id=pa.array([7, 8]), v=lists(ROWS.tolist(), kind))
        np.testing.assert_array_equal(read_vectors(path), ROWS)

    def test_the_named_one_of_several_columns(self, tmp_path: Path) -> None:
        named = {"a": lists(ROWS.tolist()), "b.c": lists((ROWS * 2).tolist())}
        path = parquet(tmp_path / "v.parquet", **named)
        np.testing.assert_array_equal(read_vectors(path, column="b.c"), ROWS * 2)

    def test_rows_of_every_batch_and_row_group(self, tmp_path: Path) -> None:
        many = np.arange(150_000, dtype=np.float32).reshape(-1, 1)
        table = pa.table({"v": lists(many.tolist())})
        pq.write_table(table, tmp_path / "v.parquet", row_group_size=70_000)
        np.testing.assert_array_equal(read_vectors(tmp_path / "v.parquet"), many)

    def test_no_more_rows_than_the_limit(self, tmp_path: Path) -> None:
        rows = np.vstack([ROWS, np.full((1, 3), np.nan, np.float32)])
        for path in (
            npy(tmp_path / "v.npy", rows),
            tensors(tmp_path / "v.safetensors", v=rows),
            tensors(tmp_path / "b.safetensors", v=torch.from_numpy(rows).bfloat16()),
            parquet(tmp_path / "v.parquet", v=lists(rows.tolist())),
        ):
            np.testing.assert_array_equal(read_vectors(path, limit=2), ROWS)

    def test_all_rows_where_the_limit_is_higher(self, tmp_path: Path) -> None:
        for path in stored(tmp_path):
            np.testing.assert_array_equal(read_vectors(path, limit=5), ROWS)

    def test_the_case_of_the_ending_does_not_matter(self, tmp_path: Path) -> None:
        npy(tmp_path / "v.npy", ROWS).rename(tmp_path / "v.NPY")
        np.testing.assert_array_equal(read_vectors(tmp_path / "v.NPY"), ROWS)


Write = Callable[[Path], object]


def raw(name: str, content: bytes) -> tuple[str, Write]:
    return name, lambda path: path.write_bytes(content)


def array(rows: Any) -> tuple[str, Write]:
    return "v.npy", lambda path: npy(path, rows)


def columns(**named: Any) -> tuple[str, Write]:
    return "v.parquet", lambda path: parquet(path, **named)


def named(**these: Any) -> tuple[str, Write]:
    return "v.safetensors", lambda path: tensors(path, **these)


def objects(path: Path) -> None:
    np.save(path, np.array([[1, 2]], object), allow_pickle=True)


BAD_ROW = np.array([[1, 2], [3, np.inf], [np.nan, 4]], np.float32)


@pytest.mark.parametrize(
    ("file", "column", "message"),
    [
        (raw("v.csv", b"1,2\n"), None, "is of no known kind; expected a name that ends in .npy"),
        (raw("v", b""), None, "is of no known kind"),
        (("v.npy", lambda path: None), None, "there is no such file"),
        (("v.npy", lambda path: path.mkdir()), None, "is no ordinary file"),
        (raw("v.npy", b""), None, "cannot be read as .npy"),
        (raw("v.npy", b"one\ntwo\n"), None, "cannot be read as .npy"),
        (raw("v.safetensors", b""), None, "cannot be read as .safetensors"),
        (raw("v.safetensors", b"one\ntwo\n"), None, "cannot be read as .safetensors"),
        (raw("v.parquet", b""), None, "cannot be read as .parquet"),
        (raw("v.parquet", b"one\ntwo\n"), None, "cannot be read as .parquet"),
        (("v.npy", objects), None, "holds Python objects, which are not read"),
        (array(np.array([["a"]])), None, "holds <U1; expected one of float16, float32, float64"),
        (array(np.ones((2, 3), np.int8)), None, "holds int8; expected one of float16"),
        (array(np.ones((2, 3, 4))), None, "holds an array of 3 dimensions, shape (2, 3, 4)"),
        (array(np.float32(1)), None, "holds an array of 0 dimensions"),
        (array(np.ones((0, 3))), None, "holds no vectors, shape (0, 3)"),
        (array(np.ones((3, 0))), None, "holds no vectors, shape (3, 0)"),
        (array(BAD_ROW), None, "2 of 3 vectors hold NaN, infinity or a number beyond float32 "
                               "(first: row 2)"),
        (array(np.array([[1.0], [1e300]])), None, "1 of 2 vectors hold NaN"),
        (named(v=ROWS, w=ROWS * 2), None, "has several tensors of vectors; name one by --column "
                                      "('v', 'w')"),
        (named(v=ROWS), "w", "has no tensor 'w'; it has 'v'"),
        (named(a=np.ones(2), b=np.ones(3)), None, "has no tensor of vectors; it has 'a', 'b'"),
        (named(v=np.ones((2, 3), np.int8)), None, "tensor 'v' holds I8; expected one of BF16"),
        (named(v=np.ones((2, 3, 4))), None, "holds an array of 3 dimensions"),
        (named(v=np.ones((0, 4))), None, "holds no vectors"),
        (named(v=np.float32(1)), None, "holds an array of 0 dimensions"),
        (named(v=BAD_ROW), None, "(first: row 2)"),
        (named(**{f"t{number:02}": np.ones(1) for number in range(12)}), "x", "'t09' and 2 more"),
        (columns(a=lists([[1]]), b=lists([[1]])), None, "has several columns of vectors; name one "
                                                        "by --column ('a', 'b')"),
        (columns(a=lists([[1]])), "b", "has no column 'b'; it has 'a'"),
        (columns(a=pa.array([1])), None, "has no column of vectors; it has 'a'"),
        (columns(a=pa.array([1])), "a", "column 'a' holds int64; expected lists of numbers"),
        (columns(a=pa.array([[1]])), "a", "column 'a' holds list<element: int64>"),
        (columns(a=lists([])), None, "holds no vectors"),
        (columns(a=lists([[], []])), None, "holds no vectors"),
        (columns(a=lists([[1, 2], [3, 4], None])), None, "row 3 is null"),
        (columns(a=lists([[1, 2], None], pa.list_(pa.float32(), 2))), None, "row 2 is null"),
        (columns(a=lists([[1, 2], [3, None]])), None, "number 2 of row 2 is null"),
        (columns(a=lists([[1, 2], [3]])), None, "row 2 has 1 numbers, the rows before it 2"),
        (columns(a=lists([[1, 2]] * 70_000 + [[3]])), None, "row 70001 has 1 numbers"),
        (columns(a=lists([[1.0, 2.0], [3.0, float("nan")]])), None, "(first: row 2)"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, file: tuple[str, Write], column: str | None, message: str
) -> None:
    name, write = file
    write(tmp_path / name)
    with pytest.raises(BadInput) as caught:
        read_vectors(tmp_path / name, column=column)
    said = " ".join(str(caught.value).split())  # as the command line joins it
    assert said.startswith(f"{tmp_path / name}: ")
    assert message in said


def test_an_array_has_no_columns(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"no columns; leave 'v' out"):
        read_vectors(npy(tmp_path / "v.npy", ROWS), column="v")


def test_a_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="limit=0"):
        read_vectors(npy(tmp_path / "v.npy", ROWS), limit=0)


def test_an_array_that_runs_code_when_unpickled_does_not(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "v.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(BadInput, match="run code"):
        read_vectors(tmp_path / "v.npy")
    assert not (tmp_path / "sprung").exists()


def test_a_header_that_promises_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 384), }\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(BadInput, match="truncated"):
        read_vectors(tmp_path / "v.npy")


def stored(folder: Path) -> list[Path]:
    return [
        npy(folder / "v.npy", ROWS),
        tensors(folder / "v.safetensors", v=ROWS),
        parquet(folder / "v.parquet", v=lists(ROWS.tolist())),
    ]


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    for path in stored(tmp_path):
        whole = path.read_bytes()
        for length in range(0, len(whole), 1 if len(whole) < 200 else 7):
            path.write_bytes(whole[:length])
            with pytest.raises(BadInput, match=r"cannot be read as"):
                read_vectors(path)


def test_a_damaged_file_is_read_or_refused_and_never_crashes(tmp_path: Path) -> None:
    draw = np.random.Generator(np.random.PCG64(0))
    refused = 0
    for path in stored(tmp_path):
        whole = path.read_bytes()
        for place in range(0, len(whole), 1 if len(whole) < 200 else 3):
            damaged = bytearray(whole)
            damaged[place] ^= int(draw.integers(1, 256))
            path.write_bytes(bytes(damaged))
            try:
                read_vectors(path)
            except BadInput:
                refused += 1
    assert refused > 50


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    both = pa.Table.from_arrays([lists(ROWS.tolist())] * 2, names=["v", "v"])
    pq.write_table(both, tmp_path / "v.parquet")
    with pytest.raises(BadInput, match="2 columns called 'v'"):
        read_vectors(tmp_path / "v.parquet", column="v")
