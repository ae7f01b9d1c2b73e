"""The T5 and the tokenizer that a published checkpoint is built on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, T5Config

from v2t_bench.errors import BadInput, BadParameter, CorruptArtifact
from v2t_plugins.one_line import one_line
from v2t_plugins.subwords import load_tokenizer


def t5_of(settings: Mapping[str, Any], folder: Path, *, offline: bool) -> T5Config:
    """Return the configuration of the T5 that the checkpoint in ``folder`` is built on.

    Raises:
        BadInput: it cannot be had, or is none that these networks can be built on.
        CorruptArtifact: it is damaged.
    """
    name = str(settings["model_name_or_path"])
    try:
        config = AutoConfig.from_pretrained(name, local_files_only=offline)
    except OSError as error:
        raise BadInput(
            f"{folder.name} is built on {name!r}, whose config.json cannot be had or read "
            f"({one_line(error)}); run once online, or make model_name_or_path in the "
            "checkpoint's config.json a folder"
        ) from error
    except Exception as error:  # a damaged configuration makes transformers raise anything
        raise CorruptArtifact(
            f"{folder.name} is built on {name!r}, whose config.json is damaged "
            f"({one_line(error)}); fetch it again"
        ) from error
    if not isinstance(config, T5Config):
        raise BadInput(
            f"{folder.name} is built on {name!r}, a {config.model_type}; only T5 can be read"
        )
    for what, value in (("pad", config.pad_token_id), ("eos", config.eos_token_id)):
        if type(value) is not int or not 0 <= value < config.vocab_size:
            raise BadInput(
                f"{folder.name} is built on {name!r}, whose {what}_token_id is {value!r}; expected "
                f"one of its {config.vocab_size} subwords"
            )
    if config.decoder_start_token_id not in (None, config.pad_token_id):
        raise BadInput(
            f"{folder.name} is built on {name!r}, whose texts begin with subword "
            f"{config.decoder_start_token_id}; expected the padding, as every T5's do"
        )
    return config


def tokenizer_of(settings: Mapping[str, Any], folder: Path, t5: T5Config) -> Any:
    """Return the tokenizer in ``folder``, or that of its T5.

    Raises:
        BadInput: there is none, or it knows more subwords than the T5.
        CorruptArtifact: it is damaged.
    """
    name = folder if (folder / "tokenizer.json").is_file() else settings["model_name_or_path"]
    try:
        tokenizer = load_tokenizer(name)
    except BadParameter as error:
        raise BadInput(f"vec2text {folder.name}: {error}") from error
    except Exception as error:  # so does a damaged tokenizer
        raise CorruptArtifact(
            f"the tokenizer {name} is damaged ({one_line(error)}); fetch it again"
        ) from error
    if len(tokenizer) > t5.vocab_size:
        raise BadInput(
            f"the tokenizer {name} knows {len(tokenizer)} subwords, and the T5 of {folder.name} "
            f"{t5.vocab_size}; they do not belong together"
        )
    return tokenizer
