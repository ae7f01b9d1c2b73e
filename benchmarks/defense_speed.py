"""How many vectors a second each defense protects, beside numpy's own copy of the same rows.

``python benchmarks/defense_speed.py``: every shipped defense by its standard spellings, over
1,000,000 vectors of 384 dimensions and length 1, in chunks of 16,384 as the rows come. Each has
a process of its own, on one thread; every chunk is copied and then protected, so both are timed
under the same load. Defenses that are fitted are fitted to 20,000 other rows first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np

from v2t_bench.composition import build_defense
from v2t_bench.contracts import BuildContext, Defense, Kind, Secret, Vectors
from v2t_bench.errors import V2TError
from v2t_bench.registry import Registry, discover

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

DIM = 384
CHUNK = 16_384
FIT_ROWS = 20_000
# Enough that none is still in the processor's cache when its turn comes again.
DIFFERENT_CHUNKS = 4
HEADER = (
    "| defense | fit, s | d' | vectors a second | middle half | s to numpy's copy "
    "| held in a call, chunks | peak MiB |\n|---|---|---|---|---|---|---|---|"
)


def unit_rows(n: int, seed: int) -> Vectors:
    """Return ``n`` vectors of length 1 in random directions, (n, d)."""
    rows = np.random.default_rng(seed).standard_normal((n, DIM), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def chunks(rows: int) -> Iterator[tuple[Vectors, list[str]]]:
    """Yield vectors with their names until there were ``rows`` of them."""
    pool = [unit_rows(min(CHUNK, rows), seed) for seed in range(DIFFERENT_CHUNKS)]
    for number, start in enumerate(range(0, rows, CHUNK)):
        n = min(CHUNK, rows - start)
        yield pool[number % len(pool)][:n], [str(row) for row in range(start, start + n)]


def held(defense: Defense, vectors: Vectors, ids: list[str]) -> float:
    """Return the most memory that one call held, what it returns included, in inputs."""
    tracemalloc.start()
    try:
        defense.protect(vectors, role="document", ids=ids)
        return tracemalloc.get_traced_memory()[1] / vectors.nbytes
    finally:
        tracemalloc.stop()


def measure(registry: Registry, spelling: str, rows: int) -> dict[str, Any]:
    """Return what protecting ``rows`` vectors by one defense took, as plain values."""
    from peak_memory import peak_mib

    def build(kind: Kind, spelling: Any) -> Any:
        return registry.build(kind, spelling, context)

    context = BuildContext(build=build, offline=True)
    defense = build_defense(registry, spelling, context, Secret.from_seed(0))
    clock = time.perf_counter()
    fitted = defense.fit(unit_rows(FIT_ROWS, seed=DIFFERENT_CHUNKS))
    fit_seconds = time.perf_counter() - clock
    taken: list[tuple[int, float, float]] = []  # rows, seconds, seconds of the copy
    for vectors, ids in chunks(rows):
        if not taken:  # the first call imports and draws what others find done
            fitted.protect(vectors, role="document", ids=ids)
        clock = time.perf_counter()
        vectors.copy()
        between = time.perf_counter()
        fitted.protect(vectors, role="document", ids=ids)
        taken.append((len(ids), time.perf_counter() - between, between - clock))
    peak = peak_mib()  # before memory is traced, which takes some
    vectors, ids = next(chunks(min(CHUNK, rows)))
    seconds, of_copy = (sum(part[place] for part in taken) for place in (1, 2))
    return {
        "defense": spelling,
        "rows": rows,
        "released_dim": fitted.protect(vectors[:1], role="document", ids=ids[:1]).shape[1],
        "fit_seconds": None if fitted is defense else fit_seconds,
        "seconds": seconds,
        "copy_seconds": of_copy,
        "chunk_rates": [n / took for n, took, _ in taken],
        "held_in_chunks": held(fitted, vectors, ids),
        "peak_mib": peak,
    }


def line(found: dict[str, Any]) -> str:
    """Return the row of the table."""
    rates = found["chunk_rates"]
    low, _, high = quantiles(rates, n=4) if len(rates) > 1 else rates * 3
    fit = "" if found["fit_seconds"] is None else f"{found['fit_seconds']:.2f}"
    return (
        f"| {found['defense']} | {fit} | {found['released_dim']} "
        f"| {found['rows'] / found['seconds']:,.0f} | {low:,.0f} to {high:,.0f} "
        f"| {found['seconds'] / found['copy_seconds']:.1f} | {found['held_in_chunks']:.2f} "
        f"| {found['peak_mib']:,.0f} |"
    )


def in_a_process(spelling: str, rows: int, threads: int) -> dict[str, Any]:
    """Return what `measure` found in a new process."""
    words = [sys.executable, __file__, "--defense", spelling, "--rows", str(rows), "--alone"]
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise SystemExit(f"error: {spelling} failed; its error is printed above")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--defense", action="append", help="repeat for more; default: all")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a file to write what was measured to")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rows < 1:
        parser.error(f"--rows is {given.rows}; expected at least 1")
    registry = discover(strangers=())
    try:
        if given.alone:
            sys.stdout.write(json.dumps(measure(registry, given.defense[0], given.rows)))
            return
    except V2TError as error:
        raise SystemExit(f"error: {error}") from error
    from v2t_bench.resolution import expand

    print(HEADER)
    everything: list[dict[str, Any]] = []
    for spelling in expand(registry, "defenses", given.defense or ["all"]):
        everything.append(in_a_process(spelling, given.rows, given.threads))
        print(line(everything[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
