"""``v2t-bench leaderboard``: boards of stored results; each verb is imported when it is used."""

from __future__ import annotations

import importlib

import click

from v2t_bench.cli import named_after_options

VERBS = {
    "build": "Write the boards of results folders as CSV.",
    "merge": "Join results folders into one.",
    "validate": "Check results as a submission is checked.",
    "html": "Write the boards as one page.",
}


class _Leaderboard(click.Group):
    """The verbs about boards."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"v2t_bench.cli.leaderboard_{cmd_name}")
        command: click.Command = module.command
        return named_after_options(command, f"leaderboard_{cmd_name}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group("leaderboard", cls=_Leaderboard, short_help="Boards of stored results.")
def command() -> None:
    """Make boards of stored results, and join, check and show them. No model is needed."""
