"""``v2t-bench doctor``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from v2t_bench.cli import EXIT_FAILED


@click.command("doctor", short_help="Check this installation.")
@click.option(
    "--cache",
    "cache_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Cache folder to check; default: the one run would use.",
)
def command(cache_dir: Path | None) -> None:
    """Check libraries, plugins, inverters, the default embedder, the cache and the device."""
    ok = True
    for name, check in _checks(cache_dir):
        try:
            click.echo(f"ok    {name}: {check()}")
        # Whatever is wrong is the answer here.
        except Exception as error:
            ok = False
            click.echo(f"WRONG {name}: {' '.join(str(error).split())}")
    if not ok:
        raise click.exceptions.Exit(EXIT_FAILED)


def _checks(cache_dir: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    from v2t_bench.environment import cache_folder, describe, resolve_device

    cache = cache_dir or cache_folder()

    def versions() -> str:
        found = describe("cpu")
        return f"python {found['python']}, " + ", ".join(
            f"{name} {version}" for name, version in found["versions"].items()
        )

    def device() -> str:
        return f"auto is {resolve_device('auto')}"

    def plugins() -> str:
        from v2t_bench.errors import PluginError
        from v2t_bench.registry import discover

        registry = discover()
        if registry.problems:
            raise PluginError("; ".join(registry.problems))
        return f"{len(registry.plugins)} modules from " + ", ".join(
            sorted({str(origin) for origin in registry.plugins})
        )

    def embedder() -> str:
        from v2t_bench.cli.options import make_context
        from v2t_bench.registry import discover

        registry = discover()
        context = make_context(
            registry, device="cpu", batch_size=None, offline=True, trust_remote_code=()
        )
        minilm = registry.build("embedders", "minilm", context)
        vectors = minilm.embed(["a check"], "document")
        return f"minilm answers with {vectors.shape[1]} dimensions; weights match their sha256"

    def folder() -> str:
        from v2t_bench.canonical import write_atomically

        cache.mkdir(parents=True, exist_ok=True)
        write_atomically(cache / ".writable", b"")
        (cache / ".writable").unlink()
        free = shutil.disk_usage(cache).free / 2**30
        return f"{cache} is writable, {free:.1f} GiB free"

    yield "versions", versions
    yield "device", device
    yield "plugins", plugins
    yield "inverters", _inverters
    yield "embedder", embedder
    yield "cache", folder


def _inverters() -> str:
    """Return which checkpoints packages carry, each compared with its hashes."""
    from v2t_bench.checkpoints import place
    from v2t_bench.registry import discover
    from v2t_bench.shelves import Shelves

    carried = discover().checkpoints
    if not carried:
        return (
            "none installed; demo ones are trained on the spot, others by v2t-bench train "
            "(the package v2t-minilm-inverters carries some)"
        )
    shelves = Shelves(packaged=carried)
    for checkpoint in carried:
        shelves.check(checkpoint)
    names = ", ".join(sorted(place(checkpoint) for checkpoint in carried))
    return f"{names}; their files match their sha256"
