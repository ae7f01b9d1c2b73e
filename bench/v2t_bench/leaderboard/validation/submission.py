"""Look at every cell of some results folders, then at what they say together."""

from __future__ import annotations

import os
from pathlib import Path

from v2t_bench.errors import V2TError
from v2t_bench.leaderboard.validation.across import Neighbours
from v2t_bench.leaderboard.validation.board_file import check_board
from v2t_bench.leaderboard.validation.cell_folder import check_hashes, read_cell
from v2t_bench.leaderboard.validation.identities import check_identity
from v2t_bench.leaderboard.validation.labels import check_facts, check_labels
from v2t_bench.leaderboard.validation.licence import check_free_text, check_licence
from v2t_bench.leaderboard.validation.looked_at import LookedAt
from v2t_bench.leaderboard.validation.outputs import Digests, check_outputs
from v2t_bench.leaderboard.validation.problems import Problem, Tell, shown
from v2t_bench.results import Result

# The last two show a reader what was run.
_MAY_STAND_BESIDE = {"cells", "leaderboard.csv", ".lock", "README.md", "grid.toml"}
_PLAIN = 60


class Submission:
    """Results folders, looked at as one submission.

    Args:
        several: Whether lines have to name the folder as well.
        max_mb: Of one folder, in millions of bytes.
    """

    def __init__(self, *, several: bool, max_mb: float) -> None:
        self._several = several
        self._max_mb = max_mb
        self._problems: list[Problem] = []
        self._records: list[tuple[Path, Result]] = []
        self._damaged: set[str] = set()
        self._boards: list[Path] = []
        self.n_utility = self.n_leakage = 0

    def add(self, folder: Path) -> None:
        """Read the records of a results folder."""
        before = len(self._problems)
        self._check_folder(folder)
        names = sorted(path.name for path in (folder / "cells").iterdir())
        if not names:
            self._told(folder, None)("empty", "holds no cells; expected what v2t-bench run wrote")
        for name in names:
            cell = folder / "cells" / name
            result = read_cell(cell, self._told(folder, name))
            if result is None:
                self._damaged.add(name)
            else:
                self._records.append((cell, result))
        if len(self._problems) == before:
            self._boards.append(folder)

    def check(self) -> list[Problem]:
        """Return everything that is wrong, sorted by folder and cell."""
        owners = {digest: result.cell_id for _, result in self._records
                  for digest in result.files.values()}  # fmt: skip
        kept: dict[str, LookedAt] = {}
        for cell, result in self._records:
            folder = cell.parents[1]
            tell = self._told(folder, cell.name)
            looked_at = self._look(cell, result, owners, tell)
            self.n_utility += result.kind == "utility"
            self.n_leakage += result.kind == "leakage"
            if looked_at is None:
                self._damaged.add(result.cell_id)
                continue
            first = kept.setdefault(result.cell_id, looked_at)
            if first.result.scores != result.scores:
                tell("conflict", f"is in {first.place} with other scores; expected one result for "
                     "one cell; find out which is right, and remove the other")  # fmt: skip
        self._problems += Neighbours(list(kept.values()), self._damaged).check()
        if not self._problems:
            for folder in self._boards:
                check_board(folder, self._told(folder, None))
        return sorted(self._problems, key=lambda one: (one.place, one.check, one.text))

    def _look(
        self, cell: Path, result: Result, owners: dict[str, str], tell: Tell
    ) -> LookedAt | None:
        """Return what other cells are compared with, or None where that makes no sense."""
        own = check_hashes(result, cell, owners, tell)
        if not check_identity(result, tell):
            return None
        fine = check_labels(result, tell)
        check_facts(result, tell)
        check_licence(result, tell)
        check_free_text(result, tell)
        digests: Digests | None = None
        try:
            digests = check_outputs(result, cell, tell) if own else None
        # A string that is no UTF-8, a number that overflows: whatever scoring cannot take.
        except (V2TError, ValueError, ArithmeticError, OSError) as error:
            tell("outputs", f"its outputs cannot be scored ({shown(str(error))}); run the same "
                 "grid again to make the cell anew")  # fmt: skip
        return LookedAt(self._place(cell.parents[1], cell.name), result, digests) if fine else None

    def _check_folder(self, folder: Path) -> None:
        tell = self._told(folder, None)
        for path in sorted(folder.iterdir()):
            if path.is_symlink():
                tell("symlink", f"{shown(path.name)} is a symbolic link; expected the file itself")
            elif path.name not in _MAY_STAND_BESIDE:
                tell("unknown-file", f"holds {shown(path.name)}; expected cells/, and beside it "
                     "only leaderboard.csv, README.md and grid.toml; remove it")  # fmt: skip
        size = sum(
            (Path(where) / name).lstat().st_size
            for where, _, names in os.walk(folder)
            for name in names
        )
        if size > self._max_mb * 1e6:
            tell("size", f"takes {size / 1e6:.1f} MB; expected at most {self._max_mb:g} MB; hand "
                 "in fewer cells at once, or agree on --max-mb with the reviewers")  # fmt: skip

    def _place(self, folder: Path, name: str | None) -> str:
        if name is None:
            return str(folder)
        plain = name if name.isprintable() and len(name) <= _PLAIN else shown(name)
        return f"{folder}/cells/{plain}" if self._several else plain

    def _told(self, folder: Path, name: str | None) -> Tell:
        place = self._place(folder, name)

        def tell(check: str, text: str) -> None:
            self._problems.append(Problem(check, place, text))

        return tell
