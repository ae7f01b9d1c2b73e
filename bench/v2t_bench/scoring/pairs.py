"""Check that there is one guess for each text."""

from collections.abc import Sequence

from v2t_bench.errors import BrokenPromise


def check_pairs(truths: Sequence[object], guesses: Sequence[str]) -> None:
    """Refuse guesses that do not stand one to one beside what they should recover.

    Raises:
        BrokenPromise: the two lengths differ, or a guess is not a string.
    """
    if len(truths) != len(guesses):
        raise BrokenPromise(
            f"there are {len(guesses)} guesses for {len(truths)} texts; "
            "an attack returns exactly one guess for each vector"
        )
    for position, guess in enumerate(guesses):
        if not isinstance(guess, str):
            raise BrokenPromise(
                f"guess {position} is of type {type(guess).__name__}; "
                "a guess is a string (an empty one if the attack has none)"
            )
