"""The hooks a plugin can implement; each yields records and does no work.

A plugin is a module with functions of these names, marked with `v2t_bench.hookimpl` and
made known by an entry point in the group ``v2t_bench``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from v2t_bench.contracts import Attack, Checkpoint, Defense, Embedder, Recipe

hookspec = pluggy.HookspecMarker("v2t_bench")


@hookspec
def v2t_embedders() -> Iterable[Recipe[Embedder]]:
    """Offer ways to turn texts into vectors."""
    yield from ()


@hookspec
def v2t_attacks() -> Iterable[Recipe[Attack]]:
    """Offer ways to guess the text behind a vector."""
    yield from ()


@hookspec
def v2t_defenses() -> Iterable[Recipe[Defense]]:
    """Offer ways to change vectors before they are released."""
    yield from ()


@hookspec
def v2t_checkpoints() -> Iterable[Checkpoint]:
    """Offer trained attacks that lie on disk; `v2t_bench.checkpoints.checkpoints_in` reads them."""
    yield from ()
