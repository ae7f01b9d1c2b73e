"""Whether results can be believed as far as they can be looked into without a model.

The same check runs on a submitter's machine and where a submission is taken in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from v2t_bench.leaderboard.validation.problems import Problem
from v2t_bench.leaderboard.validation.submission import Submission
from v2t_bench.store import check_results_folder

MAX_MB = 20.0
"""Of one results folder, in millions of bytes."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was looked at, and everything that is wrong with it.

    Args:
        problems: Sorted by folder and cell; empty where nothing is wrong.
        n_folders, n_utility, n_leakage: What was looked at.
    """

    problems: tuple[Problem, ...]
    n_folders: int
    n_utility: int
    n_leakage: int


def validate(folders: Sequence[Path], *, max_mb: float = MAX_MB) -> Report:
    """Return what is wrong with the cells of results folders, looked at as one submission.

    Nothing is written, and no component is needed: a plugin that made a cell may be gone.

    Args:
        folders: Results folders. References may be in another of them.
        max_mb: Of one folder, in millions of bytes.

    Raises:
        BadInput: one of them is no results folder.
    """
    for folder in folders:
        check_results_folder(folder)
    submission = Submission(several=len(folders) > 1, max_mb=max_mb)
    for folder in folders:
        submission.add(folder)
    problems = submission.check()
    return Report(
        problems=tuple(problems),
        n_folders=len(folders),
        n_utility=submission.n_utility,
        n_leakage=submission.n_leakage,
    )
