"""Pick the surnames of made-up patients: common ones that no training text holds.

    python benchmarks/pick_surnames.py dist.all.last train_*.txt.zst queries_misc.jsonl.gz \
        > bench/v2t_bench/corpora/fake_values/surnames.txt

The first file is the list of surnames of the 1990 census of the United States, most frequent
first (www.census.gov, file dist.all.last, public domain). A surname is left out if it stands
in one of the other files as a word, whatever its case, accents and apostrophes, or as the
words that it was joined from ("De la Cruz"): an attack that gives it back read it from the
vector and did not recite it. Whatever stands in a file counts, field names of JSON too.
"""

from __future__ import annotations

import argparse
import re
import textwrap
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from v2t_bench.corpora.demo import demo_training_texts
from v2t_bench.lines import read_lines

PART = re.compile(r"[^\W\d_]+")
WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
PREFIXES = frozenset(
    "d da de del dela della der di du el la le mac mc o san st van vander ver von".split()
)


def folded(word: str) -> str:
    """Return the letters of a word, without case, accents and apostrophes."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if letter.isalpha())


def words_of(texts: Iterable[str]) -> set[str]:
    """Return every word of the texts, folded, and the words joined to what precedes them."""
    raw: set[str] = set()
    for text in texts:
        found = WORD.findall(text)
        raw.update(found)
        raw.update(PART.findall(text))
        for index, word in enumerate(found[:-1]):
            if word.lower() in PREFIXES:
                raw.add(word + found[index + 1])
                raw.add("".join(found[index : index + 3]))
    return {folded(word) for word in raw}


def spelled(surname: str) -> str:
    """Return a surname of the census, which writes all in capitals, as people write it."""
    if surname.upper().startswith("MC") and len(surname) > 4:
        return "Mc" + surname[2:].capitalize()
    return surname.capitalize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("census", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--most-frequent", type=int, default=20_000)
    given = parser.parse_args()
    taken = words_of(demo_training_texts())
    for path in given.texts:
        taken |= words_of(line for _, line in read_lines(path))
    surnames = [line.split()[0] for _, line in read_lines(given.census)][: given.most_frequent]
    left = [
        spelled(surname)
        for surname in surnames
        if len(surname) > 3 and folded(surname) not in taken
    ]
    print("\n".join(textwrap.wrap(" ".join(left), 99)))


if __name__ == "__main__":
    main()
