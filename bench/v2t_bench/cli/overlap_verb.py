"""``v2t-bench overlap``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v2t_bench.cli.options import (
    MACHINE,
    data_dir_option,
    machine_options,
    make_context,
    make_sources,
    tell,
)

if TYPE_CHECKING:
    from v2t_bench.checkpoints import CheckpointRecord
    from v2t_bench.contamination import Overlap
    from v2t_bench.text_hashes import Hashes


@click.command("overlap", short_help="Look texts up in a training text.")
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--texts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="txt or jsonl, also .gz or .zst; one text a line.",
)
@click.option("--dataset", metavar="SPELLING", help="Documents of a collection, as run takes it.")
@click.option(
    "--embedder",
    "-e",
    help="Cuts the documents of --dataset; default: the one CHECKPOINT was trained for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@data_dir_option
@machine_options
def command(**given: Any) -> None:
    """Tell how much of other texts was in the text that CHECKPOINT was trained on.

    A checkpoint keeps a hash of every text it was trained on, and hashes of 1 in 8 of their runs
    of 13 words (older ones: of 1 in 64 runs, and of no texts). Of the runs in your texts, those of
    the same 8th are looked up; the share that is found estimates the share of all. A text that is
    all of a training text is found; one that only shares n runs is noticed with a probability of
    1 - (7/8)^n, 8 in 10 for n = 13: the texts found are a lower bound. Case and punctuation make
    no odds. Documents are looked up whole, and cut to the tokens that CHECKPOINT was trained for.

    \b
    v2t-bench overlap checkpoints/vec2text-wiki-32 --texts mine.txt
    v2t-bench overlap checkpoints/vec2text-wiki-32 --dataset beir:./scifact --json
    """  # noqa: D301 - click's marker for a paragraph it must not wrap
    from v2t_bench.checkpoints import checkpoint_in, read_record
    from v2t_bench.contamination import overlap
    from v2t_bench.text_hashes import WORDS, read_hashes

    if (given["texts"] is None) == (given["dataset"] is None):
        raise click.UsageError("give one of --texts and --dataset")
    if given["texts"] is not None and given["embedder"] is not None:
        raise click.UsageError("--embedder cuts what --dataset names; --texts are looked up whole")
    folder: Path = given["checkpoint"]
    record = read_record(folder)
    hashes = read_hashes(folder)
    measured = [(name, form, overlap(texts, hashes)) for name, form, texts in _lists(given, record)]
    if given["as_json"]:
        document = {
            "schema_version": 1,
            "checkpoint": checkpoint_in(folder).identity,
            "trained_on": record.trained_on,
            "words": WORDS,
            "one_in": hashes.one_in,
            "hashes": len(hashes.runs),
            "whole_texts": None if hashes.texts is None else len(hashes.texts),
            "overlaps": [_described(*row) for row in measured],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        _print(measured)
    tell(_of(record.trained_on, hashes))


def _of(trained_on: str, hashes: Hashes) -> str:
    """Return what the hashes are of, and what not finding a text in them means."""
    from v2t_bench.text_hashes import WORDS

    kept = []
    if hashes.texts is not None and len(hashes.texts):
        kept.append(f"{len(hashes.texts):,} of whole texts")
    if len(hashes.runs):
        kept.append(f"{len(hashes.runs):,} of 1 in {hashes.one_in} of its runs of {WORDS} words")
    if not kept:
        return (
            f"no hashes of {trained_on}: its texts are few, or shorter than {WORDS} words, "
            "and a copy of one cannot be noticed"
        )
    return (
        f"hashes of {trained_on}: {' and '.join(kept)}; what is found is in it, what is not may "
        "be in it all the same"
    )


def _lists(
    given: dict[str, Any], record: CheckpointRecord
) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield name, form and texts of everything that is looked up."""
    if given["texts"] is not None:
        from v2t_bench.training_text import read_texts

        yield given["texts"].name, "whole", read_texts(given["texts"]).texts
        return
    from v2t_bench.checkpoints import space_of
    from v2t_bench.contracts import Embedder
    from v2t_bench.corpora import open_corpora
    from v2t_bench.errors import SpaceMismatch
    from v2t_bench.registry import discover
    from v2t_bench.texts import cut

    registry = discover()
    context = make_context(registry, **{key: given[key] for key in MACHINE})
    sources = make_sources(given["data_dir"], offline=context.offline)
    corpora = open_corpora(given["dataset"], sources, with_training=False)
    spelled = given["embedder"] or record.embedder
    embedder: Embedder = registry.build("embedders", spelled, context)
    if embedder.space != space_of(record.space):
        raise SpaceMismatch(
            f"{spelled} is another embedder than the one {given['checkpoint']} was trained for "
            f"({record.embedder}), so it would cut texts elsewhere; name that one by --embedder"
        )
    for corpus in corpora:
        whole = [document.content for document in corpus.documents]
        yield corpus.name, "cut", cut(embedder, whole, record.max_tokens).texts
        yield corpus.name, "whole", whole


def _described(name: str, form: str, found: Overlap) -> dict[str, Any]:
    low, high = found.interval or (None, None)
    return {
        "name": name,
        "form": form,
        "texts": found.texts,
        "long_enough": found.long_enough,
        "found_texts": found.found_texts,
        "whole_texts": found.whole_texts,
        "looked_up": found.looked_up,
        "found": found.found,
        "share": found.share,
        "low": low,
        "high": high,
    }


def _print(measured: Sequence[tuple[str, str, Overlap]]) -> None:
    from rich.table import Table

    from v2t_bench.cli.printing import print_table

    table = Table("texts of", "form")
    for column in ("texts", "of 13 words or more", "texts found", "found whole", "runs looked up",
                   "runs found", "share", "95 %"):  # fmt: skip
        table.add_column(column, justify="right")
    for name, form, found in measured:
        whole = "unknown" if found.whole_texts is None else f"{found.whole_texts:,}"
        counts = (found.texts, found.long_enough, found.found_texts)
        runs = (found.looked_up, found.found)
        share = "unknown" if found.share is None else f"{found.share:.4f}"
        ends = "" if found.interval is None else " to ".join(f"{end:.4f}" for end in found.interval)
        numbers = [*(f"{n:,}" for n in counts), whole, *(f"{n:,}" for n in runs), share, ends]
        table.add_row(name, form, *numbers)
    print_table(table)
