"""The subwords a decoder writes: a tokenizer of our own that can spell any string."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact

_SPECIAL = ["<pad>", "</s>", "<unk>"]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def train_tokenizer(
    texts: Sequence[str], *, vocabulary_size: int = 8000, n_read: int = 60_000
) -> PreTrainedTokenizerFast:
    """Return a cased subword tokenizer learned from the first ``n_read`` texts.

    ``<pad>`` is 0, ``</s>`` 1 and ``<unk>`` 2; the 256 bytes follow, so that a character
    never met can be spelled. Small texts give fewer pieces than ``vocabulary_size``.
    Byte pairs, not unigrams: the unigram trainer of the tokenizers library orders its
    vocabulary by chance, and took 12 times as long.

    Raises:
        BadParameter: the size leaves no room for pieces besides the bytes.
        BadInput: the texts hold nothing to learn from.
    """
    room = vocabulary_size - len(_BYTES)
    if room < 2 * len(_SPECIAL):
        raise BadParameter(f"vocabulary_size must be at least {len(_BYTES) + 2 * len(_SPECIAL)}")
    read = [text for text in texts[:n_read] if text.strip()]
    if not read:
        raise BadInput("there is no text to learn subwords from")
    learner = Tokenizer(models.BPE())
    alphabet = _alphabet(read, room // 8)
    learner.pre_tokenizer = _splitter()
    learner.train_from_iterator(
        ("".join(c if c in alphabet else " " for c in text) for text in read),
        trainers.BpeTrainer(vocab_size=room, special_tokens=_SPECIAL, show_progress=False),
    )
    learned = json.loads(learner.to_str())["model"]
    names = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    pieces = [*names[: len(_SPECIAL)], *_BYTES, *names[len(_SPECIAL) :]]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: index for index, name in enumerate(pieces)},
            merges=[(left, right) for left, right in learned["merges"]],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    build: Any = PreTrainedTokenizerFast
    ready: PreTrainedTokenizerFast = build(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
    return ready


def _alphabet(texts: Sequence[str], most: int) -> frozenset[str]:
    """Return the commonest characters; the trainer's own limit breaks ties by chance."""
    counts = Counter(chain.from_iterable(texts))
    return frozenset(sorted(counts, key=lambda c: (-counts[c], c))[:most])


def _splitter() -> pre_tokenizers.PreTokenizer:
    # "ruble," would otherwise become a piece of its own beside "ruble".
    return pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])


def load_tokenizer(name_or_folder: str | Path) -> PreTrainedTokenizerBase:
    """Return a tokenizer stored in a folder, or known to the Hub by name.

    Raises:
        BadParameter: there is none, or it has no padding or no end token.
    """
    folder = Path(name_or_folder)
    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(str(folder))
            for told in ("is_local", "local_files_only"):
                # Where it was read is no part of it, and would be stored with it.
                tokenizer.init_kwargs.pop(told, None)
        else:
            tokenizer = AutoTokenizer.from_pretrained(str(name_or_folder))
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise BadParameter(f"no tokenizer can be loaded from {name_or_folder}: {first}") from error
    if tokenizer.pad_token_id is None or tokenizer.eos_token_id is None:
        raise BadParameter(
            f"the tokenizer {name_or_folder} lacks a padding or an end token; "
            "use one of the T5 family, or none to train one"
        )
    ready: PreTrainedTokenizerBase = tokenizer
    return ready


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a trained attack.

    Raises:
        CorruptArtifact: its file is missing or damaged.
    """
    try:
        return load_tokenizer(_existing(folder / "tokenizer.json").parent)
    except Exception as error:  # the tokenizers library raises bare Exception on bad JSON
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptArtifact(f"{folder / 'tokenizer.json'} cannot be read ({reason})") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise CorruptArtifact("the file is missing")
    return path


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the tokenizer as JSON into ``folder``."""
    tokenizer.save_pretrained(str(folder))


def piece_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return what each subword looks like as a string, ``.`` where nothing can be seen."""
    names: Any = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return [str(name).replace("\u2581", " ").strip() or "." for name in names]
