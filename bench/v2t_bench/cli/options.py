"""Options that several verbs share, and what they are turned into."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from v2t_bench.contracts import BuildContext
    from v2t_bench.corpora.sources import Sources
    from v2t_bench.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

# What `machine_options` adds, by the names that `make_context` takes.
MACHINE = ("device", "batch_size", "offline", "trust_remote_code", "allow_bin", "cache_dir")


class BatchSize(click.ParamType[int | None]):
    """``auto`` or a positive whole number."""

    name = "auto|n"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | None:
        """Return the number, or None for ``auto``."""
        if value is None or value == "auto":
            return None
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < 1:
            self.fail(f"{text!r} is neither auto nor a positive whole number", param, ctx)
        return int(text)


def machine_options(function: F) -> F:
    """Add what says where and how to compute; none of it changes a result's identity."""
    for option in (
        click.option("--device", default="auto", show_default=True,
                     help="auto, cpu, cuda, cuda:<number> or mps."),
        click.option("--batch-size", type=BatchSize(), default="auto", show_default=True,
                     help="Rows computed at once."),
        click.option("--offline", is_flag=True, help="Fetch nothing."),
        click.option("--trust-remote-code", multiple=True, metavar="MODEL",
                     help="Let this model's own code run."),
        click.option("--allow-bin", is_flag=True,
                     help="Read weights that are stored as a pickle only; tensors, no code."),
        click.option("--cache", "cache_dir", type=click.Path(path_type=Path, file_okay=False),
                     help="Vectors and trained attacks; default: V2T_BENCH_CACHE or the "
                     "user's cache folder."),
    ):  # fmt: skip
        function = option(function)
    return function


def data_dir_option(function: F) -> F:
    """Add ``--data-dir``, of verbs that open collections."""
    return click.option(
        "--data-dir", type=click.Path(path_type=Path, file_okay=False),
        help="Where collections are, and are fetched to; default: V2T_BENCH_DATA_DIR or a folder "
        "in the cache folder.",
    )(function)  # fmt: skip


def make_sources(data_dir: Path | None, *, offline: bool) -> Sources:
    """Return where collections are."""
    from v2t_bench.corpora.sources import Sources
    from v2t_bench.environment import data_folder

    return Sources(data_dir=data_dir or data_folder(), offline=offline, tell=tell)


def fast_oracle_option(function: F) -> F:
    """Add ``--fast-oracle``, of verbs that attack."""
    return click.option(
        "--fast-oracle", is_flag=True,
        help="Embed what attacks ask in bfloat16, within a cosine of 0.9999; what is released, "
        "ranked and scored stays exact. A vector then depends a little on its batch, so another "
        "--batch-size or other texts beside it may change an answer; the same command on the "
        "same machine gives the same. No effect on a processor without bfloat16.",
    )(function)  # fmt: skip


def takes_effect(fast_oracle: bool, device: str) -> bool:
    """Return whether ``--fast-oracle`` changes anything on ``device``; tell if it does not."""
    from v2t_bench.environment import has_fast_bfloat16

    if fast_oracle and not has_fast_bfloat16(device):
        tell(f"--fast-oracle has no effect: {device} is not faster in bfloat16")
        return False
    return fast_oracle


def make_context(
    registry: Registry,
    *,
    device: str,
    batch_size: int | None,
    offline: bool,
    trust_remote_code: tuple[str, ...],
    allow_bin: bool = False,
    cache_dir: Path | None = None,
) -> BuildContext:
    """Return what components are built with.

    Raises:
        BadParameter: no such device here.
    """
    from v2t_bench.contracts import BuildContext
    from v2t_bench.environment import cache_folder, resolve_device

    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

    def build(kind: Any, spelling: Any) -> Any:
        return registry.build(kind, spelling, context)

    context = BuildContext(
        build=build,
        device=resolve_device(device),
        batch_size=batch_size,
        offline=offline or os.environ.get("HF_HUB_OFFLINE") == "1",
        trust_remote_code=trust_remote_code,
        allow_bin=allow_bin,
        cache=cache_dir or cache_folder(),
    )
    return context


def open_cache(given: Path | None) -> Path:
    """Return the cache folder, made if it is not there yet.

    Raises:
        BadInput: it cannot be a folder.
    """
    from v2t_bench.environment import cache_folder
    from v2t_bench.errors import BadInput

    cache = given or cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cache folder {cache} cannot be used ({error.strerror}); set V2T_BENCH_CACHE or "
            "--cache to another"
        ) from error
    return cache


class EmbeddingProgress:
    """Tells how far the embedding of a list is: all the time on a terminal, else now and then."""

    def __init__(self, every_seconds: float = 15.0) -> None:
        self.every_seconds = every_seconds
        self.told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Take note of how many texts are embedded."""
        line = f"  embedded {done:,} of {total:,} texts"
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(f"\r{line}", err=True, nl=done >= total)
        elif time.monotonic() - self.told > self.every_seconds:
            self.told = time.monotonic()
            tell(line)


def tell(line: str) -> None:
    """Print a line of progress to stderr."""
    click.echo(line, err=True)
