"""``v2t-bench train``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from v2t_bench.cli.options import (
    MACHINE,
    EmbeddingProgress,
    machine_options,
    make_context,
    open_cache,
    tell,
)
from v2t_bench.cli.text_files import read_all
from v2t_bench.contracts import Embedder, Size
from v2t_bench.training_text import Titles

if TYPE_CHECKING:
    from v2t_bench.lesson import Lesson
    from v2t_bench.registry import Registry

DEV_TEXTS = 1000
# Given as options, and fields of a lesson by the same name.
_OF_LESSON = ("attack", "max_tokens", "min_tokens", "fast_vectors", "size", "steps", "minutes",
              "seed", "batch_size", "tokenizer", "options", "defense", "defense_seed", "owner_seed",
              "titles", "text_licence", "text_source", "taught")  # fmt: skip


def _options(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    parsed: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} is not of the form key=value")
        parsed[key] = value
    return parsed


def _one_line(ctx: click.Context, param: click.Parameter, given: str) -> str:
    return " ".join(given.split())


@click.command("train", short_help="Train an attack.")
@click.argument("attack")
@click.option(
    "--texts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="txt or jsonl, also .gz or .zst; one text a line. Repeatable: the files "
    "are read in turn, a text from each.",
)
@click.option("--demo", is_flag=True, help="The training texts of the demo collections instead.")
@click.option("--embedder", "-e", default="minilm", show_default=True, help="Attacked embedder.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="The embedder's tokens kept of each text, special ones included.",
)
@click.option(
    "--min-tokens",
    type=click.IntRange(1),
    help="Cut a third of the texts at --max-tokens, a third at half of it, the others at a "
    "number drawn evenly from this one on; default: all at --max-tokens.",
)
@click.option(
    "--fast-vectors",
    is_flag=True,
    help="Embed what is trained on in bfloat16, within a cosine of 0.9999 and twice as fast; "
    "no effect on a processor without it.",
)
@click.option(
    "--n-texts",
    type=click.IntRange(1),
    help="Read only so many texts, the same number from each file.",
)
@click.option(
    "--recipe",
    metavar="NAME",
    help="Settings that were found for a purpose, see v2t-bench info attacks NAME; what is "
    "given besides has precedence.",
)
@click.option(
    "--size",
    type=click.Choice(get_args(Size)),
    default="small",
    show_default=True,
    help="Of the network.",
)
@click.option("--steps", type=click.IntRange(1), help="Optimizer steps of each network.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Time for everything that is learned, instead of --steps.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--titles",
    type=click.Choice(get_args(Titles)),
    default="with",
    show_default=True,
    help="Of jsonl records: put before the text, left out, or left out of every other one.",
)
@click.option(
    "--defense",
    default="",
    metavar="SPELLING",
    help="Train on vectors as this defense releases them; default: on clean ones.",
)
@click.option(
    "--defense-seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the secret that the attacker makes up for that defense.",
)
@click.option(
    "--owner-seed",
    type=click.IntRange(0),
    help="Train on what the owner of this --seed releases instead, as by asking the owner's own "
    "service: for adaptive:retrain,oracle=protected of defenses with a key.",
)
@click.option(
    "--dev",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Texts of another origin, to measure the loss on as the training goes. Repeatable.",
)
@click.option(
    "--text-licence",
    default="",
    callback=_one_line,
    metavar="TEXT",
    help='Of the texts, for the model card, such as "CC BY-SA 3.0".',
)
@click.option(
    "--text-source",
    default="",
    callback=_one_line,
    metavar="TEXT",
    help="Where the texts are from, for the model card.",
)
@click.option(
    "--no-ngrams",
    is_flag=True,
    help="Keep no hashes of the texts and of their runs of 13 words, by which anybody can confirm "
    "what they guess; for texts that must not leave a trace. Then nothing is told of overlap.",
)
@click.option("--tokenizer", metavar="FOLDER|ID", help="A given tokenizer; default: train one.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_options,
    help="What else the attack understands, see v2t-bench info attacks NAME.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the checkpoint; default: where run looks for it.",
)
@machine_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Train ATTACK on texts, test it on some that are held back, and keep it for run.

    Started again with the same arguments, a training that was stopped goes on.

    \b
    v2t-bench train vec2text --texts articles.txt.gz --minutes 60

    On several GPUs: accelerate launch -m v2t_bench train vec2text ...
    """  # noqa: D301 - click's marker for a paragraph it must not wrap
    from v2t_bench.processes import Processes
    from v2t_bench.registry import discover
    from v2t_bench.release import trained_against
    from v2t_bench.training import Lesson, School
    from v2t_bench.vectors import VectorCache

    registry = discover()
    given |= _taught(registry, given["attack"])
    entry = registry.entry("attacks", given["attack"])
    given |= _settings(ctx, entry.recipe, given)
    _check(given)
    processes = Processes.from_environment()
    given["device"] = processes.device(given["device"])
    given["defense"] = trained_against(registry, given["defense"])
    # The batch size that is given here is the training's.
    machine = {key: given[key] for key in MACHINE} | {"batch_size": None}
    context = make_context(registry, **machine)
    embedder: Embedder = registry.build("embedders", given["embedder"], context)
    say = tell if processes.is_main else lambda line: None
    texts, trained_on = _texts(given, say)
    lesson = Lesson(
        texts=texts,
        dev=read_all(given["dev"], DEV_TEXTS, given["titles"], say) if given["dev"] else (),
        trained_on=trained_on,
        ngrams=not given["no_ngrams"],
        **{key: given[key] for key in _OF_LESSON},
    )
    cache = open_cache(given["cache_dir"])
    school = School(
        registry=registry,
        embedder=embedder,
        embedder_text=given["embedder"],
        context=context,
        cache=VectorCache(cache / "vectors", EmbeddingProgress()),
        progress=tell,
        processes=processes,
    )
    checkpoint = school.train(lesson, given["output"] or _usual_place(lesson, embedder, cache))
    processes.leave()
    if processes.is_main:
        click.echo(str(checkpoint.folder))
    say((checkpoint.folder / "README.md").read_text(encoding="utf-8").partition("## Limits")[0])


