"""Several results folders read as one; nothing in them is changed, and no plugin is needed."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from v2t_bench.canonical import canonical_json
from v2t_bench.errors import CorruptArtifact
from v2t_bench.leaderboard.units import UnitReader, Units, read_table
from v2t_bench.results import Result
from v2t_bench.samples import RETRIEVAL, SAMPLES
from v2t_bench.store import check_results_folder, read_cell

if TYPE_CHECKING:
    import pyarrow as pa

# Tables of the worst attackers of a few releases; all of ten thousand cells would fill memory.
_TABLES_KEPT = 64
# Columns that only people read; hundreds of times larger than the scores beside them.
_PROSE = ("text", "guess", "first", "last", "label", "found", "judgements", "text_sha256")
# What every row is made of, by kind of cell; a cell from elsewhere may lack it.
_LABELS = ("corpus", "track", "fingerprint", "embedder", "defense", "noise_on", "seeds")
_LEAKAGE_LABELS = ("attack", "threat", "oracle")
_LISTS = ("flags", "plugins")
# A name with a path in it would be read, and written, outside of the cell.
_PLAIN_FILE = re.compile(r"[a-z]+\.parquet")


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A cell that two folders hold with different scores.

    Args:
        cell_id: Of both.
        first: The cell's folder in the results folder that was named first.
        other: The one that differs.
        differences: Which scores differ, and both values, in words.
    """

    cell_id: str
    first: Path
    other: Path
    differences: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line that says what differs."""
        told = "; ".join(self.differences[:3])
        more = f" and {len(self.differences) - 3} more" if len(self.differences) > 3 else ""
        return f"{self.cell_id} differs between {self.first} and {self.other}: {told}{more}"


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The cells of several results folders.

    Args:
        folders: The results folders.
        results: Finished cells, sorted by id, each once; those in conflict are left out.
        units: The bleu_norm of each text, or the NDCG@10 of each query, by cell id.
        places: The folder each cell is read from, by id; of those in conflict the first.
        conflicts: Cells that two folders hold with different scores.
        first_of_conflicts: Of each such cell the one that was found first.
        damaged: What is wrong with cells that cannot be used, one line each.
        failed: How many cells have an error.json in place of a result.
        half_written: Folders that hold neither, and what killed runs left.
        repeated: How many cells were found again, with the same scores.
    """

    folders: tuple[Path, ...]
    results: tuple[Result, ...]
    units: Mapping[str, Units]
    places: Mapping[str, Path]
    conflicts: tuple[Conflict, ...] = ()
    first_of_conflicts: tuple[Result, ...] = ()
    damaged: tuple[str, ...] = ()
    failed: int = 0
    half_written: tuple[Path, ...] = ()
    repeated: int = 0
    _tables: OrderedDict[tuple[str, str, bool], pa.Table] = field(
        default_factory=OrderedDict, repr=False, compare=False
    )

    def table(self, cell_id: str, file: str, *, prose: bool = True) -> pa.Table:
        """Return a stored table of a cell; without ``prose`` ids and scores alone.

        Raises:
            CorruptArtifact: it cannot be read.
        """
        key = (cell_id, file, prose)
        if key in self._tables:
            self._tables.move_to_end(key)
            return self._tables[key]
        self._tables[key] = read_table(
            self.places[cell_id] / file,
            lambda there: [name for name in there if prose or name not in _PROSE],
        )
        if len(self._tables) > _TABLES_KEPT:
            self._tables.popitem(last=False)
        return self._tables[key]


def gather(folders: Sequence[Path]) -> Gathered:
    """Return the finished cells of results folders, and what cannot be used of them.

    Raises:
        BadInput: one of them is no results folder.
    """
    for folder in folders:
        check_results_folder(folder)
    reading = _Reading()
    for folder in dict.fromkeys(folders):
        # Sorted, so that what is told does not depend on the file system.
        for path in sorted((folder / "cells").iterdir()):
            reading.visit(path)
    return Gathered(
        folders=tuple(folders),
        results=tuple(
            result
            for name, result in sorted(reading.found.items())
            if name not in reading.in_conflict
        ),
        units=reading.units,
        places=reading.places,
        conflicts=tuple(sorted(reading.conflicts, key=lambda one: one.cell_id)),
        first_of_conflicts=tuple(reading.found[name] for name in sorted(reading.in_conflict)),
        damaged=tuple(reading.damaged),
        failed=reading.failed,
        half_written=tuple(reading.half_written),
        repeated=reading.repeated,
    )


