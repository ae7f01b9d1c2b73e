"""Several results folders joined into one: cells are copied as they are, the sources left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from v2t_bench.errors import BadInput
from v2t_bench.leaderboard.gathered import Conflict, Gathered, gather, score_differences
from v2t_bench.leaderboard.stored import write_board
from v2t_bench.results import Result
from v2t_bench.store import Store, check_results_folder


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of the cells.

    Args:
        gathered: What the sources hold.
        copied: How many cells were copied.
        there: How many the folder held already, with the same scores.
        conflicts: Cells of which the folder holds another's scores.
        rows: How many rows its leaderboard.csv has.
    """

    gathered: Gathered
    copied: int
    there: int
    conflicts: tuple[Conflict, ...]
    rows: int


def merge(
    sources: Sequence[Path], folder: Path, *, without: Sequence[Path] = (), texts: bool = True
) -> Merged:
    """Return what became of the cells of ``sources``, which are joined in ``folder``.

    Cells that a folder of ``without`` holds are left out, and with ``texts`` false the texts and
    guesses of all, as of collections that may not be passed on.

    Each is copied whole or not at all, so a merge that was killed goes on by being started again.
    Of a cell in conflict the folder keeps what it holds, or else the first source's.

    Raises:
        BadInput: a source is no results folder, there is no cell, or the folder is a source.
        ResultsBusy: another process writes to the folder.
    """
    check_apart(sources, folder)
    for one in without:
        check_results_folder(one)
    gathered = gather(sources)
    published = {path.parent.name for one in without for path in one.glob("cells/*/result.json")}
    wanted = {
        result.cell_id: result
        for result in (*gathered.results, *gathered.first_of_conflicts)
        if result.cell_id not in published
    }
    if not wanted:
        other = " that is not left out" if without else ""
        raise BadInput(f"{' '.join(map(str, sources))}: there is no finished cell to merge{other}")
    store = Store(folder)
    copied, conflicts = 0, list(gathered.conflicts)
    with store.lock():
        for name, result in sorted(wanted.items()):
            there = store.read(name)
            if there is None:
                if texts:
                    store.adopt(gathered.places[name], result)
                else:
                    tables = {file: gathered.table(name, file) for file in result.files}
                    store.write(result, tables, may_hold_text=False)
                copied += 1
            else:
                conflicts += _against(there, result, store.cells / name, gathered.places[name])
        results = store.results()
        rows = write_board(store, results)
    return Merged(
        gathered=gathered,
        copied=copied,
        there=len(wanted) - copied,
        conflicts=tuple(conflicts),
        rows=len(rows),
    )


def _against(there: Result, result: Result, own: Path, other: Path) -> list[Conflict]:
    differences = score_differences(there, result)
    if not differences:
        return []
    return [Conflict(cell_id=result.cell_id, first=own, other=other, differences=differences)]


def check_apart(sources: Sequence[Path], folder: Path) -> None:
    """Refuse a folder, or a file to pack into, that would change a source of the merge.

    Raises:
        BadInput: it is a source, or lies in one.
    """
    own = folder.resolve()
    for source in sources:
        if own.is_relative_to(source.resolve()):
            raise BadInput(
                f"{folder} is one of the folders to merge, or lies in it; expected another after "
                "-o, as sources are left as they are"
            )
