"""Defenses by what they do to a vector, and how each kind is drawn."""

from __future__ import annotations

import re

from v2t_bench.errors import BadSpelling
from v2t_bench.spelling import parse_composition

FAMILIES = {
    "additive": ("noise", "laplace", "vmf"),
    "lossy": ("quantize", "truncate", "pca", "random_projection", "topk", "clip", "normalize",
              "center"),
    "keyed": ("rotate", "permute", "scale", "dcpe"),
    "mask": ("mask",),
    "opaque": ("opaque",),
}  # fmt: skip
OTHER = "other"

# Told apart by shape and by grey as well as by colour (Okabe and Ito 2008).
LOOKS = {
    "additive": ("o", "#0072B2"),
    "lossy": ("s", "#E69F00"),
    "keyed": ("^", "#009E73"),
    "mask": ("D", "#CC79A7"),
    OTHER: ("v", "#999999"),
}

# What a defense has where nothing is said.
_USUAL = {("on", "both"), ("seed", "0"), ("largest", "100")}


def family_of(defense: str) -> str:
    """Return what a defense does, of a composition its first part: a key of `FAMILIES` or other."""
    first = re.split(r"[:+]", defense)[0]
    return next((family for family, names in FAMILIES.items() if first in names), OTHER)


def look_of(defense: str) -> tuple[str, str]:
    """Return matplotlib's marker and the colour of a defense."""
    return LOOKS.get(family_of(defense), LOOKS[OTHER])


def short_defense(defense: str) -> str:
    """Return a defense without the parameters that it has by default.

    Raises:
        BadSpelling: it is none.
    """
    told = []
    for part in parse_composition(defense):
        named = [item for item in part.named.items() if item not in _USUAL]
        values = [f"{key}={value}" if len(named) > 1 else str(value) for key, value in named]
        told.append(part.name + (f":{','.join(values)}" if values else ""))
    return "+".join(told)


def told_defense(defense: str) -> str:
    """Return `short_defense`, or what cannot be read as it stands."""
    try:
        return short_defense(defense)
    except BadSpelling:
        return defense
