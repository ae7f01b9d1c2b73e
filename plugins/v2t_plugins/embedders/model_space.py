"""Read the space off a loaded sentence-transformers model and the folder it came from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from v2t_bench.contracts import Blindness, Similarity, Space
from v2t_bench.errors import BadInput

NO_LIMIT = 1_000_000
"""Tokens read by a model that cuts nothing, such as a table of static vectors."""

# Short, so that one word a small vocabulary lacks silences one probe and not all of them;
# only single spaces, so that each kind of change can be made alone.
PROBES = (
    "Ann met Bob",
    "the NASA car",
    "a café",
    "naïve Zoë",
    "one, two",
    "it's (so) good.",
    "well-known?",
    "$5.20 a_b",
)


def weights_sha256(folder: Path) -> str:
    """Return the sha256 of the model's weights: of the file, or of the list of several files.

    Raises:
        BadInput: there are no weights.
    """
    files = sorted(_weight_files(folder))
    if not files:
        raise BadInput(f"{folder.name} holds no *.safetensors weights; convert the model to them")
    digests = [(file_sha256(file), file.relative_to(folder).as_posix()) for file in files]
    if len(digests) == 1:
        return digests[0][0]
    return hashlib.sha256("".join(f"{sha}  {name}\n" for sha, name in digests).encode()).hexdigest()


def _weight_files(folder: Path) -> Iterator[Path]:
    """Yield the weights in the folders that modules.json names, and in no other."""
    modules = folder / "modules.json"
    paths = [m["path"] for m in json.loads(modules.read_text())] if modules.is_file() else [""]
    for path in paths:
        for pattern in ("*.safetensors", "pytorch_model.bin"):
            yield from (folder / path).glob(f"**/{pattern}" if path else pattern)


def file_sha256(file: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def space_of(model: Any, *, weights: str) -> Space:
    """Return the space of a loaded sentence-transformers model.

    Raises:
        BadInput: it compares vectors in a way that this benchmark does not know.
    """
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    similarity: Any = model.similarity_fn_name or "cosine"
    if similarity not in get_args(Similarity):
        raise BadInput(
            f"the model compares vectors by {similarity}; expected one of "
            f"{', '.join(get_args(Similarity))}"
        )
    rest = list(model)[1:]
    normalize = len(rest) > 0 and isinstance(rest[-1], Normalize)
    if normalize:
        rest.pop()
    pooling = [module for module in rest if isinstance(module, Pooling)]
    dense = [_described(module) for module in rest if not isinstance(module, Pooling)]
    if model.truncate_dim is not None:
        dense.append(f"first {model.truncate_dim}")
    limit = model.max_seq_length
    return Space(
        weights=weights,
        pooling="+".join(_pooling(module) for module in pooling) or "none",
        dense="; ".join(dense),
        normalize=normalize,
        query_prompt=_prompt(model, "query"),
        document_prompt=_prompt(model, "document", "passage", "corpus"),
        max_tokens=NO_LIMIT if limit is None or math.isinf(limit) else min(int(limit), NO_LIMIT),
        similarity=similarity,
        blind_to=_model_blind_to(model),
    )


def _pooling(module: Any) -> str:
    mode = module.pooling_mode
    name = mode if isinstance(mode, str) else "+".join(mode)
    return name if module.include_prompt else f"{name} without prompt"


def _described(module: Any) -> str:
    settings = json.dumps(module.get_config_dict(), sort_keys=True, default=str)
    return f"{type(module).__name__}{settings}"


def _prompt(model: Any, *names: str) -> str:
    """Return the first prompt that is not empty among those called by ``names``."""
    return next((model.prompts[name] for name in names if model.prompts.get(name)), "")


def _model_blind_to(model: Any) -> tuple[Blindness, ...]:
    def read(text: str) -> list[int]:
        ids: list[int] = model.preprocess([text])["input_ids"].flatten().tolist()
        return ids

    return blind_to(read, unknown=getattr(model.tokenizer, "unk_token_id", None))


def blind_to(read: Callable[[str], list[int]], *, unknown: int | None) -> tuple[Blindness, ...]:
    """Return what a tokenizer cannot see: probes with and without it are the same tokens.

    Args:
        read: Returns the token ids of a text, special ones included or not.
        unknown: The id that stands for what the vocabulary lacks, if there is one.
    """
    blind: list[Blindness] = []
    for kind in get_args(Blindness):
        pairs = [(read(text), read(_without(kind, text))) for text in _probes(kind)]
        # Two words that are both unknown look alike, and prove nothing.
        telling = [(before, after) for before, after in pairs if unknown not in before]
        if telling and all(before == after for before, after in telling):
            blind.append(kind)
    return tuple(blind)


def _probes(kind: Blindness) -> list[str]:
    return [text for text in PROBES if _without(kind, text) != text]


def _without(kind: Blindness, text: str) -> str:
    """Return ``text`` as it looks to a tokenizer that cannot see one kind of difference."""
    if kind == "whitespace":
        return "\n" + text.replace(" ", " \t ") + " "
    space = Space(weights="", pooling="", normalize=False, max_tokens=0, blind_to=(kind,))
    return " ".join(space.normalize_text(text).split())
