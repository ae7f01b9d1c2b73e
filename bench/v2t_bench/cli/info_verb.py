"""``v2t-bench info``."""

from __future__ import annotations

import inspect

import click

from v2t_bench.contracts import KINDS, Kind


@click.command("info", short_help="Tell everything about one component.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
def command(kind: Kind, name: str) -> None:
    """Tell what the component NAME does, how it is spelled and where it is from."""
    from v2t_bench.registry import describe_parameters, discover

    entry = discover().entry(kind, name)
    recipe = entry.recipe
    click.echo(f"{recipe.name}: {recipe.summary}")
    click.echo(f"from {entry.origin} ({entry.origin.module})")
    if recipe.source:
        click.echo(f"source: {recipe.source}")
    click.echo(f"spelled: {describe_parameters(recipe)}")
    if recipe.learned:
        click.echo(f"learned: v2t-bench train {recipe.name} --texts FILE")
    for name, settings in recipe.trainings.items():
        told = ", ".join(f"{key}={value}" for key, value in settings.items())
        click.echo(f"training recipe {name}: {told}")
    if recipe.for_tests:
        click.echo("for tests only: no published figure may come from it")
    text = inspect.getdoc(recipe.build)
    if text:
        click.echo("\n" + text)