@dataclass
class _Reading:
    """What was found so far."""

    found: dict[str, Result] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)
    units: dict[str, Units] = field(default_factory=dict)
    reader: UnitReader = field(default_factory=UnitReader)
    conflicts: list[Conflict] = field(default_factory=list)
    in_conflict: set[str] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)
    half_written: list[Path] = field(default_factory=list)
    failed: int = 0
    repeated: int = 0

    def visit(self, path: Path) -> None:
        """Take note of one entry of a folder of cells."""
        if path.name.startswith(".") or not path.is_dir():
            # What the system leaves, such as .DS_Store, is no cell and no leftover of one.
            if path.name.endswith((".partial", ".replaced")):
                self.half_written.append(path)
        elif not (path / "result.json").exists():
            if (path / "error.json").is_file():
                self.failed += 1
            else:
                self.half_written.append(path)
        else:
            try:
                result = read_cell(path)
                _check_rowable(result, path)
                units = self.reader.read(path, result)
            except CorruptArtifact as error:
                self.damaged.append(str(error))
            except OSError as error:  # a file it names has a name that no file can have
                self.damaged.append(f"{path} cannot be read ({error.strerror}); run it again")
            else:
                self._add(result, units, path)

    def _add(self, result: Result, units: Units, path: Path) -> None:
        name = result.cell_id
        if name not in self.found:
            self.found[name], self.places[name], self.units[name] = result, path, units
            return
        there = self.found[name]
        differences = score_differences(there, result)
        if differences:
            self.in_conflict.add(name)
            self.conflicts.append(
                Conflict(cell_id=name, first=self.places[name], other=path, differences=differences)
            )
            return
        self.repeated += 1
        # Folders may come in any order, so what a cell holds decides which copy is read.
        if _fullness(result) > _fullness(there) and name not in self.in_conflict:
            self.found[name], self.places[name], self.units[name] = result, path, units


def score_differences(first: Result, second: Result) -> tuple[str, ...]:
    """Return which scores of two results of one cell differ, one in words for each."""
    told = []
    for name in sorted({*first.scores, *second.scores}):
        ours, theirs = first.scores.get(name), second.scores.get(name)
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            there, missing = ("first", "second") if theirs is None else ("second", "first")
            told.append(f"{name} is in the {there} and not in the {missing}")
            continue
        for part, one, two in zip(
            ("value", "low", "high", "n", "method"),
            ours.model_dump().values(), theirs.model_dump().values(), strict=True,
        ):  # fmt: skip
            if one != two:
                of = name if part == "value" else f"{name}'s {part}"
                told.append(f"{of} is {one} in the first and {two} in the second")
    return tuple(told)


def _fullness(result: Result) -> tuple[int, str]:
    """Return what orders copies of a cell with equal scores: the one that tells more is last."""
    said = {"labels": result.labels, "facts": result.facts, "references": result.references,
            "signatures": result.signatures, "files": result.files}  # fmt: skip
    return sum(map(len, said.values())), canonical_json(said)


def _check_rowable(result: Result, folder: Path) -> None:
    """Refuse a cell that no row can be made of.

    Raises:
        CorruptArtifact: what a row needs is missing, or of another type.
    """
    leakage = result.kind == "leakage"
    labels, identity = result.labels, result.identity
    names = (*_LABELS, *_LEAKAGE_LABELS) if leakage else _LABELS
    fits = {f"label {name!r}": isinstance(labels.get(name), str) for name in names}
    fits["label 'max_tokens'"] = isinstance(labels.get("max_tokens"), int)
    fits["label 'pairs'"] = isinstance(labels.get("pairs"), int | None)
    for name in _LISTS:
        fits[f"label {name!r}"] = _is_text_list(labels.get(name, None if leakage else []))
    for name in ("n_texts", "sample_seed", "limit"):
        fits[f"identity's {name!r}"] = isinstance(identity.get(name), int | None)
    fits["identity's 'plugins'"] = isinstance(identity.get("plugins"), dict)
    for name in ("bleu", "bleu_norm") if leakage else ("ndcg_at_10",):
        fits[f"score {name!r}"] = name in result.scores
    file = SAMPLES if leakage else RETRIEVAL
    fits[f"file {file!r}"] = file in result.files
    fits["names of its files"] = all(map(_PLAIN_FILE.fullmatch, result.files))
    fits["numbers of its labels, all finite"] = _is_json(labels)
    for what, there in fits.items():
        if not there:
            raise CorruptArtifact(
                f"{folder / 'result.json'} lacks the {what} or holds it in another form"
            )


def _is_json(value: object) -> bool:
    """Return whether JSON can spell a value: NaN and infinity are none."""
    try:
        canonical_json(value)
    except ValueError:
        return False
    return True


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
