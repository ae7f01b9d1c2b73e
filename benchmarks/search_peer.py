"""The time and memory of NDCG@10 by our search, beir's exact search and faiss's flat index.

``python -m benchmarks.search_peer``: 10,000, 100,000 and 1,000,000 made documents of 384
dimensions in a file that is mapped, and 1,000 made queries, each a noisy copy of the one document
that is judged relevant. Every engine has a process of its own for every size, and rounds alternate.

The first round of a process measures memory and no time: what is sampled every 5 ms is RssAnon of
/proc/self/status, which leaves out mapped vectors, above what it was once all was imported and a
hundred documents had been searched. That holds what an engine wants to be given (ids, corpus) too;
making it is not timed, since beir's corpus would cost it seconds. Later rounds are timed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.search_engines import ENGINES, PEER, World, write_world

ROOT = Path(__file__).resolve().parent.parent
SIZES = [10_000, 100_000, 1_000_000]
HEADER = (
    "| documents | engine | s | least to most | CPU s | s to beir's | CPU s to beir's "
    "| peak MiB | of it given | peak to beir's | bytes a document more | NDCG@10 |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


# ---------------------------------------------------------------------- one process
def held_mib() -> float:
    """Return the memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return (
        sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssSh"))) / 1024
    )


class Peak(threading.Thread):
    """Samples what is held until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.highest = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        """Sample every 5 ms."""
        while not self.done.wait(0.005):
            self.highest = max(self.highest, held_mib())

    def stop(self) -> float:
        """Return the highest sample."""
        self.done.set()
        self.join()
        return max(self.highest, held_mib())


def serve(engine: str, folder: Path) -> None:
    """Be one engine: answer the first line with memory, each later one with a time."""
    ENGINES[engine](World.read(folder, 100))()
    gc.collect()
    before, peak = held_mib(), Peak()
    peak.start()
    work = ENGINES[engine](World.read(folder))
    given = held_mib() - before
    for number, _ in enumerate(sys.stdin):
        clock, computed = time.perf_counter(), time.process_time()
        answer = {"ndcg": work()}
        if number == 0:
            answer |= {"peak_mib": peak.stop() - before, "given_mib": given}
        else:
            answer["seconds"] = time.perf_counter() - clock
            answer["cpu_seconds"] = time.process_time() - computed
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------------- comparison
def ask(engine: str, process: subprocess.Popen[str]) -> dict[str, float]:
    """Return what the engine answers after it did its work once more."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"error: {engine} failed; its error is printed above")
    answer: dict[str, float] = json.loads(line)
    return answer


def compare(n: int, engines: list[str], rounds: int, threads: int) -> Iterator[dict[str, Any]]:
    """Yield what was measured of each engine with ``n`` documents."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as place:
        write_world(Path(place), n)
        processes = {
            engine: subprocess.Popen(
                [sys.executable, "-m", "benchmarks.search_peer", "--serve", engine, place],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=environment,
            )
            for engine in engines
        }
        answers: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
        try:
            for _ in range(rounds + 1):
                for engine, process in processes.items():
                    answers[engine].append(ask(engine, process))
                    told = {"n": n, "engine": engine, **answers[engine][-1]}
                    print(json.dumps(told), file=sys.stderr, flush=True)  # a size takes minutes
        finally:
            for process in processes.values():
                process.communicate()
    for engine, (memory, *timed) in answers.items():
        raw = {key: [answer[key] for answer in timed] for key in ("seconds", "cpu_seconds")}
        yield {"n": n, "engine": engine, **memory, **raw}


def lines(everything: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table."""
    peers = {row["n"]: row for row in everything if row["engine"] == PEER}
    for row in everything:
        peer = peers.get(row["n"])
        took = {key: median(row[key]) for key in ("seconds", "cpu_seconds")}
        ratios = [f"{took[key] / median(peer[key]):.2f}" if peer else "" for key in took]
        of_peer = f"{row['peak_mib'] / peer['peak_mib']:.3f}" if peer else ""
        yield (
            f"| {row['n']:,} | {row['engine']} | {took['seconds']:.3g} "
            f"| {min(row['seconds']):.3g} to {max(row['seconds']):.3g} "
            f"| {took['cpu_seconds']:.3g} | {' | '.join(ratios)} "
            f"| {row['peak_mib']:,.1f} | {row['given_mib']:,.1f} "
            f"| {of_peer} "
            f"| {growth(everything, row)} | {row['ndcg']:.5f} |"
        )


