"""What an embedder, a defense and an attack promise, and the records that describe them.

Vectors are numpy float32 at every seam, one row a text; torch lives inside components.
Letters are fixed: ``n`` texts, ``d`` embedding, ``d'`` released, ``t`` tokens.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    get_args,
    runtime_checkable,
)

import numpy as np
from numpy.typing import NDArray

from v2t_bench.errors import BrokenPromise
from v2t_bench.processes import ALONE as ALONE
from v2t_bench.processes import Processes as Processes
from v2t_bench.secret import KeyFile as KeyFile
from v2t_bench.secret import Secret as Secret

if TYPE_CHECKING:
    from v2t_bench.threat import Oracle

Vectors: TypeAlias = NDArray[np.float32]
Role: TypeAlias = Literal["query", "document"]
Similarity: TypeAlias = Literal["cosine", "dot", "euclidean", "hamming"]
Blindness: TypeAlias = Literal["accents", "case", "punctuation_spacing", "whitespace"]
Kind: TypeAlias = Literal["embedders", "attacks", "defenses"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Space:
    """What decides where a text lands; embedders of equal space are interchangeable.

    Args:
        weights: What the numbers are: a name with a revision or a sha256.
        pooling: How token vectors become one: ``mean``, ``cls``, ``none`` ...
        dense: The layers after pooling, or empty.
        normalize: Whether vectors are scaled to length 1.
        query_prompt: Text put before every query.
        document_prompt: Text put before every document.
        max_tokens: Tokens the embedder reads, special ones included.
        similarity: How vectors of this space are compared.
        blind_to: What the tokenizer cannot see, sorted.
    """

    weights: str
    pooling: str
    dense: str = ""
    normalize: bool
    query_prompt: str = ""
    document_prompt: str = ""
    max_tokens: int
    similarity: Similarity = "cosine"
    blind_to: tuple[Blindness, ...] = ()

    def normalize_text(self, text: str) -> str:
        """Return what is left of ``text`` once everything the space cannot see is removed."""
        if "accents" in self.blind_to:
            decomposed = unicodedata.normalize("NFD", text)
            text = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        if "case" in self.blind_to:
            text = text.lower()
        if "punctuation_spacing" in self.blind_to:
            text = re.sub(r"([^\w\s]|_)", r" \1 ", text)
        if "whitespace" in self.blind_to:
            text = " ".join(text.split())
        return text


class Embedder(Protocol):
    """Turns texts into vectors of one space.

    Attributes:
        space: Where the vectors live.
        dim: ``d``, the length of a vector.
        special_tokens: Tokens the tokenizer adds to every text (2 for BERT).
    """

    @property
    def space(self) -> Space: ...
    @property
    def dim(self) -> int: ...
    @property
    def special_tokens(self) -> int: ...

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return one finite float32 row a text, (n, d); an empty list gives (0, d)."""
        ...

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return, for each text, the (start, end) characters of its tokens, in order.

        Special tokens are left out and nothing is cut, however long the text.
        """
        ...


class Defense(Protocol):
    """Changes vectors before they are released. Frozen: fitting returns another defense.

    One that is a subclass of this inherits the defaults of what it does not say itself.

    Attributes:
        stochastic: Whether another secret gives other vectors.
        keyed: Whether undoing it needs the secret.
        on: Which side is changed; the other is released as it is.
        similarity: How released vectors are compared, or None for the embedder's way.
        keeps: The similarities by which released vectors provably rank as the clean ones do,
            whatever the vectors; default: none of them.
        opaque: Whether nobody can compute with what is released but who holds the key, as
            with encryption: `protect` then returns what the holder computes with, and no
            attack is run.
        needs_unit: Whether it takes vectors of length 1 only.
    """

    @property
    def stochastic(self) -> bool: ...
    @property
    def keyed(self) -> bool: ...
    @property
    def on(self) -> Literal["documents", "queries", "both"]: ...
    @property
    def similarity(self) -> Similarity | None: ...
    @property
    def keeps(self) -> tuple[Similarity, ...]:
        return ()

    @property
    def opaque(self) -> bool:
        return False

    @property
    def needs_unit(self) -> bool:
        return False

    def gives_unit(self, unit: bool) -> bool:
        """Return whether what is released has length 1, for vectors that have it or have not."""
        return False

    def released_dim(self, dim: int) -> int:
        """Return d' for vectors of ``dim`` dimensions; asked before anything is fitted.

        Raises:
            BadParameter: it cannot protect vectors of so few dimensions.
        """
        return dim

    def bytes_per_vector(self, dim: int) -> int | None:
        """Return what storing one released vector of ``dim`` (d') takes; None: nobody can say."""
        return 4 * dim

    def fit(self, vectors: Vectors) -> Defense:
        """Return this defense fitted to the owner's clean document vectors, (n, d).

        What is fitted is public: an attacker who knows the defense is given it.
        """
        return self

    def protect(self, vectors: Vectors, *, role: Role, ids: Sequence[str]) -> Vectors:
        """Return the released vectors, (n, d'), as a new array; ``ids`` names the rows."""
        ...

    def lift(self, released: Vectors) -> Vectors | None:
        """Return ``released`` (n, d') brought back to (n, d) without any secret.

        None where nobody can: the oblivious attacker is then skipped with that reason.
        """
        return released


class Attack(Protocol):
    """Guesses the text behind a vector.

    A guess depends on no other vector of the batch, but for a control that says so by an
    attribute ``depends_on_batch = True``. One that can invert some spaces only may have a
    method ``check_space(space: Space)`` that raises `SpaceMismatch`; it is called before
    anything runs.
    """

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return one guess a row of ``vectors`` (n, d)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Round:
    """Where a search stood after one of its steps.

    Args:
        step: 0 is the first guess.
        text: The guess; of several, the closest.
        cosine: Of the guess's clean vector with the target, -1 to 1.
    """

    step: int
    text: str
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Trace:
    """How a search came to its answer.

    Args:
        text: The answer, as ``invert`` returns it; not always that of the last round.
        rounds: In order; they end where the search of this row ended.
    """

    text: str
    rounds: tuple[Round, ...]


@runtime_checkable
class TracedAttack(Attack, Protocol):
    """An attack that corrects its guess step by step and can show the steps."""

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        """Return the answer for each row of ``vectors`` (n, d) and how it was found."""
        ...


class LearnedAttack(Attack, Protocol):
    """An attack that is trained; its recipe says ``learned=True``.

    Its ``build`` takes a parameter ``checkpoint: Path | None``: the folder that `train`
    filled, given by the user or found by the host. `train` is called on an instance built
    without one.
    """

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Fill ``context.folder`` with safetensors and JSON, and return what it took."""
        ...


Size: TypeAlias = Literal["tiny", "small", "base"]
Release: TypeAlias = "Callable[[Vectors, Sequence[str]], Vectors]"


def embedded(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Return the vectors of ``texts``, (n, d), as documents; nothing is stored."""
    return embedder.embed(texts, "document")


def as_they_are(vectors: Vectors, ids: Sequence[str]) -> Vectors:
    """Return clean ``vectors``: what is released where nothing is defended."""
    return vectors


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """The budget and the place of one training.

    Args:
        folder: Where the finished files go; exists and is empty.
        work: Scratch that survives a kill; training resumes from what it finds there.
        max_tokens: Tokens of the embedder kept of each text, special ones included.
        size: Preset of the network.
        steps: Optimizer steps of each network, or None for the attack's own choice.
        minutes: Wall-clock limit for the whole training, or None. With it, a run cannot be
            repeated exactly.
        seed: Of weights, order and dropout.
        device: As torch spells it.
        batch_size: Examples a step, or None for the attack's own choice.
        tokenizer: A folder or hub id, or None to train one.
        options: What else the attack understands; it refuses a key it does not know.
        progress: Called with a line worth telling.
        release: From clean document vectors (n, d) to what this attacker is shown of them,
            (n, d): released under the defense it is trained against, and lifted. Row i
            depends on ``vectors[i]`` and ``ids[i]`` alone, so another id is another draw of
            a defense that draws. Targets are released; vectors of guesses never are, since
            the attacker embeds those itself.
        dev: Texts that are not learned, to measure on as the training goes; may be empty.
        embedded: Documents under another embedder than the attacked one, whose texts may be
            asked for again by another training: their vectors, (n, d), stored where that can be.
        processes: Who else trains the same. Each process calls ``train`` with a ``folder``
            of its own and the one ``work``; what the main process leaves is kept.
    """

    folder: Path
    work: Path
    max_tokens: int
    size: Size = "small"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"
    batch_size: int | None = None
    tokenizer: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda line: None
    release: Release = as_they_are
    dev: Sequence[str] = ()
    embedded: Callable[[Embedder, Sequence[str]], Vectors] = embedded
    processes: Processes = ALONE


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a training took.

    Args:
        recipe: Everything that was decided, defaults included, as plain JSON values.
        curve: One record an evaluation or a logging step, as plain JSON values.
        facts: What the attack measured of itself on texts that it set aside, as plain JSON
            values; None where there is nothing to measure.
    """

    recipe: Mapping[str, Any]
    curve: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Builder(Protocol):
    """Builds a nested component."""

    def __call__(self, kind: Kind, spelling: Any) -> Any:
        """Return the component of that kind spelled by ``spelling``."""
        ...


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What the host hands to a component that asks for it by a ``context`` parameter.

    Args:
        device: As torch spells it, already resolved.
        batch_size: Rows a step, or None for the component's own choice.
        offline: Whether nothing may be fetched.
        trust_remote_code: Model ids whose own code may run.
        allow_bin: Whether weights may be read from a pickle, tensors and nothing else.
        cache: A folder, perhaps not made yet, where a component may keep what it fitted, as
            safetensors and JSON below a folder of its own; None where nothing is kept.
        build: Builds a nested spelling.
    """

    build: Builder
    device: str = "cpu"
    batch_size: int | None = None
    offline: bool = False
    trust_remote_code: tuple[str, ...] = ()
    allow_bin: bool = False
    cache: Path | None = None


T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[T_co]):
    """A component on offer: how it is called and how it is built; nothing is built yet.

    ``build`` is a class or a function with typed parameters; they are what can be spelled.
    Parameters annotated `Secret` or `BuildContext` are given by the host. A `Path` is
    recorded by its folder's name and the hash of its content. A `KeyFile`, which must be
    called ``key``, gives the secret where one is named, and is recorded by a keyed hash.

    Args:
        name: What users write.
        build: Called with the bound parameters.
        summary: One line for ``v2t-bench list``; default: the first line of build's docstring.
        source: Paper and section the method is from.
        learned: For attacks: whether it must be trained before use.
        own_weights: For learned attacks: parameters that name weights of another origin.
            Where one is given, no checkpoint is looked for.
        revision: Whether ``name@revision`` is understood; given to build as ``revision``.
        demo: For learned attacks: the `TrainContext` fields (``size``, ``steps``,
            ``batch_size``, ``options``) of the training on the demo corpora.
        trainings: For learned attacks: name of a training recipe to the options of
            ``v2t-bench train`` that it sets.
        tested: For learned attacks: parameters, as they are spelled, of the test that ends a
            training, where it would take too long with the default ones.
        taught: For learned attacks: parameters that training decides. They are spelled for
            ``v2t-bench train`` as for ``run``, `train` is called on an instance built with
            them, and a checkpoint fits only where it was trained with the same values.
        inner_embedder: For attacks that bring vectors to another space: the parameter that
            spells its embedder. The attacks nested in it then invert that space, and their
            oracle, which the attack makes, asks that embedder.
        standard: Spellings that ``all`` stands for; default: the bare name, where no
            parameter is required.
        for_tests: Never part of ``all``, and of no use for a published figure.
    """

    name: str
    build: Callable[..., T_co]
    summary: str = ""
    source: str = ""
    learned: bool = False
    own_weights: tuple[str, ...] = ()
    revision: bool = False
    demo: Mapping[str, Any] = field(default_factory=dict)
    trainings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tested: Mapping[str, str] = field(default_factory=dict)
    taught: tuple[str, ...] = ()
    inner_embedder: str = ""
    standard: tuple[str, ...] = ()
    for_tests: bool = False

    def __post_init__(self) -> None:
        """Take the summary from build's docstring where none is given."""
        if not self.summary:
            lines = (self.build.__doc__ or "").strip().splitlines()
            object.__setattr__(self, "summary", lines[0] if lines else "")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained attack on disk, and what it fits.

    Args:
        attack: The attack's name.
        space: What its vectors are; it refuses any other.
        dim: ``d`` of that space.
        max_tokens: The length it was trained for.
        min_tokens: Where it was trained on a mixture of lengths, the shortest: it serves every
            ``--max-tokens`` from there to ``max_tokens``. None: ``max_tokens`` alone.
        trained_on: Name of the training text; ``demo`` marks the one of the demo corpora.
        defense: The defense it was trained against, canonical; empty for clean vectors.
        owner_seed: Of the owner's secret, where it was trained through the owner's own service;
            None: against a defense under a secret of the attacker's own, or none.
        folder: Where it lies.
        identity: ``<name>@<12 hex>``: what spellings and tables show for it.
        embedder: How its embedder was spelled in training; shown, and nothing more.
        texts_sha256: `v2t_bench.canonical.hash_texts` of the training texts, or empty.
        taught: The parameters that training decided, by name, as results show them.
        pairs: How many true pairs of text and released vector it learned from, where it is
            known by that number as an aligner is; None: not told.
        distribution: ``<name>==<version>`` of the package that carries it, filled in by the
            host; empty for the user's own.
    """

    attack: str
    space: Space
    dim: int
    max_tokens: int
    min_tokens: int | None = None
    trained_on: str
    defense: str = ""
    owner_seed: int | None = None
    folder: Path
    identity: str
    embedder: str = ""
    texts_sha256: str = ""
    taught: Mapping[str, str] = field(default_factory=dict)
    pairs: int | None = None
    distribution: str = ""

    @property
    def name(self) -> str:
        """What it is called: its folder's name."""
        return self.identity.rpartition("@")[0] or self.identity

    @property
    def lengths(self) -> str:
        """The ``--max-tokens`` it serves, such as ``32`` or ``4-to-32``."""
        if self.min_tokens is None or self.min_tokens == self.max_tokens:
            return str(self.max_tokens)
        return f"{self.min_tokens}-to-{self.max_tokens}"

    def serves(self, max_tokens: int) -> bool:
        """Return whether it was trained for texts cut at ``max_tokens``."""
        shortest = self.max_tokens if self.min_tokens is None else self.min_tokens
        return shortest <= max_tokens <= self.max_tokens


