"""Attack a space that has no inverter by bringing its vectors to one that has.

``linear`` is the aligner of "Squeezing more out of Vec2Text" by ridge regression in closed
form instead of gradient steps, with the means taken off first. ALGEN (Chen et al. 2025) is a
decoder trained in the target's space behind ``linear`` from a few pairs:
``aligner:linear,target=<embedder>,inverter=[gpt2],pairs=1000`` where such a decoder is
installed. ``procrustes`` turns, scales and shifts; ``mlp`` adds a small network to ``linear``.
``mini_vec2vec`` (Dar 2025) needs no pairs. vec2vec (Jha et al. 2025) is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Embedder,
    Recipe,
    Round,
    Trace,
    TrainContext,
    TrainReport,
    Vectors,
    answers_of,
    check_guesses,
    check_vectors,
    embedded,
)
from v2t_bench.errors import BadParameter, CorruptArtifact
from v2t_bench.scoring.cosine import cosine_per_pair
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.aligner.lessons import Lessons
from v2t_plugins.attacks.trained import check_dim, check_finite, folder_of, scaled_like_targets

SETTINGS = "aligner.json"

Embedded: TypeAlias = Callable[[Embedder, Sequence[str]], Vectors]
Method: TypeAlias = Literal["linear", "procrustes", "mlp", "mini_vec2vec"]
UNPAIRED = ("mini_vec2vec",)


class Map(Protocol):
    """Brings vectors of one space to another."""

    @property
    def dim(self) -> int:
        """``d``, of what it takes."""
        ...

    def apply(self, vectors: Vectors) -> Vectors:
        """Return ``vectors`` (n, d) in the other space, (n, d')."""
        ...

    def save(self, folder: Path) -> None:
        """Write the map into ``folder``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Aligner:
    """Vectors brought to the space of another embedder, and inverted there.

    Trained by ``v2t-bench train aligner:<method>,target=<embedder>,pairs=P --texts FILE``. A
    fifth of the texts, at most 8,192, is set aside; the checkpoint's facts are mean cosine,
    top-1 accuracy and mean rank on them, beside leaving vectors as they are (``identity``)
    and beside another text's target (``shuffled``). Asked of the attacked embedder: the
    vectors trained on and those set aside; after training nothing, since guesses are
    compared in the target's space. What training asked of the target's embedder is the fact
    ``target_texts``. Option ``ridge`` of ``linear`` and ``mlp``: the penalty as a share of
    the mean eigenvalue, 0 for plain least squares; default: by cross-validation.

    Args:
        method: From pairs: ``linear``, ``procrustes``, ``mlp``. From unpaired vectors, half of
            the texts on either side: ``mini_vec2vec``.
        target: The embedder of the space that has an inverter.
        inverter: An attack on the target's space, which writes the text.
        pairs: Of a public text's released vector and its vector under the target; default:
            every text that is not set aside. Not for unpaired methods.
        checkpoint: The folder that training filled.
        context: Builds target and inverter.
    """

    method: Method
    target: Spelling
    inverter: Spelling = Spelling("vec2text")  # noqa: RUF009 - frozen
    pairs: int | None = None
    checkpoint: Path | None = None
    context: BuildContext

    def __post_init__(self) -> None:
        """Refuse a number of pairs that cannot be."""
        if self.pairs is None:
            return
        if self.method in UNPAIRED:
            raise BadParameter(f"aligner: {self.method} learns without pairs; leave pairs out")
        if self.pairs < 2:
            raise BadParameter(f"aligner: pairs={self.pairs} aligns nothing; give 2 or more")

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Learn the map from released vectors of ``texts`` to the target's space.

        Raises:
            BadInput: fewer texts than pairs, or hardly any whose vectors are not zero.
            BadParameter: an option is unknown or out of range.
        """
        from v2t_plugins.attacks.aligner.measured import facts_of
        from v2t_plugins.networks import write_json

        target = oracle_of(self._target, context.embedded)
        lessons = Lessons(self.method, self.pairs, oracle, target, context, texts)
        found = lessons.learn()
        attacked, targets = lessons.held_out()
        mapped = scaled_like_targets(found.map.apply(attacked), target.space)
        facts = {
            **facts_of(mapped, attacked, targets),
            "target_texts": target.texts_asked,
            **found.facts,
        }
        context.progress(
            f"{self.method}: cosine {facts['cosine']:.3f}, top-1 {facts['top1']:.3f}, mean rank "
            f"{facts['rank']:.1f} among {facts['held_out']} texts set aside"
        )
        found.map.save(context.folder)
        shape = {"dim": attacked.shape[1], "target_dim": targets.shape[1]}
        write_json(context.folder / SETTINGS, {**shape, "method": self.method})
        return TrainReport(
            recipe={**shape, "method": self.method, **found.recipe}, curve=found.curve, facts=facts
        )

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the inverter's guess for each row of ``vectors``, (n, d), once aligned.

        Raises:
            MissingCheckpoint: built without one.
            SpaceMismatch: trained on vectors of another dimension.
            BadInput: a vector holds NaN or infinity.
            CorruptArtifact: a file of the checkpoint is damaged.
        """
        mapped = self._mapped(vectors)
        if not len(vectors):
            return []
        guesses = self._inverter.invert(mapped, oracle_of(self._target))
        return check_guesses(guesses, rows=len(vectors), who=self.inverter.name)

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        """Return `invert`'s answers and how the inverter came to them.

        Cosines are those in the target's space, with the aligned vector. An inverter that
        shows no rounds has one, its answer.

        Raises:
            As `invert`.
        """
        mapped = self._mapped(vectors)
        if not len(vectors):
            return []
        guesses, traces = answers_of(
            self._inverter, mapped, oracle_of(self._target), traced=True, who=self.inverter.name
        )
        if traces is not None:
            return traces
        landed = self._target.embed(guesses, "document")
        return [
            Trace(text=text, rounds=(Round(step=0, text=text, cosine=cosine),))
            for text, cosine in zip(guesses, cosine_per_pair(landed, mapped).tolist(), strict=True)
        ]

    def _mapped(self, vectors: Vectors) -> Vectors:
        """Return ``vectors`` (n, d) brought to the target's space, (n, d')."""
        found = self._map
        check_dim(vectors, found.dim, "aligner")
        check_finite(vectors, "aligner")
        target = self._target
        mapped = scaled_like_targets(found.apply(vectors), target.space)
        return check_vectors(
            np.ascontiguousarray(mapped), rows=len(vectors), dim=target.dim, who="aligner"
        )

    @cached_property
    def _target(self) -> Embedder:
        target: Embedder = self.context.build("embedders", self.target)
        return target

    @cached_property
    def _inverter(self) -> Attack:
        inverter: Attack = self.context.build("attacks", self.inverter)
        return inverter

    @cached_property
    def _map(self) -> Map:
        from v2t_bench.alignment.maps import AffineMap
        from v2t_plugins.networks import read_json

        folder = folder_of(self.checkpoint, "aligner")
        trained = read_json(folder / SETTINGS).get("method")
        if trained != self.method:
            raise CorruptArtifact(
                f"{folder / SETTINGS} is of method {trained!r}, not {self.method!r}; train again"
            )
        if self.method == "mlp":
            from v2t_plugins.attacks.aligner.mlp import BentMap

            return BentMap.load(folder)
        return AffineMap.load(folder)


def oracle_of(embedder: Embedder, kept: Embedded = embedded) -> Oracle:
    """Return the door to the target's embedder, which the attacker runs itself.

    Args:
        embedder: The target's.
        kept: Embeds documents that another training may ask for again.
    """
    from v2t_bench.texts import cut

    return Oracle(
        embedder.embed,
        space=embedder.space,
        dim=embedder.dim,
        keep=lambda texts, role: kept(embedder, texts),
        shorten=lambda texts, tokens: cut(embedder, texts, tokens).texts,
    )


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the transfer to another space."""
    yield Recipe(
        name="aligner",
        build=Aligner,
        source="Squeezing more out of Vec2Text (linear), Dar 2025",
        learned=True,
        taught=("method", "target", "pairs"),
        inner_embedder="target",
    )
