"""Read JSON that a stranger wrote: no NaN, no key twice, no bomb."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

MOST_BYTES = 2**20
"""Of one result.json; ours are about 5 kB."""

DEEPEST = 12
"""Objects and lists within one another; a result has 4 levels."""


class NotANumber(ValueError):
    """The JSON holds NaN or infinity."""


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a file.

    Raises:
        NotANumber: it holds NaN or infinity, or a number too large for a float.
        ValueError: it is not such JSON.
        OSError: it cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    return parse_object(path.read_bytes())


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return the object that ``text`` spells; errors as for `read_object`."""
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_once
        )
        _check_depth(value, DEEPEST)
    except RecursionError as error:
        raise ValueError("objects or lists nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("no UTF-8") from error
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where an object is expected")
    return value


def _refuse_constant(name: str) -> float:
    raise NotANumber(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotANumber(text[:40])
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key[:40]!r} stands twice")
        found[key] = value
    return found


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError(f"objects or lists nested more than {DEEPEST} deep")
    inner_values = value.values() if isinstance(value, dict) else value
    for inner in inner_values if isinstance(value, dict | list) else ():
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)