def check_vectors(vectors: object, *, rows: int, who: str, dim: int | None = None) -> Vectors:
    """Return ``vectors`` if they are a finite float32 array of ``rows`` rows.

    Raises:
        BrokenPromise: naming ``who`` returned what, and what was expected.
    """
    expected = f"a float32 array of shape ({rows}, {'d' if dim is None else dim})"
    if not isinstance(vectors, np.ndarray):
        raise BrokenPromise(f"{who} returned {type(vectors).__name__}; expected {expected}")
    if vectors.ndim != 2 or vectors.shape[0] != rows or dim not in (None, vectors.shape[1]):
        raise BrokenPromise(f"{who} returned shape {vectors.shape}; expected {expected}")
    if vectors.dtype != np.float32:
        raise BrokenPromise(f"{who} returned {vectors.dtype}; expected {expected}")
    # In blocks: of a mapped array no more than one is in memory.
    bad = np.zeros(rows, bool)
    for start in range(0, rows, 65_536):
        block = slice(start, start + 65_536)
        bad[block] = ~np.isfinite(vectors[block]).all(axis=1)
    if bad.any():
        raise BrokenPromise(
            f"{who} returned NaN or infinity in {int(bad.sum())} of {rows} rows "
            f"(first: row {int(bad.argmax())}); expected finite numbers"
        )
    return vectors


