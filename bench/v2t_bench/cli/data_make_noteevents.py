"""``v2t-bench data make-noteevents``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("make-noteevents", short_help="Write a generated NOTEEVENTS.csv of MIMIC-III.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--n-notes",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Notes in it, the ones marked as errors included.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another gives other notes.")
def command(file: Path, n_notes: int, seed: int) -> None:
    """Write FILE, a table of generated notes in the official schema of MIMIC-III.

    It ends in .csv or .csv.gz. Nothing in it is true and nobody in it exists: it is for trying
    what reads MIMIC-III without having access to that. Measure it with --dataset mimic:FILE.
    """
    from v2t_bench.corpora.made_notes import make_noteevents

    make_noteevents(file, n_notes=n_notes, seed=seed)
    click.echo(f"{n_notes} generated notes in {file}")