def growth(everything: list[dict[str, Any]], row: dict[str, Any]) -> str:
    """Return how many bytes of the peak each document more cost since the size before."""
    same = [other for other in everything if other["engine"] == row["engine"]]
    for before, after in pairwise(same):
        if after is row:
            more = (after["peak_mib"] - before["peak_mib"]) * 2**20 / (after["n"] - before["n"])
            return f"{more:,.0f}"
    return ""


def draw(everything: list[dict[str, Any]], out: Path) -> None:
    """Draw time and peak memory against the number of documents, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # The same file for the same figures.
    with mpl.rc_context({"svg.hashsalt": "v2t-bench", "svg.fonttype": "none"}):
        figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        for engine, mark in zip(ENGINES, "os^D", strict=True):
            rows = [row for row in everything if row["engine"] == engine]
            if not rows:
                continue
            sizes = [row["n"] for row in rows]
            times = [median(row["seconds"]) for row in rows]
            panels[0].plot(sizes, times, marker=mark, label=engine)
            panels[1].plot(sizes, [row["peak_mib"] for row in rows], marker=mark, label=engine)
        for panel, title in zip(panels, ("seconds, median", "peak MiB above imports"), strict=True):
            panel.set(xscale="log", yscale="log", xlabel="documents x 384", title=title)
            panel.grid(visible=True, alpha=0.3)
        panels[0].legend()
        figure.savefig(out, format="svg", metadata={"Date": None})
        pyplot.close(figure)


# ---------------------------------------------------------------------- command line
def machine(threads: int) -> str:
    """Return one line about what was measured on and with."""
    names = ["numpy", "torch", "beir", "pytrec_eval-terrier", "faiss-cpu"]
    versions = []
    for distribution in names:
        try:
            versions.append(f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            versions.append(f"no {distribution}")
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        told = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = told[0].partition(":")[2].strip() if told else processor
    return (
        f"{processor}, {os.cpu_count()} cores, {threads} threads each; "
        f"load {os.getloadavg()[0]:.1f} at the start; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def known_engines(asked: list[str] | None) -> list[str]:
    """Return the engines to compare: those asked for, or all that are installed."""
    if asked:
        return asked
    if find_spec("faiss") is not None:
        return list(ENGINES)
    print("faiss is not installed (pip install 'v2t-bench[faiss]')", file=sys.stderr)
    return [engine for engine in ENGINES if "faiss" not in engine]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=SIZES)
    parser.add_argument("--engine", action="append", choices=list(ENGINES), help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="that are timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a file for all that was measured")
    parser.add_argument("--figure", type=Path, help="an SVG of time and memory (extra figures)")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], Path(given.serve[1]))
        return
    if given.rounds < 1 or min(given.documents) < 100:
        parser.error("expected --rounds of at least 1 and --documents of at least 100")
    if not Path("/proc/self/status").is_file():
        parser.error("memory is read from /proc, which is Linux's")
    told = machine(given.threads)
    print(f"{told}\n\n{HEADER}")
    everything: list[dict[str, Any]] = []
    for n in sorted(given.documents):
        new = list(compare(n, known_engines(given.engine), given.rounds, given.threads))
        everything += new
        for line in list(lines(everything))[-len(new) :]:
            print(line, flush=True)
        if given.json:
            text = json.dumps({"machine": told, "measured": everything}, indent=1)
            given.json.write_text(text + "\n")
    if given.figure:
        draw(everything, given.figure)


if __name__ == "__main__":
    main()
