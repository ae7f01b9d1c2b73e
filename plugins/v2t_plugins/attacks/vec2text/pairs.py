"""Which published checkpoints belong together, and which space each of them inverts."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from v2t_bench.contracts import Space
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact, SpaceMismatch
from v2t_bench.spelling import Spelling


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A base model and its corrector, by hub id or folder.

    Args:
        base: The hypothesizer.
        corrector: Empty: only steps=0 can be done.
        embedder: The spelling of what they were trained on, where it is known beforehand.
    """

    base: str
    corrector: str = ""
    embedder: str = ""


PAIRS: Mapping[str, Pair] = {
    "gtr-base": Pair(
        base="jxm/gtr__nq__32", corrector="jxm/gtr__nq__32__correct", embedder="gtr-base"
    ),
    "gtr-base-st": Pair(
        base="ielabgroup/vec2text_gtr-base-st_inversion",
        corrector="ielabgroup/vec2text_gtr-base-st_corrector",
        embedder="gtr-base-st",
    ),
    "ada-002": Pair(
        base="jxm/vec2text__openai_ada002__msmarco__msl128__hypothesizer",
        corrector="jxm/vec2text__openai_ada002__msmarco__msl128__corrector",
        embedder="openai:text-embedding-ada-002",
    ),
}

# What vec2text calls an embedder in config.json, and how it is spelled here.
_ALIASES = {"gtr_base": "gtr-base", "gtr_base_st": "gtr-base-st"}
# What of a space can be told apart before any weights are loaded.
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "gtr-base": {"pooling": "mean", "dense": "", "normalize": False},
    "gtr-base-st": {"pooling": "mean", "normalize": True},
    "openai:text-embedding-ada-002": {"weights": "openai:text-embedding-ada-002"},
}
_MOST = 100_000
_NEEDED = ("model_name_or_path", "num_repeat_tokens", "max_seq_length")


def find_pair(published: str, corrector: str | None) -> Pair:
    """Return the pair of that name, or the one made of two hub ids or folders.

    Raises:
        BadParameter: it is neither.
    """
    known = PAIRS.get(published)
    if known is None and "/" not in published and not Path(published).is_dir():
        near = difflib.get_close_matches(published, PAIRS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadParameter(
            f"vec2text: no published pair is called {published!r}{hint} (known: "
            f"{', '.join(PAIRS)}; or give a hub id or a folder)"
        )
    if known is None:
        return Pair(base=published, corrector=corrector or "")
    if corrector is None:
        return known
    return Pair(base=known.base, corrector=corrector, embedder=known.embedder)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what ``config.json`` of a published checkpoint says.

    Raises:
        BadInput: there is none.
        CorruptArtifact: it is not that of a model of vec2text.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise BadInput(f"{folder} holds no config.json; expected a checkpoint of vec2text")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); fetch it again") from error
    missing = [name for name in _NEEDED if not isinstance(settings, dict) or name not in settings]
    if missing:
        raise CorruptArtifact(
            f"{path} lacks {', '.join(missing)}, which every checkpoint of vec2text has"
        )
    if not isinstance(settings["model_name_or_path"], str):
        raise CorruptArtifact(
            f"{path}: model_name_or_path is {settings['model_name_or_path']!r}; expected the name "
            "of a T5"
        )
    for name in _NEEDED[1:]:
        if type(settings[name]) is not int or not 2 <= settings[name] <= _MOST:
            raise CorruptArtifact(
                f"{path}: {name} is {settings[name]!r}; expected a whole number from 2 to {_MOST}"
            )
    return dict(settings)


def embedder_of(pair: Pair, settings: Mapping[str, Any]) -> str:
    """Return how the embedder of a pair is spelled, or nothing where that is not known."""
    if pair.embedder:
        return pair.embedder
    if isinstance(settings.get("embedder_model_api"), str):
        return str(Spelling("openai", (settings["embedder_model_api"],)))
    name = str(settings.get("embedder_model_name", ""))
    if name.startswith("sentence-transformers/"):
        return str(Spelling("st", (name,)))
    return _ALIASES.get(name, "")


def refuse_by_looks(embedder: str, space: Space, who: str) -> None:
    """Refuse a space that differs from that of ``embedder`` in something seen at once.

    Raises:
        SpaceMismatch: naming both.
    """
    looks = _LOOKS.get(embedder, {})
    differing = {name: want for name, want in looks.items() if getattr(space, name) != want}
    # The same model at another address is compared with what lies at that address.
    if str(space.weights).startswith(f"{looks.get('weights')} at "):
        return
    if differing:
        one = ", ".join(f"{name}={want!r}" for name, want in differing.items())
        other = ", ".join(f"{name}={getattr(space, name)!r}" for name in differing)
        raise SpaceMismatch(
            f"{who} inverts the space of {embedder} ({one}), and this embedder's is another "
            f"({other}, weights {space.weights[:40]}); attack --embedder {embedder}, or train "
            "vec2text for this space"
        )


def refuse_other_space(embedder: str, theirs: Space, space: Space, who: str) -> None:
    """Refuse a space that is not that of ``embedder``, which is ``theirs``.

    Raises:
        SpaceMismatch: naming what differs.
    """
    if theirs == space:
        return
    one, other = asdict(theirs), asdict(space)
    told = "; ".join(
        f"{name}: {one[name]!r} there, {other[name]!r} here"
        for name in one
        if one[name] != other[name]
    )
    raise SpaceMismatch(
        f"{who} inverts the space of {embedder}, and this embedder's is another ({told}); "
        f"attack --embedder {embedder}, or train vec2text for this space"
    )