def _check(given: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other."""
    if given["steps"] is not None and given["minutes"] is not None:
        raise click.UsageError("give --steps or --minutes, not both")
    if given["demo"] == bool(given["texts"]):
        raise click.UsageError("give --texts FILE, or --demo, and not both")
    if given["demo"] and given["n_texts"] is not None:
        raise click.UsageError("--demo trains on all texts of the demo; leave --n-texts out")
    if given["minutes"] is not None and not math.isfinite(given["minutes"]):
        raise click.UsageError("--minutes must be a finite number")
    if given["owner_seed"] is not None and given["defense"] in ("", "none"):
        raise click.UsageError("--owner-seed is of a defense; give --defense too")


def _usual_place(lesson: Lesson, embedder: Embedder, cache: Path) -> Path:
    """Return where `run` looks for what this lesson leaves."""
    from v2t_bench.canonical import content_hash

    stem, mark = lesson.trained_on.partition(".")[0], content_hash(lesson.identity(embedder))[:8]
    return cache / "checkpoints" / f"{lesson.attack}-{stem}-{lesson.max_tokens}-{mark}"


def _taught(registry: Registry, text: str) -> dict[str, Any]:
    """Return the attack's name, and the parameters that training decides."""
    from v2t_bench.lesson import to_be_taught
    from v2t_bench.spelling import parse

    spelled = parse(text)
    return {"attack": spelled.name, "taught": to_be_taught(registry, spelled)}


def _texts(given: Mapping[str, Any], say: Callable[[str], None]) -> tuple[Sequence[str], str]:
    """Return the training texts, and what they are called."""
    from v2t_bench.checkpoints import DEMO
    from v2t_bench.corpora.demo import demo_training_texts

    if given["demo"]:
        # All of them, or a demo corpus would not take it for the attack on its own texts.
        return demo_training_texts(), DEMO
    texts = read_all(given["texts"], given["n_texts"], given["titles"], say)
    return texts, " + ".join(path.name for path in given["texts"])


def _settings(ctx: click.Context, attack: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return what a recipe sets, apart from what was given on the command line."""
    if given["recipe"] is None:
        return {}
    if given["recipe"] not in attack.trainings:
        known = ", ".join(attack.trainings) or "none"
        raise click.BadParameter(
            f"{attack.name} has no training recipe {given['recipe']!r} (known: {known})",
            param_hint="--recipe",
        )
    settings = dict(attack.trainings[given["recipe"]])
    options = dict(settings.pop("options", {})) | given["options"]
    usual = click.core.ParameterSource.DEFAULT
    # Steps and minutes are one budget: who gives one does not want the other's.
    if given["steps"] is not None or given["minutes"] is not None:
        settings = {name: settings[name] for name in settings if name not in ("steps", "minutes")}
    chosen = {
        name: value for name, value in settings.items() if ctx.get_parameter_source(name) is usual
    }
    return {**chosen, "options": options}
