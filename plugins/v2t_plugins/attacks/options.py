"""Read what the training of an attack was told, which comes as strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from v2t_bench.errors import BadParameter

T = TypeVar("T")


def read_options(
    defaults: T, given: Mapping[str, str], *, attack: str, one_of: Mapping[str, tuple[str, ...]]
) -> T:
    """Return a frozen dataclass like ``defaults`` with what is ``given`` in place of some fields.

    Args:
        defaults: Its fields are the options there are; each is read as what its default is.
        given: By name.
        attack: Who asks; errors begin with it.
        one_of: The options of which only some values are known.

    Raises:
        BadParameter: an option is unknown or cannot be read.
    """
    known = {field.name: type(getattr(defaults, field.name)) for field in fields(defaults)}  # type: ignore[arg-type]
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise BadParameter(f"{attack} has no option {name!r} (known: {', '.join(known)})")
        try:
            read[name] = _to_bool(value) if known[name] is bool else known[name](value)
        except ValueError as error:
            wanted = "true or false" if known[name] is bool else "a number"
            raise BadParameter(f"{attack}: {name}={value!r} is not {wanted}") from error
    for name, known_values in one_of.items():
        value = read.get(name, getattr(defaults, name))
        if value not in known_values:
            raise BadParameter(f"{attack}: {name}={value!r} is none of {', '.join(known_values)}")
    values = {name: getattr(defaults, name) for name in known}
    return type(defaults)(**(values | read))


def check_accumulate(accumulate: int, attack: str) -> None:
    """Refuse to compute a step in no slices.

    Raises:
        BadParameter: it is to be.
    """
    if accumulate < 1:
        raise BadParameter(
            f"{attack}: accumulate={accumulate} divides a step into no slices; give 1 or more"
        )


def _to_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"
