"""Attacks that hold other attacks: which those are, and what they invert."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from v2t_bench.contracts import Attack, BuildContext, Space
from v2t_bench.registry import Registry
from v2t_bench.spelling import Spelling, Value


def check_space(registry: Registry, context: BuildContext, attack: Spelling, space: Space) -> None:
    """Ask the attacks that care, nested ones too, whether they can invert ``space``.

    Raises:
        SpaceMismatch: one of them cannot.
    """
    built: Attack = registry.build("attacks", attack, context)
    check = getattr(built, "check_space", None)
    if check is not None:
        check(space)
    inner = inner_embedder(registry, attack)
    if inner is not None:
        space = registry.build("embedders", inner, context).space
    for value in attack.named.values():
        if is_attack(value, registry):
            check_space(registry, context, value, space)


def is_attack(value: Value, registry: Registry) -> TypeGuard[Spelling]:
    """Return whether the value of an attack's parameter is another attack."""
    return isinstance(value, Spelling) and registry.nested_kind("attacks", value) == "attacks"


def inner_embedder(registry: Registry, attack: Spelling) -> Spelling | None:
    """Return the embedder that attacks nested in ``attack`` invert, if it is another one."""
    inner = attack.named.get(registry.entry("attacks", attack.name).recipe.inner_embedder)
    return inner if isinstance(inner, Spelling) else None


def learns(attack: Spelling, registry: Registry) -> bool:
    """Return whether an attack, or one that is nested in it, is trained."""
    if registry.entry("attacks", attack.name).recipe.learned:
        return True
    inner = [value for value in attack.named.values() if is_attack(value, registry)]
    return any(learns(value, registry) for value in inner)


def weights_of(attack: Spelling, registry: Registry) -> tuple[Path, ...]:
    """Return where an attack, and those nested in it, have what they learned, as spelled.

    Checkpoints are folders; weights of another origin may be anything that their attack reads.
    """
    recipe = registry.entry("attacks", attack.name).recipe
    keys = [key for key in ("checkpoint", *recipe.own_weights) if key in attack.named]
    found = [Path(str(attack.named[key])) for key in keys] if recipe.learned else []
    for value in attack.named.values():
        if is_attack(value, registry):
            found += weights_of(value, registry)
    return tuple(dict.fromkeys(found))
