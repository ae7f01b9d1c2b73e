"""Write the pages that are made from the code: ``python docs/generate.py [--check]``.

With ``--check`` nothing is written: the status is 1 and each page that is not what the code says
is named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# A clone need not be installed, and what is installed need not be this clone.
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "plugins"), str(HERE)]

from pages import api, cli, components  # noqa: E402

PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli.write,
    "components.md": components.write,
    "api.md": lambda: api.write(ROOT),
}


def stale(folder: Path) -> list[Path]:
    """Return the pages in ``folder`` that are missing or are not what the code says."""
    paths = {folder / name: write for name, write in PAGES.items()}
    return [
        path
        for path, write in paths.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != write()
    ]


def main() -> int:
    """Write the pages, or compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("-o", dest="folder", type=Path, default=HERE, help="default: docs/")
    given = parser.parse_args()
    if given.check:
        found = stale(given.folder)
        for path in found:
            print(f"{path.name} is not what the code says; run python docs/generate.py")
        return 1 if found else 0
    for name, write in PAGES.items():
        (given.folder / name).write_text(write(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
