"""What a forger does to stored cells: some forget the hashes, the careful ones do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from v2t_bench.canonical import hash_file
from v2t_bench.results import cell_id

Record = dict[str, Any]


def record_of(cell: Path) -> Record:
    """Return what result.json of a cell holds."""
    record: Record = json.loads((cell / "result.json").read_text())
    return record


def find(folder: Path, kind: str, **identity: object) -> Path:
    """Return the first cell of that kind whose identity starts so, field by field."""
    for cell in sorted((folder / "cells").iterdir()):
        record = record_of(cell)
        if record["kind"] == kind and all(
            str(record["identity"][name]).startswith(str(value)) for name, value in identity.items()
        ):
            return cell
    raise LookupError(f"no {kind} cell of {identity} in {folder}")


def edit(cell: Path, change: Callable[[Record], object]) -> None:
    """Change result.json."""
    record = record_of(cell)
    change(record)
    (cell / "result.json").write_text(json.dumps(record, indent=1) + "\n")


def table_of(cell: Path) -> tuple[Path, pa.Table]:
    """Return the raw outputs of a cell and where they are."""
    name = "samples.parquet" if (cell / "samples.parquet").exists() else "retrieval.parquet"
    return cell / name, pq.read_table(cell / name)


def replace_column(cell: Path, name: str, values: list[Any]) -> None:
    """Change or add a column of the raw outputs; the hash is left as it was."""
    path, table = table_of(cell)
    if name in table.column_names:
        column = pa.array(values, table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, column)
    else:
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, path)


def column_of(cell: Path, name: str) -> list[Any]:
    """Return a column of the raw outputs."""
    values: list[Any] = table_of(cell)[1].column(name).to_pylist()
    return values


def rehash(cell: Path) -> None:
    """Write the hashes of the files as they are now."""
    edit(cell, lambda record: record["files"].update(
        {name: hash_file(cell / name) for name in record["files"]}))  # fmt: skip


def rename(
    cell: Path, identity: Mapping[str, Any], labels: Mapping[str, Any], *, followed: bool = True
) -> Path:
    """Change the identity of a cell: its id, its folder, and whoever refers to it if followed."""
    record = record_of(cell)
    before = record["cell_id"]
    record["identity"] |= identity
    record["labels"] |= labels
    record["cell_id"] = cell_id(record["identity"])
    (cell / "result.json").write_text(json.dumps(record, indent=1) + "\n")
    moved = cell.rename(cell.with_name(record["cell_id"]))
    for other in moved.parent.iterdir() if followed else ():
        text = (other / "result.json").read_text()
        (other / "result.json").write_text(text.replace(before, record["cell_id"]))
    return moved
