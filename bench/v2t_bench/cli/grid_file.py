"""A grid file: values of options, in TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click


def read_grid_file(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Make a grid file's values the defaults of the other options."""
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is not a grid file: {error}") from error
    options = {
        spelled.removeprefix("--"): option
        for option in ctx.command.params
        for spelled in option.opts
        if spelled.startswith("--") and spelled != "--config"
    }
    known: dict[str, Any] = {}
    for key, value in values.items():
        option = options.get(key.replace("_", "-"))
        if option is None or option.name is None:
            raise click.UsageError(
                f"{path} sets unknown {key!r} (known: {', '.join(sorted(options))})"
            )
        single = getattr(option, "multiple", False) and not isinstance(value, list)
        known[option.name] = [value] if single else value
    ctx.default_map = {**(ctx.default_map or {}), **known}
    return path
