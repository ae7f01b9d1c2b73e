"""What a check is made of: a sentence, a way to fail, and a guard of global randomness."""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec

import numpy as np

from v2t_bench.contracts import Vectors
from v2t_bench.errors import BrokenPromise

P = ParamSpec("P")

TOLERANCE = 1e-5
"""How far rows may move with their batch: float32 sums depend on their order."""


def promise(check: Callable[P, None]) -> Callable[P, None]:
    """Return ``check`` so that whatever a component raises is a `BrokenPromise`."""
    sentence = (check.__doc__ or "").strip().splitlines()[0].rstrip(".")

    @functools.wraps(check)
    def kept(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            check(*args, **kwargs)
        except BrokenPromise:
            raise
        # A stranger's component may raise anything; its author is told which promise it was.
        except Exception as error:
            raise BrokenPromise(
                f"expected: {sentence}; but it raised {type(error).__name__}: {error}"
            ) from error

    return kept


def expect(kept: bool, otherwise: str) -> None:
    """Do nothing if the promise was kept.

    Raises:
        BrokenPromise: it was not; ``otherwise`` says what was wrong, expected and to do.
    """
    if not kept:
        raise BrokenPromise(otherwise)


def name_of(component: object) -> str:
    """Return what messages call a component."""
    return type(component).__name__


def close(a: Vectors, b: Vectors) -> bool:
    """Return whether two arrays agree up to the rounding of float32 sums."""
    if a.shape != b.shape:
        return False
    scale = max(1.0, float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
    return bool(np.allclose(a, b, rtol=0.0, atol=TOLERANCE * scale))


# The checks read, set and put back global random states in order to forbid it to others.
# ruff: noqa: NPY002
def _torch() -> Any:
    """Return torch if a component imported it: the checks themselves never do."""
    return sys.modules.get("torch")


def _cuda(torch: Any) -> bool:
    return bool(torch.cuda.is_available() and torch.cuda.is_initialized())


def global_random_state() -> tuple[Any, ...]:
    """Return the states of every global generator, as values that can be compared."""
    name, keys, *rest = np.random.get_state()
    torch = _torch()
    of_torch = None
    if torch is not None:
        of_torch = bytes(torch.get_rng_state().numpy())
        if _cuda(torch):
            of_torch += b"".join(bytes(s.numpy()) for s in torch.cuda.get_rng_state_all())
    return random.getstate(), (name, bytes(np.asarray(keys)), *rest), of_torch


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed every global generator; each is put back afterwards."""
    torch = _torch()
    of_random, of_numpy = random.getstate(), np.random.get_state()
    of_torch = None if torch is None else torch.get_rng_state()
    of_cuda = torch.cuda.get_rng_state_all() if torch is not None and _cuda(torch) else None
    random.seed(seed)
    np.random.seed(seed)
    if torch is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(of_random)
        np.random.set_state(of_numpy)
        if torch is not None:
            torch.set_rng_state(of_torch)
        if of_cuda is not None:
            torch.cuda.set_rng_state_all(of_cuda)


def expect_no_global_randomness(work: Callable[[], Any], who: str) -> None:
    """Call ``work`` a few times; a change of a global generator breaks the promise.

    Raises:
        BrokenPromise: a state was other after than before.
    """
    work()  # imports what it needs, so that torch's generator is seen from here on
    # A state that nobody would choose: seeding with 0 twice leaves what the first one left.
    with global_seed(1_618_033):
        before = global_random_state()
        work()
        after = global_random_state()
    expect(
        after == before,
        f"{who} changed a global random state (random, numpy.random or torch); expected them "
        "untouched; draw from a generator of your own, such as Secret.generator or "
        "numpy.random.default_rng(seed)",
    )


def expect_no_global_seed(work: Callable[[], Any], who: str) -> None:
    """Call ``work``, which returns something comparable, under two global seeds.

    Raises:
        BrokenPromise: the results differ.
    """
    work()
    with global_seed(1):
        first = work()
    with global_seed(2):
        second = work()
    same = close(first, second) if isinstance(first, np.ndarray) else first == second
    expect(
        same,
        f"{who} gave another result under another global seed (random, numpy.random or torch); "
        "expected the same; seed a generator of your own from what the host passes in",
    )
