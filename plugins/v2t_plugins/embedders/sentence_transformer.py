"""Any sentence-transformers model, from the Hugging Face Hub or from a folder.

The space is read off the loaded model, never from its name: two folders with the same
weights, pooling, prompts and length are one space. Reimers and Gurevych 2019.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
from v2t_bench import hookimpl
from v2t_bench.contracts import (
    Blindness,
    BuildContext,
    Embedder,
    Recipe,
    Role,
    Similarity,
    Space,
    Vectors,
)
from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact

BATCH_SIZE = 64
"""Within 5 % of the fastest of 32, 64 and 128 for 32-token texts on CPU (all-MiniLM-L6-v2)."""

NO_LIMIT = 1_000_000
"""Tokens read by a model that cuts nothing, such as a table of static vectors."""

# Weights and what explains them; no other framework's copy of the weights.
WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]

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


@dataclass(frozen=True, kw_only=True)
class SentenceTransformerEmbedder:
    """Vectors of one sentence-transformers model, with the prompts that it declares.

    Args:
        folder: Where the model lies; loaded on first use.
        device: As torch spells it.
        batch_size: Texts a step; changes speed, not results.
        trusted: Whether code that comes with the model may run.
    """

    folder: Path
    device: str = "cpu"
    batch_size: int = BATCH_SIZE
    trusted: bool = False

    @cached_property
    def model(self) -> Any:
        """The sentence-transformers model, in float32 whatever it was stored in."""
        return load(self.folder, device=self.device, trusted=self.trusted)

    @cached_property
    def space(self) -> Space:
        """Where the vectors live."""
        return space_of(self.model, weights=f"sha256:{weights_sha256(self.folder)}")

    @property
    def dim(self) -> int:
        """``d``, the length of a vector."""
        return int(self.model.get_embedding_dimension())

    @property
    def special_tokens(self) -> int:
        """Tokens the tokenizer adds to every text; none where there is no transformer."""
        if self.model.transformers_model is None:
            return 0
        return int(self.model.tokenizer.num_special_tokens_to_add())

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors of ``texts``, (n, d), cut by the model itself at its limit."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        model = self.model
        encode = model.encode_query if role == "query" else model.encode_document
        vectors = encode(list(texts), batch_size=self.batch_size, show_progress_bar=False)
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def token_spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the (start, end) characters of each text's tokens, uncut."""
        encodings = self._span_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.offsets for encoding in encodings]

    @cached_property
    def _span_tokenizer(self) -> Any:
        """A copy of the tokenizer that neither cuts nor pads; the model keeps its own."""
        from tokenizers import Tokenizer

        tokenizer = self.model.tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not isinstance(backend, Tokenizer):
            raise BadInput(
                f"{self.folder.name}: {type(tokenizer).__name__} does not say which characters a "
                "token covers; expected a fast tokenizer (tokenizer.json) in the model folder"
            )
        copy = Tokenizer.from_str(backend.to_str())
        copy.no_truncation()
        copy.no_padding()
        return copy


def sentence_transformer(
    model: str, *, context: BuildContext, revision: str | None = None
) -> SentenceTransformerEmbedder:
    """Any sentence-transformers model: a Hub id or a folder.

    Args:
        model: A folder, or what the Hub calls the model.
        context: Device, batch size, and which models may bring their own code.
        revision: Commit, tag or branch of the Hub.

    Raises:
        BadInput: there is no such model here, or it cannot be used.
        CorruptArtifact: a file of it is damaged.
    """
    trusted = model in context.trust_remote_code
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _from_hub(model, revision, offline=context.offline, trusted=trusted)
    elif revision is not None:
        raise BadParameter(f"st: {model} is a folder and has no revision; leave @{revision} out")
    embedder = SentenceTransformerEmbedder(
        folder=folder,
        device=context.device,
        batch_size=context.batch_size or BATCH_SIZE,
        trusted=trusted,
    )
    embedder.space  # noqa: B018  loads now, so that what is wrong is said before the work starts
    return embedder


def _from_hub(model: str, revision: str | None, *, offline: bool, trusted: bool) -> Path:
    """Return the folder of the Hub's copy, fetched unless ``offline``."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    wanted = WANTED_FILES + (["*.py"] if trusted else [])
    name = f"{model}@{revision}" if revision else model
    try:
        return Path(
            snapshot_download(
                model, revision=revision, local_files_only=offline, allow_patterns=wanted
            )
        )
    except HFValidationError as error:
        raise BadInput(f"st: there is no folder {model!r}, and it is no Hub id") from error
    except LocalEntryNotFoundError as error:
        raise BadInput(
            f"st: there is no folder {model!r}, and the Hub's {name} is neither on this machine "
            "nor within reach; give a folder, or run once online without --offline"
        ) from error
    # Unknown repository or revision, refused access, a full disk: all are one of these.
    except (OSError, ValueError) as error:
        raise BadInput(f"st: {name} could not be fetched: {_one_line(error)}") from error


def load(folder: Path, *, device: str, trusted: bool = False) -> Any:
    """Return the sentence-transformers model in ``folder``.

    Raises:
        BadInput: it is not a model that can be used.
        CorruptArtifact: its weights are damaged.
    """
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=trusted,
            local_files_only=True,
            # Half precision makes a vector depend on its neighbours in the batch.
            model_kwargs={"dtype": "float32", "use_safetensors": True},
        )
    except SafetensorError as error:
        raise CorruptArtifact(
            f"the weights of {folder.name} are damaged ({_one_line(error)}); fetch the model again"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if "trust_remote_code" in str(error):
            raise BadInput(
                f"{folder.name} brings code of its own; read it, then name the model with "
                "--trust-remote-code"
            ) from error
        raise BadInput(
            f"{folder.name} cannot be loaded as a sentence-transformers model: {_one_line(error)}; "
            "check its files, or fetch it again"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


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
    # An alias that every version has: the classes themselves have moved.
    from sentence_transformers.models import (  # type: ignore[import-not-found]
        Normalize,
        Pooling,
    )

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
        blind_to=_blind_to(model),
    )


def _pooling(module: Any) -> str:
    mode = module.pooling_mode
    name = mode if isinstance(mode, str) else "+".join(mode)
    return name if module.include_prompt else f"{name} without prompt"


def _described(module: Any) -> str:
    settings = json.dumps(module.get_config_dict(), sort_keys=True, default=str)
    return f"{type(module).__name__}{settings}"


def _prompt(model: Any, *names: str) -> str:
    """Return the prompt that sentence-transformers takes: the first of ``names`` it knows."""
    known = [model.prompts[name] for name in names if name in model.prompts]
    return known[0] or "" if known else ""


def _blind_to(model: Any) -> tuple[Blindness, ...]:
    """Return what the tokenizer cannot see: probes with and without it are the same tokens."""
    unknown = getattr(model.tokenizer, "unk_token_id", None)

    def read(text: str) -> list[int]:
        ids: list[int] = model.preprocess([text])["input_ids"].flatten().tolist()
        return ids

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


@hookimpl
def v2t_embedders() -> Iterator[Recipe[Embedder]]:
    """Offer every sentence-transformers model."""
    yield Recipe(
        name="st",
        build=sentence_transformer,
        revision=True,
        source="Reimers and Gurevych 2019, Sentence-BERT",
    )
