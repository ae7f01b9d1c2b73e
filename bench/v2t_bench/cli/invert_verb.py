"""``v2t-bench invert``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v2t_bench.cli.options import (
    MACHINE,
    fast_oracle_option,
    machine_options,
    make_context,
    open_cache,
    takes_effect,
    tell,
)

if TYPE_CHECKING:
    from v2t_bench.contracts import BuildContext, Embedder
    from v2t_bench.registry import Registry
    from v2t_bench.targets import Targets


@click.command("invert", short_help="Read text back out of vectors.")
@click.argument("text", required=False)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="Texts instead: txt or jsonl, also .gz or .zst. Every line is inverted, blank and "
    "repeated ones too, and numbered as in the file.",
)
@click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    help="Vectors instead, of texts nobody knows: .npy, .safetensors or .parquet.",
)
@click.option("--column", metavar="NAME", help="Of --vectors: the tensor or the parquet column.")
@click.option("--attack", "-a", default="vec2text", show_default=True)
@click.option("--steps", type=click.IntRange(0), help="Short for the attack's steps=.")
@click.option("--beam", type=click.IntRange(1), help="Short for the attack's beam=.")
@click.option(
    "--embedder",
    "-e",
    default="minilm",
    show_default=True,
    help="Whose vectors they are.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="The embedder's tokens kept of each text, special ones included; also a length "
    "the attack was trained for.",
)
@click.option(
    "--defense",
    "-d",
    default="none",
    show_default=True,
    help="Of texts: invert what it releases. It is fitted to these texts.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the owner's secret, for --defense.",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many.")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Folder whose subfolders are trained attacks. Repeatable.",
)
@click.option("--trace", is_flag=True, help="Show every round of the search.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the JSON there as well.",
)
@fast_oracle_option
@machine_options
def command(**given: Any) -> None:
    """Embed TEXT and read it back from its vector alone, or read back vectors of your own.

    A text is cut to --max-tokens first, and compared as it was cut. Nothing of it is kept. In a
    trace the words that the round before did not have are coloured, or stand between {+ and +}
    where there is no colour; its cosines are with the vector that is attacked.

    \b
    v2t-bench invert "Some text" --steps 20 --trace
    v2t-bench invert --file texts.txt --defense noise:0.01
    v2t-bench invert --vectors leaked.parquet --column embedding --json
    """  # noqa: D301 - click's marker for a paragraph it must not wrap
    _check(given)
    from v2t_bench.canonical import write_atomically
    from v2t_bench.cli.recovered_text import print_inversion
    from v2t_bench.inversion import Inverter, spell_attack
    from v2t_bench.registry import discover

    registry = discover()
    context = make_context(registry, **{key: given[key] for key in MACHINE})
    attack = spell_attack(registry, given["attack"], {key: given[key] for key in ("steps", "beam")})
    embedder: Embedder = registry.build("embedders", given["embedder"], context)
    inverter = Inverter(
        registry=registry,
        context=context,
        embedder=embedder,
        embedder_text=given["embedder"],
        max_tokens=given["max_tokens"],
        shelves=[open_cache(given["cache_dir"]) / "checkpoints", *given["checkpoints"]],
        fast_oracle=takes_effect(given["fast_oracle"], context.device),
    )
    inverter.check(attack, traced=given["trace"])
    resolved = inverter.resolve(attack)
    targets = _targets(given, registry, context, embedder)
    for line in (*targets.notices, *resolved.notices, *resolved.flags):
        tell(line)
    count = len(targets.attacked)
    what = "1 vector" if count == 1 else f"{count:,} vectors"
    tell(f"inverting {what} of {inverter.embedder_text} by {resolved.label}")
    inversion = inverter.invert(resolved, targets, traced=given["trace"])
    text = json.dumps(inversion.document(), indent=1)
    if given["output"] is not None:
        write_atomically(given["output"], text + "\n")
    if given["as_json"]:
        click.echo(text)
    else:
        print_inversion(inversion)
    tell(f"the attack had {inversion.oracle_texts:,} texts embedded")


def _check(given: dict[str, Any]) -> None:
    """Refuse options that contradict each other, and an output that cannot be written."""
    sources = [name for name in ("text", "file", "vectors") if given[name] is not None]
    if len(sources) != 1:
        found = " and ".join(sources) if sources else "none of them"
        raise click.UsageError(f"give one of TEXT, --file and --vectors, not {found}")
    if given["text"] is not None:
        if not given["text"].strip():
            raise click.BadParameter("TEXT is blank; give the text to embed and invert")
        try:
            given["text"].encode()
        except UnicodeEncodeError as error:
            raise click.BadParameter(
                f"TEXT holds bytes that are not UTF-8 (character {error.start + 1})"
            ) from error
    if given["column"] is not None and given["vectors"] is None:
        raise click.UsageError("--column names a part of --vectors; give both or neither")
    if given["vectors"] is not None and given["defense"] != "none":
        raise click.UsageError(
            "--defense is for texts: what --vectors holds has been released already; leave it out"
        )
    output: Path | None = given["output"]
    if output is not None and output.exists() and not output.is_file():
        # Written to a file beside it and renamed, which would take the place of a device.
        raise click.UsageError(f"--output: {output} is no file; name one to be written")
    if output is not None and not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise click.BadParameter(
            f"--output: {output.absolute().parent} is no folder that can be written to"
        )


def _targets(
    given: dict[str, Any], registry: Registry, context: BuildContext, embedder: Embedder
) -> Targets:
    """Return what is to be inverted, read and, where it is text, embedded."""
    from v2t_bench.targets import targets_of_texts, targets_of_vectors
    from v2t_bench.training_text import read_every_text
    from v2t_bench.vector_file import read_vectors

    path, limit = given["vectors"], given["limit"]
    if path is not None:
        return targets_of_vectors(
            read_vectors(path, column=given["column"], limit=limit),
            origin=str(path),
            embedder=embedder,
            embedder_text=given["embedder"],
        )
    texts = [given["text"]]
    if given["file"] is not None:
        texts = read_every_text(given["file"], limit=limit)
    return targets_of_texts(
        texts,
        embedder=embedder,
        max_tokens=given["max_tokens"],
        defense=given["defense"],
        seed=given["seed"],
        registry=registry,
        context=context,
    )
