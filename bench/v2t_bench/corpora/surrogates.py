"""Draw made-up people, places, numbers and dates, each from exactly what it depends on."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from v2t_bench.errors import BadParameter
from v2t_bench.scoring.names import Name

FOLDER = files(__package__) / "fake_values"
WORD = r"[^\W\d_]+"
FIRST_DAY, LAST_DAY = date(1985, 1, 1).toordinal(), date(2014, 12, 31).toordinal()


class Person(NamedTuple):
    """Where the names of somebody stand in the lists of `Surrogates`."""

    first: int
    last: int


class Draw:
    """A source of choices, the same for the same names and for them alone."""

    def __init__(self, *names: object) -> None:
        """Begin from the sha256 of the names."""
        text = " ".join(("v2t-bench surrogate", *map(str, names)))
        self._left = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest(), "big")

    def below(self, bound: int) -> int:
        """Return a whole number from 0 to ``bound`` - 1."""
        # 256 bits are more than any value takes; the remainder is uniform but for 2**-200.
        self._left, number = divmod(self._left, bound)
        return number

    def of(self, options: Sequence[str]) -> str:
        """Return one of the options."""
        return options[self.below(len(options))]

    def digits(self, count: int) -> str:
        """Return a number of so many digits, the first of which is not 0."""
        lowest: int = 10 ** (count - 1)
        return str(lowest + self.below(9 * lowest))

    def day(self) -> date:
        """Return a day of the years 1985 to 2014."""
        return date.fromordinal(FIRST_DAY + self.below(LAST_DAY - FIRST_DAY + 1))


class Surrogates:
    """Made-up people, the same for the same seed.

    Args:
        seed: Of every draw.
        surnames: What to draw surnames from; default: `default_surnames`.

    Raises:
        BadParameter: the list is empty, or a surname is blank.
    """

    def __init__(self, seed: int, *, surnames: Sequence[str] | None = None) -> None:
        """Take the lists."""
        words = word_lists()
        self.seed = seed
        self.women, self.men = words["women"], words["men"]
        self.first_names = (*self.women, *self.men)
        self.surnames = default_surnames() if surnames is None else tuple(surnames)
        if not self.surnames or not all(surname.strip() for surname in self.surnames):
            raise BadParameter(
                "the list of surnames is empty or holds a blank one; give a surname for each"
            )

    def patient(self, subject: int) -> Person:
        """Return who a patient is, in all of that patient's notes."""
        return self.person(Draw(self.seed, "patient", subject))

    def person(self, draw: Draw) -> Person:
        """Return a person whose names are drawn."""
        return Person(draw.below(len(self.first_names)), draw.below(len(self.surnames)))

    def name(self, person: Person) -> Name:
        """Return the names of a person."""
        return Name(self.first_names[person.first], self.surnames[person.last])

    def fingerprint(self) -> str:
        """Return the sha256 of the seed and of every list that is drawn from."""
        lists = {**word_lists(), "surnames": self.surnames}
        told = repr((self.seed, sorted(lists.items())))
        return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()


@cache
def default_surnames() -> tuple[str, ...]:
    """Return common surnames that no training text of a shipped inverter holds.

    They are of the 20,000 most frequent ones in the 1990 census of the United States, without
    all that stand as a word in a training text; benchmarks/pick_surnames.py wrote the list.
    """
    return tuple((FOLDER / "surnames.txt").read_text(encoding="utf-8").split())


@cache
def word_lists() -> Mapping[str, tuple[str, ...]]:
    """Return every other list; an underscore joins the words of one entry."""
    return {
        key: tuple(word.replace("_", " ") for word in text.split())
        for key, text in read_tables("values").items()
    }


@cache
def read_tables(stem: str) -> Mapping[str, Any]:
    """Return one file of values as it was written."""
    return tomllib.loads((FOLDER / f"{stem}.toml").read_text(encoding="utf-8"))


def surnames_in(texts: Iterable[str], surnames: Collection[str]) -> set[str]:
    """Return those surnames that stand in the texts as a whole word, in any case.

    Of a surname of several words the last one counts.
    """
    spelled: dict[str, list[str]] = {}
    for surname in surnames:
        words = re.findall(WORD, surname.casefold())
        spelled.setdefault(words[-1] if words else surname, []).append(surname)
    found: set[str] = set()
    for text in texts:
        found.update(word for word in re.findall(WORD, text.casefold()) if word in spelled)
    return {surname for word in found for surname in spelled[word]}


def surnames_absent_from(texts: Iterable[str], surnames: Sequence[str]) -> tuple[str, ...]:
    """Return the surnames that stand in none of the texts, in their order.

    Raises:
        BadParameter: none is left.
    """
    taken = surnames_in(texts, surnames)
    left = tuple(surname for surname in surnames if surname not in taken)
    if not left:
        raise BadParameter(
            f"each of the {len(surnames)} surnames stands in the training text, so none would be "
            "read from a vector alone; give surnames that do not"
        )
    return left
