"""The conformance suite of v2t-bench, run over this plugin: all that a plugin's test needs."""

from __future__ import annotations

import pytest
from v2t_bench.conformance import ATTACK_CHECKS, DEFENSE_CHECKS, AttackCheck, DefenseCheck
from v2t_bench.errors import BadParameter
from v2t_echo import Echo, Round


@pytest.mark.parametrize("check", ATTACK_CHECKS)
def test_echo_keeps_its_promises(check: AttackCheck) -> None:
    check(lambda: Echo(text="hello"))


@pytest.mark.parametrize("check", DEFENSE_CHECKS)
def test_rounding_keeps_its_promises(check: DefenseCheck) -> None:
    check(lambda secret: Round(decimals=2))


def test_rounding_to_digits_that_do_not_exist_is_refused() -> None:
    with pytest.raises(BadParameter, match="decimals"):
        Round(decimals=9)
