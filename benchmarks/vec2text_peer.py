"""The time, memory and calls of ours and of vec2text 0.0.13 for the same texts.

``python benchmarks/vec2text_peer.py`` (with the extra ``parity``): makes two small
checkpoints of the reference's own models, one trained until its texts come to rest, and one
of random weights, whose texts go on changing; then has both invert the same texts,
alternating, each in a process of its own with the same threads, dtype, limit of tokens and
padding of what is embedded. Ours searches in parity mode, where the texts must be the same
but for near ties, and in its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

LONGEST = 32
REFERENCE, PARITY, BEST = "vec2text 0.0.13", "ours, parity", "ours, best"
SETTINGS = ((20, 1), (50, 1), (50, 4))
# Steps of training base model and corrector; even a badly trained pair soon comes to rest.
STATES = {"converging": (1200, 1200), "not converging": (0, 0)}


def sentences(n: int) -> list[str]:
    """Return ``n`` different made-up sentences of 8 to 14 words."""
    who = ("Ann", "Bob", "the old baker", "a nurse from Rome", "our neighbour", "Dr. Lee")
    does = ("sells", "paints", "forgets", "carries", "describes", "repairs")
    what = ("a red door", "two maps", "the morning news", "blue glass", "seven letters", "a boat")
    where = ("near the river", "in the market", "behind the church", "at home", "on the hill")
    when = ("on Monday.", "before dawn.", "with great care.", "every other week.", "again.")
    every = [" ".join(words) for words in product(who, does, what, where, when)]
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(every))
    return [every[place] for place in order[:n]]


# ---------------------------------------------------------------------- checkpoints
def write_checkpoint(folder: Path, state: str, texts: Sequence[str]) -> None:
    """Save a pair of the reference's models, trained or random."""
    from parity.reference import (
        Reference,
        Shape,
        build_models,
        import_reference,
        quiet,
        train_briefly,
        write_parts,
    )
    from v2t_plugins.seeds import seeded

    base_steps, corrector_steps = STATES[state]
    shape = Shape(d_model=128, d_kv=32, d_ff=512, vocabulary=500, max_seq_length=LONGEST)
    vec2text = import_reference()
    folder.mkdir(parents=True)
    with seeded("peer", state), quiet(folder):
        settings = write_parts(folder, texts, shape)
        scale = 1.0 if base_steps else 6.0
        reference = Reference(vec2text, *build_models(vec2text, settings, scale=scale))
        train_briefly(reference, texts, base_steps=base_steps, corrector_steps=corrector_steps)
        reference.inverter.save_pretrained(folder / "base")
        reference.corrector.save_pretrained(folder / "corrector")


# ---------------------------------------------------------------------- contenders
class Counts:
    """What a contender asked for: texts embedded, corrections, tokens through the decoder."""

    def __init__(self) -> None:
        self.embedded = self.corrected = self.decoded = 0

    def per_text(self, n: int) -> dict[str, float]:
        """Return the counts for one of ``n`` texts."""
        return {name: value / n for name, value in vars(self).items()}


def reference_contender(folder: Path, counts: Counts) -> Any:
    """Return the inversion of the reference, counted."""
    from parity.reference import Reference, import_reference, load_models, quiet

    vec2text = import_reference()
    with quiet(folder):
        reference = Reference(vec2text, *load_models(vec2text, folder))
    embed = reference.trainer.embed_generated_hypothesis

    def counted(input_ids: Any) -> Any:
        counts.embedded += len(input_ids)
        return embed(input_ids=input_ids)

    def decoded(module: Any, given: Any, named: Any) -> None:
        counts.decoded += named["input_ids"].numel()

    def corrected(module: Any, given: Any, named: Any) -> None:
        counts.corrected += len(named["inputs_embeds"])

    reference.trainer.embed_generated_hypothesis = counted
    for model in (reference.inverter, reference.corrector):
        model.encoder_decoder.decoder.register_forward_pre_hook(decoded, with_kwargs=True)
    encoder = reference.corrector.encoder_decoder.encoder
    encoder.register_forward_pre_hook(corrected, with_kwargs=True)

    def invert(vectors: Any, steps: int, beam: int) -> list[str]:
        with quiet(folder):
            ids = reference.invert(vectors, steps=steps, beam=beam, longest=LONGEST)
        texts: list[str] = reference.trainer.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return texts

    return invert


