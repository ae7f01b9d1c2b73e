"""Where a model lies: a folder of the user's, or the Hub's copy, fetched where that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from v2t_bench.errors import BadInput, BadParameter


def model_folder(
    name: str,
    *,
    wanted: Sequence[str],
    who: str,
    revision: str | None = None,
    offline: bool = False,
) -> Path:
    """Return the folder called ``name``, or that of the Hub's copy, fetched unless ``offline``.

    Args:
        name: A folder, or what the Hub calls the model.
        wanted: Patterns of the files that are fetched.
        who: Named in errors.
        revision: Commit, tag or branch of the Hub.
        offline: Whether nothing may be fetched.

    Raises:
        BadInput: there is neither.
        BadParameter: a revision is given for a folder.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise BadParameter(
                f"{who}: {name} is a folder and has no revision; leave @{revision} out"
            )
        return folder
    return _from_hub(name, revision, wanted=wanted, who=who, offline=offline)


def _from_hub(
    name: str, revision: str | None, *, wanted: Sequence[str], who: str, offline: bool
) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    shown = f"{name}@{revision}" if revision else name
    try:
        return Path(
            snapshot_download(
                name, revision=revision, local_files_only=offline, allow_patterns=list(wanted)
            )
        )
    except HFValidationError as error:
        raise BadInput(f"{who}: there is no folder {name!r}, and it is no Hub id") from error
    except LocalEntryNotFoundError as error:
        raise BadInput(
            f"{who}: there is no folder {name!r}, and the Hub's {shown} is neither on this machine "
            "nor within reach; give a folder, or run once online without --offline"
        ) from error
    # Unknown repository or revision, refused access, a full disk: all are one of these.
    except (OSError, ValueError) as error:
        raise BadInput(f"{who}: {shown} could not be fetched: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
