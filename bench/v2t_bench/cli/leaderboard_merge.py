"""``v2t-bench leaderboard merge``."""

from __future__ import annotations

from pathlib import Path

import click

from v2t_bench.cli import EXIT_FAILED
from v2t_bench.cli.leaderboard_build import tell_what_is_left_out
from v2t_bench.cli.options import tell
from v2t_bench.cli.results_argument import takes_results


@click.command("merge", short_help="Join results folders into one.")
@takes_results
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True,
              help="Results folder to join them in; one that is there is added to. Ending in "
              ".tar.zst: one file of the cells, made anew.")  # fmt: skip
@click.option("--without", type=click.Path(path_type=Path, exists=True), multiple=True,
              help="Leave out the cells that these results hold. Repeatable.")  # fmt: skip
@click.option("--drop-texts", is_flag=True,
              help="Leave out texts and guesses; hashes and scores stay.")  # fmt: skip
def command(
    results: tuple[Path, ...], output: Path, without: tuple[Path, ...], drop_texts: bool
) -> None:
    """Copy the finished cells of RESULTS into one, which run, score and build take.

    A cell in two folders with the same scores is one. With different scores it is a conflict:
    what differs is told, the first folder's is kept, and the exit status is 1. The same command
    goes on with a merge that was stopped.
    """
    from v2t_bench.leaderboard.merge import check_apart, merge
    from v2t_bench.leaderboard.packed_results import opened, written

    # What is packed was unpacked elsewhere by now; the names as they were given tell.
    check_apart(click.get_current_context().params["results"], output)
    with opened(without) as known, written(output) as folder:
        merged = merge(results, folder, without=known, texts=not drop_texts)
    bad = tell_what_is_left_out(merged.gathered, "that differ: the first is kept")
    told = set(merged.gathered.conflicts)
    own = [conflict for conflict in merged.conflicts if conflict not in told]
    for conflict in own:
        tell(f"conflict: {conflict}")
    tell(f"{merged.copied} cells copied, {merged.there} there already; they make {merged.rows} "
         f"rows: {output}")  # fmt: skip
    if bad or own:
        raise click.exceptions.Exit(EXIT_FAILED)