def our_contender(folder: Path, counts: Counts, mode: Any) -> Any:
    """Return our search, counted; it embeds as the reference does, padding included."""
    from parity.reference import DIM, load_embedder
    from v2t_bench.contracts import Space
    from v2t_bench.threat import Oracle
    from v2t_plugins.attacks.vec2text.networks import Networks
    from v2t_plugins.attacks.vec2text.pairs import Pair
    from v2t_plugins.attacks.vec2text.published import Source, load_pair
    from v2t_plugins.attacks.vec2text.search import Search
    from v2t_plugins.attacks.vec2text.stepping import StepDecoder

    pair = Pair(base=str(folder / "base"), corrector=str(folder / "corrector"))
    import torch

    networks = load_pair(
        pair,
        Source(offline=True, allow_bin=False),
        device="cpu",
        dtype=torch.float32,
        parity=True,
    )
    networks = replace(networks, longest_correction=LONGEST - 1)
    embed = load_embedder(folder / "bert", LONGEST)

    def answer(texts: Sequence[str], role: str) -> Any:
        counts.embedded += len(texts)
        return embed(texts).numpy()

    advance, correct = StepDecoder.advance, Networks.corrections

    def counted_advance(self: StepDecoder, last: Any) -> Any:
        counts.decoded += len(last)
        return advance(self, last)

    def counted_corrections(self: Networks, vectors: Any, *given: Any, **more: Any) -> Any:
        counts.corrected += len(vectors)
        return correct(self, vectors, *given, **more)

    StepDecoder.advance = counted_advance  # type: ignore[method-assign]
    Networks.corrections = counted_corrections  # type: ignore[method-assign]
    space = Space(weights="peer", pooling="cls", normalize=False, max_tokens=LONGEST)

    def invert(vectors: Any, steps: int, beam: int) -> list[str]:
        oracle = Oracle(answer, space=space, dim=DIM)
        search = Search(networks=networks, oracle=oracle, steps=steps, beam=beam, mode=mode)
        return [trace.text for trace in search.run(vectors.numpy())]

    return invert


def serve(name: str, folder: Path, threads: int) -> None:
    """Be one contender: read a setting a line, answer with what it took."""
    import torch

    from parity.reference import load_embedder
    from peak_memory import peak_mib

    torch.set_num_threads(threads)
    counts = Counts()
    if name == REFERENCE:
        invert = reference_contender(folder, counts)
    else:
        invert = our_contender(folder, counts, "parity" if name == PARITY else "best")
    texts = json.loads((folder / "attacked.json").read_text())
    vectors = load_embedder(folder / "bert", LONGEST)(texts)
    for line in sys.stdin:
        steps, beam = json.loads(line)
        counts.__init__()  # type: ignore[misc]
        started = time.perf_counter()
        guesses = invert(vectors, steps, beam)
        answer = {
            "seconds": time.perf_counter() - started,
            "texts": guesses,
            "per_text": counts.per_text(len(texts)),
            "right": sum(map(str.__eq__, guesses, texts)) / len(texts),
            "peak_mib": peak_mib(),
        }
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------------- comparison
class Contender:
    """A contender in a process of its own."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        self.name = name
        self.answers: list[dict[str, Any]] = []
        self._errors = folder / "stderr.txt"
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, str(folder), "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors.open("a"),
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        self._run(1, 1)  # warm

    def _run(self, steps: int, beam: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([steps, beam]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} failed:\n{self._errors.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def measure(self, steps: int, beam: int) -> None:
        """Invert all texts once more and keep what it took."""
        self.answers.append(self._run(steps, beam))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def compare(
    folder: Path, state: str, steps: int, beam: int, rounds: int, threads: int
) -> Iterator[str]:
    """Yield a line a contender."""
    contenders = [Contender(name, folder, threads) for name in (REFERENCE, PARITY, BEST)]
    for _ in range(rounds):
        for contender in contenders:
            contender.measure(steps, beam)
    theirs = contenders[0].answers[0]["texts"]
    reference_time = median(answer["seconds"] for answer in contenders[0].answers)
    for contender in contenders:
        contender.close()
        seconds = [answer["seconds"] for answer in contender.answers]
        last = contender.answers[-1]
        differ = sum(map(str.__ne__, last["texts"], theirs))
        counts = last["per_text"]
        yield (
            f"{state:15} {steps:3} {beam:4}  {contender.name:16} {median(seconds):8.2f} "
            f"{min(seconds):7.2f}-{max(seconds):<7.2f} {reference_time / median(seconds):6.1f} "
            f"{counts['corrected']:11.1f} {counts['embedded']:9.1f} {counts['decoded']:9.0f} "
            f"{last['peak_mib']:9.0f} {differ:7} {100 * last['right']:6.1f}"
        )


HEADER = (
    f"{'checkpoint':15} {'steps':>3} {'beam':>4} {'':16} {'median s':>9} {'least-most':>13} "
    f"{'times':>8} {'corrections':>11} {'embedded':>9} {'decoded':>9} {'peak MiB':>9} "
    f"{'differ':>7} {'exact%':>6}"
)


def main() -> None:
    """Print one table; the three counts are per text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=64, help="inverted texts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", choices=list(STATES), help="only this checkpoint")
    parser.add_argument("--quick", action="store_true", help="little training, 5 steps, one round")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], Path(given.serve[1]), given.threads)
        return
    if find_spec("vec2text") is None:
        parser.exit(2, "error: vec2text is not installed; pip install 'v2t-bench[parity]'\n")
    if given.quick:
        given.rounds, given.texts = 1, 8
        STATES["converging"] = (20, 20)
    texts = sentences(600)
    print(HEADER)
    with tempfile.TemporaryDirectory() as place:
        for state in [given.state] if given.state else STATES:
            folder = Path(place) / state.replace(" ", "-")
            write_checkpoint(folder, state, texts)
            # Half of the attacked texts were trained on, half were not.
            attacked = texts[: given.texts // 2] + sentences(2000)[-given.texts // 2 :]
            (folder / "attacked.json").write_text(json.dumps(attacked))
            for steps, beam in ((5, 1), (5, 2)) if given.quick else SETTINGS:
                for line in compare(folder, state, steps, beam, given.rounds, given.threads):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
