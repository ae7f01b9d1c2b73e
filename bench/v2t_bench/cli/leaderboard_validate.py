"""``v2t-bench leaderboard validate``."""

from __future__ import annotations

from pathlib import Path

import click

from v2t_bench.cli import EXIT_FAILED
from v2t_bench.cli.options import tell
from v2t_bench.cli.results_argument import takes_results


@click.command("validate", short_help="Check results before they are handed in.")
@takes_results
@click.option(
    "--max-mb",
    type=click.FloatRange(0, min_open=True),
    default=20.0,
    show_default=True,
    help="Largest results folder, in millions of bytes.",
)
def command(results: tuple[Path, ...], max_mb: float) -> None:
    """Check RESULTS as a submission to the boards is checked.

    Every score is computed anew from the stored outputs, every cell id and hash is compared, and
    the rows that each row is read against must be there. Everything that is wrong is listed; the
    exit status is then 1. Nothing is written, and no plugin is needed.
    """
    from v2t_bench.cli.printing import printable
    from v2t_bench.leaderboard.validation import validate

    report = validate(results, max_mb=max_mb)
    for problem in report.problems:
        click.echo(printable(str(problem)))
    if report.problems:
        tell(f"{len(report.problems)} problems; leaderboards/CONTRIBUTING.md says what each check "
             "is for")  # fmt: skip
        raise click.exceptions.Exit(EXIT_FAILED)
    cells = report.n_utility + report.n_leakage
    click.echo(
        f"{cells} cells are fine ({report.n_utility} of search, {report.n_leakage} of attacks): "
        "files, ids, labels, samples, scores, floors, references, licences and size"
    )