def check_guesses(guesses: object, *, rows: int, who: str) -> list[str]:
    """Return ``guesses`` if they are a list of ``rows`` strings.

    Raises:
        BrokenPromise: naming ``who`` returned what, and what was expected.
    """
    if not isinstance(guesses, list) or not all(isinstance(guess, str) for guess in guesses):
        raise BrokenPromise(f"{who} did not return a list of strings")
    if len(guesses) != rows:
        raise BrokenPromise(f"{who} returned {len(guesses)} guesses for {rows} vectors")
    return guesses


def check_traces(traces: object, *, rows: int, who: str) -> list[Trace]:
    """Return ``traces`` if they are a list of ``rows`` traces with finite cosines.

    Raises:
        BrokenPromise: naming ``who`` returned what.
    """
    if not isinstance(traces, list) or not all(isinstance(trace, Trace) for trace in traces):
        raise BrokenPromise(f"{who} did not return a list of traces")
    check_guesses([trace.text for trace in traces], rows=rows, who=who)
    for trace in traces:
        check_guesses([one.text for one in trace.rounds], rows=len(trace.rounds), who=who)
        if not all(math.isfinite(one.cosine) for one in trace.rounds):
            raise BrokenPromise(f"{who} returned a round whose cosine is not finite")
    return traces


def answers_of(
    attack: Attack, vectors: Vectors, oracle: Oracle, *, traced: bool, who: str
) -> tuple[list[str], list[Trace] | None]:
    """Return the answers for ``vectors`` (n, d), and their traces if it shows any.

    Raises:
        BrokenPromise: naming ``who`` returned something else than it promises.
    """
    if traced and isinstance(attack, TracedAttack):
        traces = check_traces(attack.invert_traced(vectors, oracle), rows=len(vectors), who=who)
        return [trace.text for trace in traces], traces
    return check_guesses(attack.invert(vectors, oracle), rows=len(vectors), who=who), None
