"""Read vectors that somebody stored, in one of three formats, none of which can run code."""

from __future__ import annotations

import tokenize
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BadInput, BadParameter

if TYPE_CHECKING:
    import pyarrow as pa

# What numpy's header reader lets through of what a damaged header makes Python raise.
_BAD_HEADER = (
    ValueError,
    TypeError,
    SyntaxError,
    RecursionError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
)
_FLOATS = ("float16", "float32", "float64")
_TENSOR_FLOATS = ("BF16", "F16", "F32", "F64")
_NAMED_AT_MOST = 10


def read_vectors(path: Path, *, column: str | None = None, limit: int | None = None) -> Vectors:
    """Return the vectors of a file, (n, d), as float32.

    ``.npy`` holds one array; ``.safetensors`` one tensor of two dimensions, or several of
    which ``column`` names one; ``.parquet`` a column of lists of numbers, named by ``column``
    where there are several. Numbers are of 16 (also bfloat16), 32 or 64 bits. An array of
    one dimension is one vector. Rows are counted from 1 in what is said about them.

    Args:
        path: The file; its ending says what it is.
        column: Name of the tensor or the column.
        limit: Read the first so many vectors only; those behind are not looked at.

    Raises:
        BadInput: naming the file and, where there is one, the row: it is missing, damaged,
            or holds something else than finite vectors of one length.
        BadParameter: ``limit`` is below 1, or a ``column`` is named in a ``.npy`` file.
    """
    if limit is not None and limit < 1:
        raise BadParameter(f"limit={limit} reads no vector; give 1 or more, or leave it out")
    readers = {".npy": _read_npy, ".safetensors": _read_safetensors, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(
            f"{path}: is of no known kind; expected a name that ends in {', '.join(readers)}"
        )
    if not path.exists():
        raise BadInput(f"{path}: there is no such file")
    if not path.is_file():
        raise BadInput(f"{path}: is no ordinary file; expected one that holds vectors")
    try:
        found = reader(path, column, limit)
    except PermissionError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    except OSError as error:
        raise _damaged(path, error) from error
    return _checked(path, found)


def _checked(path: Path, found: NDArray[Any]) -> Vectors:
    """Return the array as vectors if it is one or two dimensions of finite numbers."""
    _check_shape(path, found.shape)
    if found.ndim == 1:
        found = found.reshape(1, -1)
    # Too large for float32 becomes infinity, which is refused with the others.
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(found, dtype=np.float32)
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise BadInput(
            f"{path}: {int(bad.sum())} of {len(vectors)} vectors hold NaN, infinity or a number "
            f"beyond float32 (first: row {int(bad.argmax()) + 1}); expected finite numbers"
        )
    return vectors


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse what is neither one vector nor several."""
    if len(shape) not in (1, 2):
        raise BadInput(
            f"{path}: holds an array of {len(shape)} dimensions, shape {shape}; expected two, a "
            "row a vector"
        )
    if 0 in shape:
        raise BadInput(f"{path}: holds no vectors, shape {shape}; expected at least one")


def _damaged(path: Path, error: BaseException) -> BadInput:
    return BadInput(
        f"{path}: cannot be read as {path.suffix.lower()} ({error}); the file is damaged, "
        "truncated or of another kind"
    )


def _read_npy(path: Path, column: str | None, limit: int | None) -> NDArray[Any]:
    if column is not None:
        raise BadParameter(f"{path}: a .npy file has no columns; leave {column!r} out")
    try:
        # Mapped: nothing is unpickled, and a header that promises more than there is fails.
        stored = np.lib.format.open_memmap(path, mode="r")
    except _BAD_HEADER as error:
        if path.stat().st_size and "Python objects" in str(error):
            raise BadInput(
                f"{path}: holds Python objects, which are not read because they can run code; "
                "store an array of numbers"
            ) from error
        raise _damaged(path, error) from error
    if stored.dtype.name not in _FLOATS:
        raise BadInput(f"{path}: holds {stored.dtype}; expected one of {', '.join(_FLOATS)}")
    # One vector of one dimension has no first so many rows.
    return stored[:limit] if stored.ndim > 1 else stored


def _read_safetensors(path: Path, column: str | None, limit: int | None) -> NDArray[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            shapes = {name: tuple(one.get_shape()) for name, one in slices.items()}
            fitting = [name for name, shape in shapes.items() if len(shape) == 2]
            if len(shapes) == 1:
                fitting = list(shapes)
            name = _choose(path, "tensor", column, fitting, shapes)
            kind = str(slices[name].get_dtype())
            if kind not in _TENSOR_FLOATS:
                raise BadInput(
                    f"{path}: tensor {name!r} holds {kind}; expected one of "
                    f"{', '.join(_TENSOR_FLOATS)}"
                )
            _check_shape(path, shapes[name])  # others cannot be sliced
            n = shapes[name][0]
            rows = slice(n if limit is None or len(shapes[name]) == 1 else min(n, limit))
            if kind != "BF16":
                return np.asarray(slices[name][rows])
        # numpy has no bfloat16.
        with safe_open(path, framework="pt") as stored:
            found: NDArray[Any] = stored.get_slice(name)[rows].float().numpy()
            return found
    except (SafetensorError, ValueError, OverflowError) as error:
        raise _damaged(path, error) from error


def _read_parquet(path: Path, column: str | None, limit: int | None) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as stored:
            schema = stored.schema_arrow
            types = {field.name: field.type for field in schema}
            fitting = [name for name, kind in types.items() if _is_vector(kind)]
            name = _choose(path, "column", column, fitting, types)
            if schema.names.count(name) > 1:
                raise BadInput(f"{path}: has {schema.names.count(name)} columns called {name!r}")
            if not _is_vector(types[name]):
                raise BadInput(
                    f"{path}: column {name!r} holds {types[name]}; expected lists of numbers of "
                    "16, 32 or 64 bits"
                )
            parts: list[NDArray[Any]] = []
            read = 0
            for batch in stored.iter_batches(columns=[name]):
                rows = batch.column(batch.schema.get_field_index(name))
                rows = rows[: None if limit is None else limit - read]
                if len(rows):
                    parts.append(_matrix(path, rows, read, parts[0].shape[1] if parts else None))
                read += len(rows)
                if read == limit:
                    break
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _is_vector(kind: Any) -> bool:
    from pyarrow import types

    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(lists and types.is_floating(kind.value_type))


def _matrix(path: Path, rows: pa.Array, before: int, dim: int | None) -> NDArray[Any]:
    """Return at least one list as an array, (n, d); ``before`` rows were read already."""
    import pyarrow.compute as pc

    empty = np.flatnonzero(rows.is_null().to_numpy(zero_copy_only=False))
    if len(empty):
        raise BadInput(f"{path}: row {before + int(empty[0]) + 1} is null; expected a vector")
    lengths = pc.list_value_length(rows).to_numpy(zero_copy_only=False)
    dim = int(lengths[0]) if dim is None else dim
    ragged = np.flatnonzero(lengths != dim)
    if len(ragged):
        raise BadInput(
            f"{path}: row {before + int(ragged[0]) + 1} has {int(lengths[ragged[0]])} numbers, "
            f"the rows before it {dim}; expected vectors of one length"
        )
    values = rows.flatten()
    missing = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
    if len(missing):
        row, number = divmod(int(missing[0]), dim)
        raise BadInput(
            f"{path}: number {number + 1} of row {before + row + 1} is null; expected a number"
        )
    found: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return found.reshape(len(lengths), dim)


def _choose(
    path: Path,
    what: str,
    given: str | None,
    fitting: list[str],
    there: Mapping[str, Any],
) -> str:
    """Return the name that was given if it is there, or the only one that fits."""
    if given is not None:
        if given not in there:
            raise BadInput(f"{path}: has no {what} {given!r}; it has {_listed(there)}")
        return given
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise BadInput(
            f"{path}: has several {what}s of vectors; name one by --column ({_listed(fitting)})"
        )
    raise BadInput(f"{path}: has no {what} of vectors; it has {_listed(there)}")


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    more = len(shown) - _NAMED_AT_MOST
    listed = ", ".join(shown[:_NAMED_AT_MOST]) or "none"
    return f"{listed} and {more} more" if more > 0 else listed
