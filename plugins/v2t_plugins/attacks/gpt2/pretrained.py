"""A causal language model of the Hub or in a folder, with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from v2t_bench.contracts import BuildContext
from v2t_bench.errors import BadInput, CorruptArtifact
from v2t_plugins.attacks.lesson_texts import name_folder
from v2t_plugins.hub import MODEL_FILES, locate
from v2t_plugins.one_line import one_line

PICKLED = "pytorch_model*.bin"
# One of them is there wherever there is a tokenizer.
_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
# What transformers calls the networks that read from left to right and say what comes next.
_CAUSAL = ("CausalLM", "LMHeadModel")


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A language model to train on.

    Args:
        lm: In float32, on the processor.
        tokenizer: With an end and a padding token, which may be the same.
        name: ``<name>@<12 hex of its content>``.
    """

    lm: Any
    tokenizer: PreTrainedTokenizerBase
    name: str

    @property
    def positions(self) -> int | None:
        """Return how many words it can read at most, or None where that is not known."""
        known = getattr(self.lm.config, "max_position_embeddings", None)
        return known if isinstance(known, int) and known > 1 else None


def load_pretrained(lm: str, context: BuildContext) -> Pretrained:
    """Return the language model in the folder ``lm``, or of that name on the Hub.

    Raises:
        BadInput: there is none, it is not causal, it has no tokenizer or no end token, or its
            weights are pickled and that is not allowed.
        CorruptArtifact: a file is damaged, or a tensor is missing.
    """
    wanted = (*MODEL_FILES, PICKLED) if context.allow_bin else MODEL_FILES
    folder = locate(lm, who="gpt2", offline=context.offline, wanted=wanted)
    name = folder.resolve().name if Path(lm).expanduser().is_dir() else lm
    _check_config(folder, name)
    tokenizer = _load_tokenizer(folder, name)
    model = _load_weights(folder, name, allow_bin=context.allow_bin)
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise BadInput(
            f"gpt2: the tokenizer of {name} knows {len(tokenizer)} subwords, and its network "
            f"{known}; they do not belong together"
        )
    return Pretrained(lm=model, tokenizer=tokenizer, name=name_folder(folder, name))


def _check_config(folder: Path, name: str) -> None:
    """Refuse what is no causal language model."""
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"gpt2: {name} holds no config.json; expected a causal language model as "
            "save_pretrained writes it"
        )
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # a damaged configuration makes transformers raise anything
        raise CorruptArtifact(
            f"gpt2: config.json of {name} cannot be read ({one_line(error)})"
        ) from error
    named = [str(each) for each in config.architectures or ()]
    causal = not named or any(each.endswith(_CAUSAL) for each in named)
    if config.is_encoder_decoder or not causal:
        what = named[0] if named else config.model_type
        raise BadInput(
            f"gpt2: {name} is a {what}; expected a causal language model, such as gpt2 or "
            "microsoft/DialoGPT-medium"
        )


def _load_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    # Of a folder without one, transformers would make a tokenizer that knows nothing.
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise BadInput(
            f"gpt2: {name} is a causal language model without a tokenizer; put its tokenizer.json "
            "beside the weights (tokenizer.save_pretrained(folder))"
        )
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception on bad JSON
        raise CorruptArtifact(
            f"gpt2: the tokenizer of {name} cannot be read ({one_line(error)})"
        ) from error
    for told in ("is_local", "local_files_only"):
        # Where it was read is no part of it, and would be stored with it.
        tokenizer.init_kwargs.pop(told, None)
    if tokenizer.eos_token_id is None:
        raise BadInput(f"gpt2: the tokenizer of {name} has no end token, so no text could end")
    if tokenizer.pad_token_id is None:
        # GPT-2 has none; nothing is learned of what stands behind a text.
        tokenizer.pad_token = tokenizer.eos_token
    ready: PreTrainedTokenizerBase = tokenizer
    return ready


def _load_weights(folder: Path, name: str, *, allow_bin: bool) -> Any:
    safe, pickled = any(folder.glob("*.safetensors")), any(folder.glob(PICKLED))
    if not safe and not (pickled and allow_bin):
        hint = (
            "holds its weights only as a pickle; convert them to safetensors, or give --allow-bin "
            "to read tensors, and nothing else, from it"
            if pickled
            else "holds no weights here; expected model.safetensors (of weights that are pickled, "
            "nothing is read without --allow-bin)"
        )
        raise BadInput(f"gpt2: {name} {hint}")
    try:
        # Fresh weights that are overwritten are drawn; the caller's randomness stays as it was.
        with torch.random.fork_rng(devices=[]):
            load: Any = AutoModelForCausalLM.from_pretrained
            model, told = load(
                str(folder),
                local_files_only=True,
                use_safetensors=safe,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # damaged weights make safetensors and torch raise anything
        raise CorruptArtifact(f"gpt2: {name} cannot be loaded ({one_line(error)})") from error
    missing = sorted(told["missing_keys"])
    if missing:
        raise CorruptArtifact(
            f"gpt2: the weights of {name} lack {missing[0]}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}"
        )
    return model
