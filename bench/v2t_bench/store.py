"""Results on disk: one folder a cell, written whole or not at all.

``<results>/cells/<cell_id>/`` holds ``result.json`` with ``samples.parquet`` (leakage) or
``retrieval.parquet`` (utility), or ``error.json``. Nothing else decides whether a cell is
done, so a run that was killed goes on by being started again.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from v2t_bench.canonical import hash_file, write_atomically
from v2t_bench.errors import BadInput, CorruptArtifact, ResultsBusy
from v2t_bench.results import SCHEMA_VERSION, Failure, Result, cell_id

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_ASIDE = ".replaced"
# What a row of the leaderboard cannot do without, by kind of cell.
_NEEDED = {"utility": ("ndcg_at_10", "defense"), "leakage": ("bleu_norm", "threat")}
# What could give a text away; never written for corpora that may not be passed on.
TEXT_COLUMNS = frozenset({"text", "guess", "first", "last", "label"})


def _remove(path: Path) -> None:
    """Remove a file, a link, or a whole folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_results_folder(folder: Path) -> None:
    """Refuse a folder that no run wrote.

    Raises:
        BadInput: it has no cells/.
    """
    if not (folder / "cells").is_dir():
        raise BadInput(
            f"{folder} is no results folder (it has no cells/); expected what run wrote with -o"
        )


def read_cell(folder: Path) -> Result:
    """Return the finished cell in ``folder``.

    Raises:
        CorruptArtifact: it is damaged, of another schema, or no finished cell.
    """
    path = folder / "result.json"
    try:
        content = path.read_bytes()
        result = Result.model_validate_json(content)
    except (ValidationError, ValueError, OSError) as error:
        first = " ".join(str(error).split("\n")[:3])
        other = "" if isinstance(error, OSError) else _other_schema(content)
        raise CorruptArtifact(f"{path} {other or f'is not a result ({first})'}") from error
    odd = _no_number(result)
    if odd:
        raise CorruptArtifact(f"{path} holds no finite number as {odd}; run the cell again")
    try:
        belongs = result.cell_id == folder.name == cell_id(result.identity)
    except ValueError:  # a NaN in the identity
        belongs = False
    if not belongs:
        raise CorruptArtifact(f"{path} does not belong to the cell its folder is named after")
    score, label = _NEEDED[result.kind]
    if score not in result.scores or label not in result.labels or not result.files:
        raise CorruptArtifact(f"{path} lacks what a row needs")
    for file, digest in result.files.items():
        stored = folder / Path(file).name
        if not stored.is_file() or hash_file(stored) != digest:
            raise CorruptArtifact(f"{stored} is missing or was changed after it was written")
    return result


def _no_number(result: Result) -> str:
    """Return the name of a score or fact that is NaN or infinite, or nothing."""
    numbers: dict[str, float | int | str | None] = dict(result.facts)
    for name, score in result.scores.items():
        numbers |= {name: score.value, f"{name}'s low": score.low, f"{name}'s high": score.high}
    return next(
        (
            name
            for name, number in numbers.items()
            if isinstance(number, float) and not math.isfinite(number)
        ),
        "",
    )


