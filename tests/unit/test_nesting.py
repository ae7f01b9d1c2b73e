"""What an attack with others in it has learned, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from v2t_bench.nesting import weights_of
from v2t_bench.registry import Registry
from v2t_bench.spelling import parse


@pytest.mark.parametrize(
    ("spelled", "folders"),
    [
        ("silent", []),
        ("bow:checkpoint=a", ["a"]),
        ("prior:attack=[bow:checkpoint=a]", ["a"]),
        ("aligner:linear,target=minilm,checkpoint=a,inverter=[vec2text:checkpoint=b]", ["a", "b"]),
        ("vec2text:checkpoint=a,init=[bow:checkpoint=a]", ["a"]),
        # What published weights were trained on is nowhere, and must not be taken for nothing.
        ("aligner:linear,checkpoint=a,inverter=[vec2text:published=p]", ["a", "p"]),
        ("search", []),
    ],
)
def test_weights_are_those_of_an_attack_and_of_all_nested_in_it(
    registry: Registry, spelled: str, folders: list[str]
) -> None:
    assert weights_of(parse(spelled), registry) == tuple(map(Path, folders))
