"""``v2t-bench info``."""

from __future__ import annotations

import inspect
from typing import cast

import click

from v2t_bench.contracts import KINDS, Kind

CHECKPOINTS = "checkpoints"


@click.command("info", short_help="Tell everything about one component.")
@click.argument("kind", type=click.Choice([*KINDS, CHECKPOINTS]))
@click.argument("name")
def command(kind: str, name: str) -> None:
    """Tell what the component NAME does, how it is spelled and where it is from.

    Of a checkpoint: where it lies and its card.
    """
    if kind == CHECKPOINTS:
        _tell_checkpoint(name)
    else:
        _tell_component(cast("Kind", kind), name)


def _tell_component(kind: Kind, name: str) -> None:
    from v2t_bench.registry import describe_parameters, discover

    entry = discover().entry(kind, name)
    recipe = entry.recipe
    click.echo(f"{recipe.name}: {recipe.summary}")
    click.echo(f"from {entry.origin} ({entry.origin.module})")
    if recipe.source:
        click.echo(f"source: {recipe.source}")
    click.echo(f"spelled: {describe_parameters(recipe)}")
    if recipe.learned:
        taught = ":" * bool(recipe.taught) + ",".join(f"{name}=..." for name in recipe.taught)
        click.echo(f"learned: v2t-bench train {recipe.name}{taught} --texts FILE")
    for name, settings in recipe.trainings.items():
        told = ", ".join(f"{key}={value}" for key, value in settings.items())
        click.echo(f"training recipe {name}: {told}")
    if recipe.for_tests:
        click.echo("for tests only: no published figure may come from it")
    text = inspect.getdoc(recipe.build)
    if text:
        click.echo("\n" + text)


def _tell_checkpoint(name: str) -> None:
    from v2t_bench.cli.printing import printable
    from v2t_bench.environment import cache_folder
    from v2t_bench.registry import discover, unknown
    from v2t_bench.shelves import Shelves
    from v2t_bench.spelling import Spelling

    shelves = Shelves.open([cache_folder() / "checkpoints"], discover())
    known = (*shelves.packaged, *shelves.own)
    found = [checkpoint for checkpoint in known if checkpoint.name == name]
    if not found:
        raise unknown("checkpoint", name, sorted({checkpoint.name for checkpoint in known}))
    for checkpoint in found:
        chosen = name if checkpoint.distribution else checkpoint.folder
        click.echo(f"{checkpoint.identity}, in {checkpoint.folder}")
        click.echo(f"from {checkpoint.distribution or 'v2t-bench train'}")
        click.echo(f"serves: {checkpoint.lengths} tokens")
        named = {**checkpoint.taught, "checkpoint": str(chosen)}
        click.echo(f"spelled: {Spelling(checkpoint.attack, (), named)}")
        card = checkpoint.folder / "README.md"
        if not card.is_file():
            click.echo("it has no card (README.md)")
            continue
        click.echo()
        # Whoever made the package wrote the card: what would move the cursor is shown.
        for line in card.read_text(encoding="utf-8", errors="replace").splitlines():
            click.echo(printable(line))
