"""``v2t-bench data``: the collections, where they are and what state they are in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from v2t_bench.cli import named_after_options
from v2t_bench.cli.options import data_dir_option, tell

if TYPE_CHECKING:
    from v2t_bench.corpora.sources import Sources

F = TypeVar("F", bound=Callable[..., Any])

MAKE_NOTEEVENTS = "make-noteevents"


def _places(function: F) -> F:
    """Add what says where collections are and whether they may be fetched."""
    offline = click.option("--offline", is_flag=True, help="Fetch nothing.")
    return offline(data_dir_option(function))


class _Data(click.Group):
    """The verbs about collections; the one that makes notes is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order a newcomer needs them."""
        return [*self.commands, MAKE_NOTEEVENTS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one verb."""
        found = super().get_command(ctx, cmd_name)
        if cmd_name == MAKE_NOTEEVENTS:
            from v2t_bench.cli.data_make_noteevents import command as make_noteevents

            found = make_noteevents
        verb = f"data_{cmd_name}".replace("-", "_")
        return None if found is None else named_after_options(found, verb)


@click.group("data", cls=_Data, short_help="List, fetch and verify collections.")
def command() -> None:
    """List, fetch, rebuild and verify the collections that a run can be about."""


@command.command("list")
@_places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(data_dir: Path | None, offline: bool, as_json: bool) -> None:
    """List every collection: whether it is here, what it takes, its split and its licence."""
    from v2t_bench.cli.options import make_sources
    from v2t_bench.cli.printing import print_table
    from v2t_bench.corpora.inventory import inventory

    sources = make_sources(data_dir, offline=offline)
    if not sources.data_dir.is_dir():
        tell(f"{sources.data_dir}: there is no such folder; v2t-bench data get makes it")
    lines = inventory(sources.data_dir)
    if as_json:
        told = {"data_dir": str(sources.data_dir), "collections": lines}
        click.echo(json.dumps(told, indent=1))
        return
    from rich.table import Table

    table = Table(title=str(sources.data_dir), title_justify="left", header_style="bold")
    for column in lines[0]:
        table.add_column(column.replace("_", " "), overflow="fold")
    for line in lines:
        table.add_row(*map(_cell, line.values()))
    print_table(table, wrap=True)


def _cell(value: object) -> str:
    """Return a cell of the table: numbers with separators, nothing for zero."""
    return (f"{value:,}" if value else "") if isinstance(value, int) else str(value)


@command.command("get")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_places
def get(names: tuple[str, ...], data_dir: Path | None, offline: bool) -> None:
    """Fetch collections that are missing, compare their checksums and unpack them.

    NAME is nq or msmarco (with the texts to invert), beir (the public fifteen), or the name of
    one of BEIR's, with or without beir:. What is here already is left alone; a download that
    was interrupted goes on where it ended. V2T_BENCH_BEIR_URL names a mirror of BEIR's archives,
    HF_ENDPOINT one of the Hugging Face Hub.
    """
    for fetch in [one for name in names for one in _fetches(name)]:
        fetch(_sources(data_dir, offline=offline))


@command.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@_places
def verify(names: tuple[str, ...], data_dir: Path | None, offline: bool) -> None:
    """Compare collections with the checksums recorded when they were unpacked.

    NAME is as in get; without it, everything that is here. The exit status is 1 if anything is
    damaged.
    """
    from v2t_bench.corpora.inventory import verdicts

    damaged = False
    for verdict in verdicts(names, _sources(data_dir, offline=offline)):
        click.echo(f"{verdict.name}: {verdict.text}")
        for line in verdict.damage:
            click.echo(f"  {line}")
        damaged = damaged or bool(verdict.damage)
    if damaged:
        tell("damaged: remove the folder and run v2t-bench data get again")
        click.get_current_context().exit(1)


@command.command("prepare")
@click.argument("name")
@_places
@click.option("--topics", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="TREC-DL 2020's queries: msmarco-test2020-queries.tsv[.gz].")  # fmt: skip
@click.option("--qrels", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="TREC-DL 2020's judgements: 2020qrels-pass.txt[.gz].")  # fmt: skip
def prepare(
    name: str,
    data_dir: Path | None,
    offline: bool,
    topics: Path | None,
    qrels: Path | None,
) -> None:
    """Rebuild one of our own subsets from the public collection that it was cut from.

    Only ids were kept of it; the texts are taken from BEIR's msmarco, which is fetched where it
    is missing, and from two files of TREC. What is written is compared with the checksums of
    the subset.
    """
    from v2t_bench.corpora.subsets import rebuild

    folder = rebuild(name, _sources(data_dir, offline=offline), topics=topics, qrels=qrels)
    tell(f"{name}: rebuilt in {folder}, with the checksums it must have")


def _sources(data_dir: Path | None, *, offline: bool) -> Sources:
    from v2t_bench.cli.options import make_sources

    return make_sources(data_dir, offline=offline)


def _fetches(name: str) -> list[Callable[[Sources], None]]:
    """Return what is to be done to get ``name``: refused before anything is fetched."""
    from v2t_bench.corpora.inventory import fetches

    return fetches(name)
