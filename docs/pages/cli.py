"""The page about the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from pages.markdown import code, fenced, page, prose, table
from v2t_bench.cli import group

OPENING = """\
Every verb, as `--help` tells it. An option is taken from the command line, else from the
environment variable beside it, else (of `run`) from `--config`, else it is the default. In a
variable several values are separated by white space, and a switch is `1` or `0`.

Exit status: 0 all is well, 1 something failed or differs, 2 it cannot be done as asked, 130
interrupted."""


def write() -> str:
    """Return the page."""
    context = click.Context(group, info_name="v2t-bench", auto_envvar_prefix="V2T_BENCH")
    return page("Command line", OPENING, _command(group, context))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield what there is to say of a command and of those below it."""
    # As wide as it takes: where a line breaks must not depend on a terminal.
    usage = click.HelpFormatter(width=10_000)
    command.format_usage(context, usage)
    yield f"## `{context.command_path}`"
    yield fenced(usage.getvalue().strip().removeprefix("Usage: "))
    yield _help(command.help or "")
    rows = [_row(parameter, context) for parameter in command.params if _is_told(parameter)]
    yield table(("option", "default", "environment", "what"), rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _command(below, click.Context(below, context, info_name=name))


def _help(text: str) -> str:
    """Return a command's text; a paragraph that keeps its line breaks is a block."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        fenced(part.removeprefix("\b").strip("\n")) if part.startswith("\b") else prose(part)
        for part in paragraphs
    )


def _is_told(parameter: click.Parameter) -> bool:
    """Whether it has a line of its own; an argument stands in the usage and the text."""
    return isinstance(parameter, click.Option) and not parameter.hidden


def _row(option: Any, context: click.Context) -> tuple[str, str, str, str]:
    """Return the line of one option."""
    option.show_envvar = True
    extra = option.get_help_extra(context)
    names = ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    # A switch and one that counts take no value.
    value = "" if option.is_flag or option.count else option.make_metavar(context)
    if extra.get("range"):
        value = f"{value.removesuffix(' RANGE')} {extra['range']}"
    repeatable = " Repeatable." if option.multiple and "epeatable" not in option.help else ""
    variables = ", ".join(map(code, extra.get("envvars", ())))
    default = "required" if extra.get("required") else code(extra.get("default", ""))
    return (
        f"{names} {code(value)}".strip(),
        default,
        variables,
        prose((option.help or "") + repeatable),
    )
