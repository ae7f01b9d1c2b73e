"""``v2t-bench leaderboard``: boards of stored results; each verb is imported when it is used."""

from __future__ import annotations

import click

from v2t_bench.cli import Verbs

VERBS = {
    "build": "Write the boards of results folders as CSV.",
    "merge": "Join results folders into one.",
    "validate": "Check results as a submission is checked.",
    "html": "Write the boards as one page.",
}


@click.group(
    "leaderboard",
    cls=Verbs,
    verbs=VERBS,
    modules="leaderboard_{}",
    variables="leaderboard_{}",
    short_help="Boards of stored results.",
)
def command() -> None:
    """Make boards of stored results, and join, check and show them. No model is needed."""
