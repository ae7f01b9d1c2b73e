"""Guess the text behind a vector, then correct the guess by embedding it again and again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Attack,
    BuildContext,
    Recipe,
    Space,
    Trace,
    TrainContext,
    TrainReport,
    Vectors,
)
from v2t_bench.errors import BadInput, BadParameter
from v2t_bench.spelling import Spelling, parse
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import (
    answers_of_another,
    check_dim,
    folder_of,
    scaled_like_targets,
)
from v2t_plugins.attacks.vec2text.trainings import DEMO_TRAINING, TRAININGS

if TYPE_CHECKING:
    from v2t_plugins.attacks.vec2text.networks import Networks

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Vec2Text:
    """A trained guess, corrected ``steps`` times; of all texts tried the best is kept.

    The clean embedder is asked about each new guess. Vectors of a space whose vectors have
    length 1 are brought to length 1 first.

    Args:
        steps: Corrections; 0 gives the base model's own text.
        beam: Guesses corrected at a time, and texts tried for each (the paper's sequence
            beam search, whose inner search is a token beam of the same width).
        guesses: Texts the base model writes at first, by a token beam as wide; all are embedded
            and the best is corrected first. Not for ``parity``, ``start`` or steps=0, which
            have the likeliest alone.
        samples: Texts drawn from the corrector in a step that brings nothing new otherwise,
            by chances that target and step decide; 0: a text ends there. Not for ``parity``.
        fluency: How much it counts, beside how close a text lands, how likely the base model
            finds it, in nats a subword; 0: the closest wins. Not for ``parity``.
        search: ``best`` keeps the best of all texts tried; ``parity`` is the search of
            vec2text 0.0.13, step for step.
        start: A text to correct in place of the base model's (paper, table 5): itself,
            ``word*32`` for repetitions, or ``random`` for random subwords.
        init: Another attack, whose answer competes with the base model's first guesses; what
            that attack asks is counted too. Not for ``parity``, ``start`` or steps=0.
        feedback: False: the corrector is not shown where its guess landed (paper, section 7).
        dtype: Of the networks' arithmetic.
        published: Use published weights: gtr-base, gtr-base-st, ada-002, or the hub id or
            folder of a base model, with ``corrector``.
        corrector: Hub id or folder of a published corrector.
        checkpoint: The folder that `train` filled.
    """

    steps: int = 20
    beam: int = 1
    guesses: int = 16
    samples: int = 4
    fluency: float = 1.0
    search: Literal["best", "parity"] = "best"
    start: str | None = None
    init: Spelling | None = None
    feedback: bool | None = None
    dtype: Literal["float32", "float64", "bfloat16"] | None = None
    published: str | None = None
    corrector: str | None = None
    checkpoint: Path | None = None
    context: BuildContext
    _loaded: dict[str, Networks] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        for name, least in {"steps": 0, "beam": 1, "guesses": 1, "samples": 0}.items():
            value, most = getattr(self, name), math.inf if name == "steps" else 1024
            if not least <= value <= most:
                limits = f"{least} or more" if name == "steps" else f"{least} to {most}"
                raise BadParameter(f"vec2text: {name} must be {limits}, not {value}")
        if not 0 <= self.fluency < math.inf:
            raise BadParameter(f"vec2text: fluency must be a number from 0, not {self.fluency:g}")
        if self.beam > 1 and not self.steps:
            raise BadParameter(
                f"vec2text: beam={self.beam} follows guesses from step to step, and steps=0 has "
                "none; leave beam out or give steps"
            )
        if self.init is not None and (
            not self.steps or self.search == "parity" or self.start is not None
        ):
            raise BadParameter(
                "vec2text: init= is a first guess beside the base model's, to be corrected; leave "
                "out start=, search=parity and steps=0"
            )
        if self.published is not None and self.checkpoint is not None:
            raise BadParameter("vec2text: give published= or checkpoint=, not both")
        if self.corrector is not None and self.published is None:
            raise BadParameter("vec2text: corrector= goes with published=")
        if self.published is not None:
            from v2t_plugins.attacks.vec2text.pairs import find_pair

            pair = find_pair(self.published, self.corrector)
            if self.steps and not pair.corrector:
                raise BadParameter(
                    f"vec2text: {self.published} makes first guesses only; name what corrects them "
                    "by corrector=, or give steps=0"
                )

    def train(self, texts: Sequence[str], oracle: Oracle, context: TrainContext) -> TrainReport:
        """Train both networks into ``context.folder``; options are those of `train.Choices`."""
        from v2t_plugins.attacks.vec2text.train import train

        return train(texts, oracle, context)

    def check_space(self, space: Space) -> None:
        """Refuse a space that published weights were not trained on.

        Raises:
            SpaceMismatch: naming both spaces.
            BadInput, CorruptArtifact: the checkpoint cannot be had or read.
        """
        if self.published is None:
            return
        from v2t_plugins.attacks.vec2text import pairs

        pair, who = pairs.find_pair(self.published, self.corrector), f"vec2text {self.published}"
        if pair.embedder:
            pairs.refuse_by_looks(pair.embedder, space, who)
        settings = pairs.read_settings(self._source().folder(pair.base))
        embedder = pairs.embedder_of(pair, settings)
        if not embedder:
            log.warning(
                "%s was trained on the embedder that vec2text calls %r, which cannot be compared "
                "with this one; only the number of dimensions is",
                who,
                settings.get("embedder_model_name"),
            )
            return
        pairs.refuse_by_looks(embedder, space, who)
        theirs = self._space_of(embedder, pair.base)
        if theirs is None:
            log.warning(
                "%s inverts the space of %s, which cannot be had here, so its weights are not "
                "compared with this embedder's",
                who,
                embedder,
            )
        else:
            pairs.refuse_other_space(embedder, theirs, space, who)

    def _space_of(self, embedder: str, base: str) -> Space | None:
        """Return the space of an embedder, if it, or its weights in ``base``, can be had here."""
        spelled = [parse(embedder)]
        if embedder == "gtr-base":
            spelled.append(Spelling(embedder, (), {"checkpoint": base}))
        for spelling in spelled:
            try:
                space: Space = self.context.build("embedders", spelling).space
            except (BadInput, BadParameter):
                continue
            return space
        return None

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the text found for each row of ``vectors`` (n, d)."""
        return [trace.text for trace in self._search(vectors, oracle, trace=False)]

    def invert_traced(self, vectors: Vectors, oracle: Oracle) -> list[Trace]:
        """Return the text found for each row of ``vectors`` (n, d), and every step to it."""
        return self._search(vectors, oracle, trace=True)

    def _search(self, vectors: Vectors, oracle: Oracle, *, trace: bool) -> list[Trace]:
        if not len(vectors):
            return []
        from v2t_plugins.attacks.vec2text.networks import BATCH_SIZE
        from v2t_plugins.attacks.vec2text.search import Search

        networks = self._networks()
        check_dim(vectors, networks.config.dim, "vec2text")
        return Search(
            networks=networks,
            oracle=oracle,
            steps=self.steps,
            beam=self.beam,
            guesses=self.guesses,
            samples=self.samples,
            fluency=self.fluency,
            mode=self.search,
            start=self._beginning(networks),
            given=self._given(vectors, oracle),
            batch_size=self.context.batch_size or BATCH_SIZE,
            trace=trace,
        ).run(scaled_like_targets(vectors, oracle.space))

    def _beginning(self, networks: Networks) -> Callable[[Vectors], str] | None:
        if self.start is None:
            return None
        from v2t_plugins.attacks.vec2text.starts import starting_text

        return starting_text(self.start, networks)

    def _given(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return what the other attack says of each row, if there is one."""
        if self.init is None:
            return []
        return answers_of_another(self.context, self.init, vectors, oracle)

    def _source(self) -> Any:
        from v2t_plugins.attacks.vec2text.published import Source

        return Source(offline=self.context.offline, allow_bin=self.context.allow_bin)

    def _networks(self) -> Networks:
        if "networks" not in self._loaded:
            self._loaded["networks"] = self._load()
        return self._loaded["networks"]

    def _load(self) -> Networks:
        import torch

        dtype: torch.dtype = getattr(torch, self.dtype or "float32")
        if self.published is not None:
            from v2t_plugins.attacks.vec2text.pairs import find_pair
            from v2t_plugins.attacks.vec2text.published import load_pair

            networks = load_pair(
                find_pair(self.published, self.corrector),
                self._source(),
                device=self.context.device,
                dtype=dtype,
                parity=self.search == "parity",
            )
        else:
            from v2t_plugins.attacks.vec2text.networks import Networks

            folder = folder_of(self.checkpoint, "vec2text")
            networks = Networks.load(folder, self.context.device, dtype)
        return networks if self.feedback is None else networks.with_feedback(self.feedback)


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the paper's attack."""
    yield Recipe(
        name="vec2text",
        build=Vec2Text,
        source="Morris et al. 2023, sections 4-5",
        learned=True,
        own_weights=("published",),
        demo=DEMO_TRAINING,
        trainings=TRAININGS,
    )
