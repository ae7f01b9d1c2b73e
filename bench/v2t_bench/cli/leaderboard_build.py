"""``v2t-bench leaderboard build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from v2t_bench.cli import EXIT_FAILED
from v2t_bench.cli.options import tell
from v2t_bench.cli.results_argument import takes_results

if TYPE_CHECKING:
    from v2t_bench.leaderboard.gathered import Gathered

# A folder may hold thousands of bad cells; their number is told in any case.
_TOLD = 20
# What a line repeats of a cell can be of any length.
_LONGEST = 1000


@click.command("build", short_help="Write the boards of results folders as CSV.")
@takes_results
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboards"), show_default=True, help="Folder of the boards.",
)  # fmt: skip
@click.option("--check", is_flag=True,
              help="Write nothing; exit with 1 where a CSV in the folder differs.")  # fmt: skip
@click.option(
    "--pictures",
    is_flag=True,
    help="Draw the frontier and the noise curve as well, in its folder pictures.",
)
def command(results: tuple[Path, ...], output: Path, check: bool, pictures: bool) -> None:
    """Write one long CSV a corpus and frontier.csv of the cells in RESULTS.

    The same cells give the same bytes, in whatever order they are named. Cells that failed or
    are half-written make no row; where cells are damaged, or two folders hold one with different
    scores, the others are still written and the exit status is 1.
    """
    from v2t_bench.errors import BadInput
    from v2t_bench.leaderboard.board import build_board
    from v2t_bench.leaderboard.gathered import gather
    from v2t_bench.leaderboard.published import csv_files, differing, write_files

    if check and pictures:
        raise click.UsageError("--check compares CSVs only; give it without --pictures")
    gathered = gather(results)
    bad = tell_what_is_left_out(gathered)
    if not gathered.results:
        raise BadInput(f"{' '.join(map(str, results))}: there is no finished cell to make rows of")
    board = build_board(gathered)
    files = csv_files(board)
    if check:
        lines = differing(files, output)
        for line in lines:
            click.echo(line)
        tell(f"{len(files)} CSVs compared with {output}, {len(lines)} differ")
        bad = bad or bool(lines)
    else:
        for line in write_files(files, output):
            tell(line)
        tell(f"{len(gathered.results)} cells: {len(board.rows)} rows, {len(board.frontier)} "
             f"releases, {len(files)} CSVs in {output}")  # fmt: skip
    if pictures:
        from v2t_bench.leaderboard.pictures import draw_pictures

        for path in draw_pictures(board, output / "pictures", tell=tell):
            tell(f"drew {path}")
    if bad:
        raise click.exceptions.Exit(EXIT_FAILED)


def tell_what_is_left_out(gathered: Gathered, conflicts: str = "left out") -> bool:
    """Tell which cells are left out, and return whether any of them should not have to be.

    Args:
        gathered: What was found.
        conflicts: What becomes of cells in conflict.
    """
    from v2t_bench.cli.printing import printable

    told: list[tuple[int, str]] = [
        (gathered.failed, "failed (error.json); run the same grid again to retry them"),
        (len(gathered.half_written), "half-written folders or leftovers of killed runs"),
    ]
    for count, what in told:
        if count:
            tell(f"left out: {count} {what}")
    if gathered.repeated:
        tell(f"{gathered.repeated} cells were found again with the same scores")
    for kind, fate, lines in (
        ("damaged", "left out", gathered.damaged),
        ("conflict", conflicts, tuple(map(str, gathered.conflicts))),
    ):
        for line in lines[:_TOLD]:
            short = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
            tell(f"{kind}: {printable(short)}")
        if lines:
            more = f"; {len(lines) - _TOLD} of them not shown" if len(lines) > _TOLD else ""
            tell(f"{kind}: {len(lines)} cells {fate}{more}")
    return bool(gathered.damaged or gathered.conflicts)
