"""Find a model: a folder, or the Hugging Face Hub's copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from v2t_bench.errors import BadInput, BadParameter
from v2t_plugins.one_line import one_line

# What explains the weights: configuration and tokenizer.
DESCRIPTION_FILES = ("*.json", "*.txt", "*.model")
# Weights and what explains them; no other framework's copy of the weights, and never a pickle.
MODEL_FILES = (*DESCRIPTION_FILES, "*.safetensors")
CODE_FILES = ("*.py",)


def locate(
    model: str,
    *,
    who: str,
    revision: str | None = None,
    offline: bool,
    wanted: Sequence[str] = MODEL_FILES,
) -> Path:
    """Return the folder ``model``, or that of the Hub's copy, fetched unless ``offline``.

    Args:
        model: A folder, or what the Hub calls the model.
        who: The component that asks; errors begin with it.
        revision: Commit, tag or branch of the Hub.
        offline: Whether nothing may be fetched.
        wanted: Patterns of the files that are fetched.

    Raises:
        BadInput: there is no such model here, or it cannot be fetched.
        BadParameter: a folder was given a revision.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return _from_hub(model, who=who, revision=revision, offline=offline, wanted=wanted)
    if revision is not None:
        raise BadParameter(f"{who}: {model} is a folder and has no revision; leave @{revision} out")
    return folder


def _from_hub(
    model: str, *, who: str, revision: str | None, offline: bool, wanted: Sequence[str]
) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    name = f"{model}@{revision}" if revision else model
    try:
        return Path(
            snapshot_download(
                model, revision=revision, local_files_only=offline, allow_patterns=list(wanted)
            )
        )
    except HFValidationError as error:
        raise BadInput(f"{who}: there is no folder {model!r}, and it is no Hub id") from error
    except LocalEntryNotFoundError as error:
        raise BadInput(
            f"{who}: there is no folder {model!r}, and the Hub's {name} is neither on this machine "
            "nor within reach; give a folder, or run once online, without --offline "
            "and HF_HUB_OFFLINE"
        ) from error
    # Unknown repository or revision, refused access, a full disk: all are one of these.
    except (OSError, ValueError) as error:
        raise BadInput(f"{who}: {name} could not be fetched: {one_line(error)}") from error