def _other_schema(content: bytes) -> str:
    """Return that a record is of a schema that is not read here, or nothing."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    found = record.get("schema_version", SCHEMA_VERSION) if isinstance(record, dict) else None
    if found is None or found == SCHEMA_VERSION:
        return ""
    return (
        f"has schema_version {json.dumps(found)[:20]}; this version of v2t-bench reads "
        f"{SCHEMA_VERSION} (run the cell again, or use the version that wrote it)"
    )


class Store:
    """The cells of one results folder.

    Args:
        folder: The results folder; made when `lock` is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells = folder / "cells"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process, clearing what killed runs left half-written.

        Raises:
            ResultsBusy: another process holds it.
            BadInput: nothing can be written there.
        """
        from filelock import FileLock, Timeout

        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            # Being root, or a mount, can make permission bits lie: only writing tells.
            for folder in (self.folder, self.cells):
                write_atomically(folder / ".writable", b"")
                (folder / ".writable").unlink()
            lock = FileLock(self.folder / ".lock", timeout=0)
            lock.acquire()
        except OSError as error:
            # A timeout is an OSError too.
            if isinstance(error, Timeout):
                raise ResultsBusy(
                    f"another run is writing to {self.folder}; wait for it, or choose another "
                    "folder with -o"
                ) from error
            raise BadInput(
                f"results folder {self.folder} cannot be written ({error.strerror}); "
                "choose another with -o"
            ) from error
        try:
            if (self.folder / "leaderboard.csv").is_dir():
                raise BadInput(f"{self.folder / 'leaderboard.csv'} is a folder; move it away")
            self._clear_leftovers()
            yield
        finally:
            lock.release()

    def _clear_leftovers(self) -> None:
        for left in [*self.cells.glob(".*.partial"), *self.folder.glob(".*.partial")]:
            _remove(left)
        for aside in self.cells.glob(f".*{_ASIDE}"):
            final = self.cells / aside.name.removeprefix(".").removesuffix(_ASIDE)
            if os.path.lexists(final):
                _remove(aside)
            else:
                aside.rename(final)

    def read(self, name: str) -> Result | None:
        """Return a finished cell, or None; one that was damaged counts as not finished."""
        path = self.cells / name / "result.json"
        if not os.path.lexists(path):
            return None
        try:
            return read_cell(path.parent)
        except CorruptArtifact as error:
            log.warning("%s; running the cell again", error)
            return None

    def results(self) -> list[Result]:
        """Return every finished cell, sorted by id; damaged ones are told and left out."""
        found = []
        for path in sorted(self.cells.glob("*/result.json")):
            try:
                found.append(read_cell(path.parent))
            except CorruptArtifact as error:
                log.warning("%s; left out", error)
        return found

    def table(self, name: str, file: str) -> pa.Table:
        """Return a stored table of a finished cell."""
        import pyarrow.parquet as pq

        return pq.read_table(self.cells / name / file)

    def write(
        self, result: Result, tables: Mapping[str, pa.Table], *, may_hold_text: bool
    ) -> Result:
        """Store a finished cell and return it with the hashes of its files.

        Args:
            result: What the cell gave.
            tables: Raw outputs by file name.
            may_hold_text: Whether texts and guesses may be written.
        """
        import pyarrow.parquet as pq

        with self._replacing_folder(result.cell_id) as folder:
            hashes: dict[str, str] = {}
            for file, table in tables.items():
                if not may_hold_text:
                    table = table.drop_columns([c for c in table.column_names if c in TEXT_COLUMNS])
                pq.write_table(table, folder / file)
                hashes[file] = hash_file(folder / file)
            result = result.model_copy(update={"files": hashes})
            (folder / "result.json").write_text(result.model_dump_json(indent=1) + "\n")
        return result

    def adopt(self, folder: Path, result: Result) -> None:
        """Copy a finished cell from another results folder, as it is.

        Raises:
            CorruptArtifact: it changed while it was copied.
        """
        with self._replacing_folder(result.cell_id) as own:
            for name, digest in result.files.items():
                file = Path(name).name
                shutil.copyfile(folder / file, own / file)
                if hash_file(own / file) != digest:
                    raise CorruptArtifact(f"{folder / file} changed while it was read")
            shutil.copyfile(folder / "result.json", own / "result.json")

    def write_failure(self, failure: Failure) -> None:
        """Store why a cell failed; the next run tries it again."""
        with self._replacing_folder(failure.cell_id) as folder:
            (folder / "error.json").write_text(failure.model_dump_json(indent=1) + "\n")

    @contextmanager
    def _replacing_folder(self, name: str) -> Iterator[Path]:
        temporary = Path(tempfile.mkdtemp(dir=self.cells, prefix=f".{name}-", suffix=".partial"))
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o777 & ~umask)
            for path in temporary.iterdir():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
            final, aside = self.cells / name, self.cells / f".{name}{_ASIDE}"
            if os.path.lexists(final):
                # A folder cannot replace another in one step; `lock` undoes half a step.
                final.rename(aside)
            temporary.rename(final)
            if os.path.lexists(aside):
                _remove(aside)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
