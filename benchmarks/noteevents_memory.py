"""Measure what reading NOTEEVENTS.csv of MIMIC-III takes: time, and the most memory ever held.

    python benchmarks/noteevents_memory.py --n-notes 2000000
    python benchmarks/noteevents_memory.py NOTEEVENTS.csv.gz

Without a file, one of ``--n-notes`` generated notes is written first, by another process, and
removed afterwards. The notes are read by a process that does nothing else; it prints one line
of JSON, with no text in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKE = """
import sys
from pathlib import Path
from v2t_bench.corpora.made_notes import make_noteevents
make_noteevents(Path(sys.argv[1]), n_notes=int(sys.argv[2]), seed=1)
"""


def read(path: Path) -> dict[str, object]:
    """Return what reading ``path`` took in this process."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from peak_memory import peak_mib
    from v2t_bench.corpora.mimic import read_mimic

    before = peak_mib()
    start, cpu_start = time.perf_counter(), time.process_time()
    corpus = read_mimic(path)
    seconds = time.perf_counter() - start
    cpu = time.process_time() - cpu_start
    n_characters = sum(len(document.text) for document in corpus.documents)
    return {
        "file_mb": round(path.stat().st_size / 1e6),
        "documents": len(corpus.documents),
        "named": len(corpus.names),
        "kept_characters_mb": round(n_characters / 1e6),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mib": round(peak_mib(), 1),
        "before_mib": round(before, 1),
        "notices": corpus.notices,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--n-notes", type=int, default=2_000_000)
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(read(given.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = given.file or Path(folder) / "NOTEEVENTS.csv"
        if given.file is None:
            subprocess.run([sys.executable, "-c", MAKE, file, str(given.n_notes)], check=True)
        # A process of its own: what was needed to write the notes is not counted.
        subprocess.run([sys.executable, __file__, "--read", file], check=True)


if __name__ == "__main__":
    main()
