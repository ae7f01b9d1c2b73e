"""The time and memory of attacks that learn in closed form or only look up, beside their peers.

``python benchmarks/attack_speed.py``: the closed forms of the aligner beside scipy's and
scikit-learn's own calls, ``mini_vec2vec`` beside its last fits made of theirs, and ``nearest``
beside faiss (extra ``peers``), on generated vectors. Each contender has a process of its own, so
that its peak memory is its own too; rounds alternate, and the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

DIM = 384
NOISE = 0.05
QUERIES = 500
# Of each group: its peer, the contenders, and how many vectors, in full and quick.
CONTENDERS = {
    "linear": ("scikit-learn Ridge", ("scipy lstsq", "ours"), (100_000, 2_000)),
    "procrustes": ("scipy orthogonal_procrustes", ("ours",), (100_000, 2_000)),
    "mini_vec2vec": ("its last 40 fits by scikit-learn and scipy", ("ours",), (20_000, 500)),
    "nearest": ("faiss IndexFlatIP", ("ours",), (200_000, 2_000)),
}
HEADER = (
    "| group | contender | vectors | s | least to most | CPU s | peak MiB | s to its peer's "
    "| CPU s to its peer's | found |\n|---|---|---|---|---|---|---|---|---|---|"
)

Work: TypeAlias = Callable[[], float]


# ---------------------------------------------------------------------- what is worked on
def write_clouds(folder: Path, group: str, n: int) -> None:
    """Write what the contenders of a group are given: two sides, or a checkpoint and queries."""
    from safetensors.numpy import save_file

    from clouds import cloud, rotated, rotation
    from v2t_plugins.attacks.nearest import TEXTS, VECTORS
    from v2t_plugins.attacks.text_store import write_texts

    known = cloud(n, DIM, seed=0)
    if group == "nearest":
        save_file({"vectors": known}, folder / VECTORS)
        write_texts([f"This is sentence number {row} of a large collection." for row in range(n)],
                    folder / TEXTS)  # fmt: skip
        rows = np.arange(0, n, max(1, n // QUERIES))[:QUERIES]
        asked = rotated(known[rows], np.eye(DIM), noise=NOISE, seed=1)
        save_file({"queries": asked, "rows": rows}, folder / "asked.safetensors")
        return
    turn = rotation(DIM, seed=2)
    if group == "mini_vec2vec":  # other texts of the same kind
        other = rotated(cloud(n, DIM, seed=1), turn, noise=NOISE, seed=1)
    else:
        other = rotated(known, turn, noise=NOISE, seed=1)
    save_file({"x": known, "y": other, "turn": turn}, folder / "sides.safetensors")


def sides(folder: Path) -> tuple[Any, Any, Any]:
    """Return both sides, (n, d) each, and the true rotation, (d, d)."""
    from safetensors.numpy import load_file

    stored = load_file(folder / "sides.safetensors")
    return stored["x"], stored["y"], stored["turn"]


def share_right(mapped: Any, x: Any, turn: Any) -> float:
    """Return the mean cosine of ``mapped`` (m, d) with where ``x`` (m, d) truly belongs."""
    true = x @ turn
    lengths = np.linalg.norm(mapped, axis=1) * np.linalg.norm(true, axis=1)
    return float(((mapped * true).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())


# ---------------------------------------------------------------------- contenders
def linear(name: str, folder: Path) -> Work:
    """Return a regression of one side on the other; it returns the cosine reached."""
    x, y, turn = sides(folder)
    probe = x[:1000]

    def ours() -> float:
        from v2t_bench.alignment.closed_form import fit_linear

        return share_right(fit_linear(x, y)[0].apply(probe), probe, turn)

    def ridge() -> float:
        from sklearn.linear_model import Ridge

        return share_right(Ridge(alpha=1e-3).fit(x, y).predict(probe), probe, turn)

    def lstsq() -> float:
        from scipy.linalg import lstsq

        centre, offset = x.mean(axis=0), y.mean(axis=0)
        matrix = lstsq(x - centre, y - offset)[0]
        return share_right((probe - centre) @ matrix + offset, probe, turn)

    return {"ours": ours, "scikit-learn Ridge": ridge, "scipy lstsq": lstsq}[name]


def procrustes(name: str, folder: Path) -> Work:
    """Return the fit of a rotation; it returns the cosine reached."""
    x, y, turn = sides(folder)
    probe = x[:1000]

    def ours() -> float:
        from v2t_bench.alignment.closed_form import fit_procrustes

        return share_right(fit_procrustes(x, y).apply(probe), probe, turn)

    def scipys() -> float:
        from scipy.linalg import orthogonal_procrustes

        centre, offset = x.mean(axis=0), y.mean(axis=0)
        rotation, _ = orthogonal_procrustes(x - centre, y - offset)
        return share_right((probe - centre) @ rotation + offset, probe, turn)

    return ours if name == "ours" else scipys


def mini_vec2vec(name: str, folder: Path) -> Work:
    """Return the unpaired fit; it returns the cosine reached.

    The peer is given the true rotation to begin with and only fits it on: what that costs at
    least, made of brute-force neighbours and a rotation.
    """
    from v2t_bench.alignment.mini_vec2vec import Plan, fit_mini_vec2vec

    x, y, turn = sides(folder)
    probe, plan = x[:1000], Plan()

    def ours() -> float:
        return share_right(fit_mini_vec2vec(x, y, seed=0)[0].apply(probe), probe, turn)

    def fits() -> float:
        from scipy.linalg import orthogonal_procrustes
        from sklearn.neighbors import NearestNeighbors

        rng, found = np.random.default_rng(0), turn
        among = NearestNeighbors(n_neighbors=min(plan.neighbours, len(y) // 20), algorithm="brute")
        among.fit(y)
        for _ in range(plan.fits):
            rows = x[rng.permutation(len(x))[: 4 * DIM]]
            closest = among.kneighbors((rows @ found).astype(np.float32), return_distance=False)
            found, _ = orthogonal_procrustes(rows, y[closest].mean(axis=1))
        return share_right(probe @ found, probe, turn)

    return ours if name == "ours" else fits


def nearest(name: str, folder: Path) -> Work:
    """Return the search for the closest text; it returns the share of queries it is right for."""
    from safetensors.numpy import load_file

    from v2t_bench.contracts import BuildContext, Space
    from v2t_bench.threat import Oracle
    from v2t_plugins.attacks.nearest import VECTORS, Nearest

    stored = load_file(folder / "asked.safetensors")
    asked = stored["queries"]

    def build(kind: object, spelling: object) -> object:
        raise AssertionError("nearest needs no other component")

    def ours() -> float:
        context = BuildContext(build=build, offline=True)
        space = Space(weights="peer", pooling="mean", normalize=True, max_tokens=32)

        def embed(texts: Sequence[str], role: str) -> Any:
            raise AssertionError("nearest asks nothing")

        oracle = Oracle(embed, space=space, dim=DIM)
        guesses = Nearest(checkpoint=folder, context=context).invert(asked, oracle)
        return right([int(guess.split()[4]) for guess in guesses])

    def right(rows: Sequence[int]) -> float:
        return float(np.mean(np.asarray(rows) == stored["rows"]))

    def faisss() -> float:
        import faiss

        faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        index = faiss.IndexFlatIP(DIM)
        index.add(load_file(folder / VECTORS)["vectors"])
        return right(index.search(asked, 1)[1][:, 0].tolist())

    return ours if name == "ours" else faisss


GROUPS: dict[str, Callable[[str, Path], Work]] = {
    "linear": linear,
    "procrustes": procrustes,
    "mini_vec2vec": mini_vec2vec,
    "nearest": nearest,
}


def serve(group: str, name: str, folder: Path) -> None:
    """Be one contender: for each line read do the work once, and answer with what it took."""
    from peak_memory import peak_mib

    work = GROUPS[group](name, folder)
    for _ in sys.stdin:
        clock, computed = time.perf_counter(), time.process_time()
        found = work()
        answer = {
            "seconds": time.perf_counter() - clock,
            "cpu_seconds": time.process_time() - computed,
            "peak_mib": peak_mib(),
            "found": found,
        }
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------------- comparison
@dataclass
class Contender:
    """A contender in a process of its own, and what it answered."""

    name: str
    process: subprocess.Popen[str]
    answers: list[dict[str, float]]

    @classmethod
    def started(cls, group: str, name: str, folder: Path, threads: int) -> Contender:
        """Return a new one, that has done nothing."""
        process = subprocess.Popen(
            [sys.executable, __file__, "--serve", group, name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
        )
        return cls(name, process, [])

    def work(self) -> None:
        """Do the work once more and keep what it took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: {self.name} failed; its error is printed above")
        self.answers.append(json.loads(line))

    def median(self, name: str) -> float:
        """Return the median over its rounds."""
        return median(answer[name] for answer in self.answers)

    def row(self, group: str, n: int, peer: Contender) -> str:
        """Return its line of the table."""
        seconds = [answer["seconds"] for answer in self.answers]
        ratios = [self.median(name) / peer.median(name) for name in ("seconds", "cpu_seconds")]
        return (
            f"| {group} | {self.name} | {n:,} | {self.median('seconds'):.3g} "
            f"| {min(seconds):.3g} to {max(seconds):.3g} | {self.median('cpu_seconds'):.3g} "
            f"| {self.answers[-1]['peak_mib']:,.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} "
            f"| {self.answers[-1]['found']:.3f} |"
        )


def compare(group: str, n: int, rounds: int, threads: int) -> list[str]:
    """Return a line a contender of one group, the peer first; one more round only warms."""
    peer, others, _ = CONTENDERS[group]
    if group == "nearest" and find_spec("faiss") is None:
        print("nearest: faiss is not installed (pip install 'v2t-bench[peers]')", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_clouds(folder, group, n)
        contenders = [Contender.started(group, name, folder, threads) for name in (peer, *others)]
        for number in range(rounds + 1):
            for contender in contenders:
                contender.work()
                if number == 0 and rounds:
                    contender.answers.clear()
        for contender in contenders:
            contender.process.communicate()
    return [contender.row(group, n, contenders[0]) for contender in contenders]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="0: no warming one either")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few vectors, one round")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], given.serve[1], Path(given.serve[2]))
        return
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"no group {unknown.pop()!r}; known: {', '.join(GROUPS)}")
    print(HEADER)
    for group in given.groups or GROUPS:
        full, quick = CONTENDERS[group][2]
        n, rounds = (quick, 1) if given.quick else (full, given.rounds)
        for line in compare(group, n, rounds, given.threads):
            print(line, flush=True)


if __name__ == "__main__":
    main()
