"""``v2t-bench list``."""

from __future__ import annotations

import json

import click

from v2t_bench.contracts import KINDS

WHAT = ("attacks", "defenses", "embedders", "datasets", "checkpoints", "plugins")


@click.command("list", short_help="List what is on offer.")
@click.argument("what", type=click.Choice(WHAT), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(what: str | None, as_json: bool) -> None:
    """List WHAT is on offer, or everything."""
    from v2t_bench.cli.printing import print_table
    from v2t_bench.corpora import known_datasets
    from v2t_bench.environment import cache_folder
    from v2t_bench.registry import discover
    from v2t_bench.shelves import Shelves

    registry = discover()
    found: dict[str, list[dict[str, str]]] = {
        kind: [
            {
                "name": entry.recipe.name,
                "from": str(entry.origin),
                "what": entry.recipe.summary,
            }
            for entry in registry.entries(kind)
        ]
        for kind in KINDS
    }
    found["datasets"] = [{"name": name, "what": line} for name, line in known_datasets()]
    shelves = Shelves.open([cache_folder() / "checkpoints"], registry)
    found["checkpoints"] = [
        {
            "name": checkpoint.name,
            "attack": checkpoint.attack,
            "embedder": checkpoint.embedder,
            "lengths": checkpoint.lengths,
            "trained on": checkpoint.trained_on,
            "from": checkpoint.distribution or str(checkpoint.folder),
        }
        for checkpoint in (*shelves.packaged, *shelves.own)
    ]
    found["plugins"] = [
        {"name": origin.distribution, "version": origin.version, "module": origin.module}
        for origin in sorted(registry.plugins)
    ]
    wanted = WHAT if what is None else (what,)
    if as_json:
        click.echo(json.dumps({name: found[name] for name in wanted}, indent=1))
        return
    from rich.table import Table

    for name in wanted:
        if not found[name]:
            click.echo(f"{name}: none")
            continue
        table = Table(title=name, title_justify="left", header_style="bold")
        for column in found[name][0]:
            table.add_column(column, overflow="fold")
        for record in found[name]:
            table.add_row(*record.values())
        print_table(table)
