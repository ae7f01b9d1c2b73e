"""Read the folder of one cell: the files it may hold, and the record in result.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from v2t_bench.canonical import hash_file
from v2t_bench.leaderboard.validation.problems import Tell, shown
from v2t_bench.leaderboard.validation.strict_json import NotANumber, read_object
from v2t_bench.results import SCHEMA_VERSION, Result, cell_id
from v2t_bench.samples import RETRIEVAL, SAMPLES, TRACES

RESULT, ERROR = "result.json", "error.json"
NEEDED = {"utility": RETRIEVAL, "leakage": SAMPLES}
ALLOWED = {"utility": {RETRIEVAL}, "leakage": {SAMPLES, TRACES}}

MOST_FILE_MB = 5
"""Of one table: 500 attacked texts take 0.2 MB, 7,000 queries 1 MB."""

RUN_AGAIN = "run the same grid again to make the cell anew"


def read_cell(folder: Path, tell: Tell) -> Result | None:
    """Return the record of a cell, or None where it cannot be looked into any further."""
    if folder.is_symlink():
        tell("symlink", "is a symbolic link; expected a folder; put the cell itself there")
        return None
    if folder.name.startswith(".") or not folder.is_dir():
        tell("stray", "is no finished cell; expected folders that a run finished; remove it, or "
             "run the same grid again")  # fmt: skip
        return None
    names = sorted(path.name for path in folder.iterdir())
    if ERROR in names:
        tell("failed", f"holds {ERROR}: the cell failed; run the same grid again, or remove it")
    if RESULT not in names:
        if ERROR not in names:
            tell("half-written", f"holds no {RESULT}, so it was only half written; {RUN_AGAIN}")
        return None
    _check_files(folder, names, tell)
    raw = _read_raw(folder / RESULT, tell)
    return None if raw is None else _parsed(raw, folder, tell)


def _check_files(folder: Path, names: list[str], tell: Tell) -> None:
    known = {RESULT, ERROR, *ALLOWED["utility"], *ALLOWED["leakage"]}
    for name in names:
        path = folder / name
        if path.is_symlink():
            tell("symlink", f"{shown(name)} is a symbolic link; expected a file; put the file "
                 "itself there")  # fmt: skip
        elif name not in known:
            tell("unknown-file", f"holds {shown(name)}, which no run writes; expected "
                 f"{', '.join(sorted(known - {ERROR}))}; remove it")  # fmt: skip
        elif path.is_file() and path.stat().st_size > MOST_FILE_MB * 1e6:
            tell("size", f"{name} takes {path.stat().st_size / 1e6:.1f} MB; expected at most "
                 f"{MOST_FILE_MB} MB a file; attack fewer texts, or leave --trace out")  # fmt: skip


def _read_raw(path: Path, tell: Tell) -> dict[str, Any] | None:
    if path.is_symlink():
        return None  # told already; nothing outside the folder is read
    try:
        return read_object(path)
    except NotANumber as error:
        tell("not-a-number", f"{RESULT} holds {error}; expected finite numbers, and null where "
             "there is none; compute the scores anew with v2t-bench score")  # fmt: skip
    except ValueError as error:
        tell("not-json", f"{RESULT} is not the JSON of a result ({_line(error)}); {RUN_AGAIN}")
    except OSError as error:
        tell("unreadable", f"{RESULT} cannot be read ({error.strerror or error}); {RUN_AGAIN}")
    return None


def _line(error: Exception) -> str:
    return shown(str(error).splitlines()[0] if str(error) else type(error).__name__)[1:-1]


def _parsed(raw: dict[str, Any], folder: Path, tell: Tell) -> Result | None:
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        tell("schema-version", f"{RESULT} has schema_version {shown(version)}; this version of "
             f"v2t-bench reads {SCHEMA_VERSION}; "
             + ("use a newer v2t-bench" if newer else RUN_AGAIN))  # fmt: skip
        return None
    try:
        result = Result.model_validate(raw, strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False)[:5]:
            where = ".".join(map(str, one["loc"]))
            tell("schema", f"{RESULT}: {shown(where)}: {one['msg']}; expected a result as "
                 f"v2t-bench run writes it; {RUN_AGAIN}")  # fmt: skip
        return None
    if result.cell_id != folder.name:
        tell("folder", f"holds the cell {shown(result.cell_id)}, so folders were renamed or "
             "swapped; expected the folder's name and cell_id to be equal; put each cell back "
             "into the folder named after it")  # fmt: skip
        return None
    made = cell_id(result.identity)
    if made != result.cell_id:
        tell("identity", f"its identity has the id {made}, so the identity was changed after the "
             f"run; {RUN_AGAIN}")  # fmt: skip
        return None
    return result


def check_hashes(result: Result, folder: Path, owners: dict[str, str], tell: Tell) -> bool:
    """Return whether the outputs are this cell's own; tell which files have another hash.

    Args:
        result: The record.
        folder: Of the cell.
        owners: Hash of a file to the cell whose record holds it.
        tell: Takes what is wrong.
    """
    needed, allowed = NEEDED[result.kind], ALLOWED[result.kind]
    own = True
    for name in sorted({*result.files, needed}):
        path = folder / name if name in allowed else None
        if path is None:
            tell("unknown-file", f"{RESULT} lists a file {shown(name)}; a {result.kind} cell has "
                 f"{' and '.join(sorted(allowed))}; {RUN_AGAIN}")  # fmt: skip
        elif path.is_symlink():
            own = False  # told already
        elif name not in result.files:
            tell("hash", f"{RESULT} has no hash of {name}; {RUN_AGAIN}")
        elif not path.is_file():
            own = False
            tell("half-written", f"{name} is missing, so the cell is only half there; {RUN_AGAIN}")
        else:
            own = _check_hash(result, path, owners, tell) and own
    present = {path.name for path in folder.iterdir()} & (ALLOWED["utility"] | ALLOWED["leakage"])
    for name in sorted(present - set(result.files) - {needed}):
        tell("unknown-file", f"holds {name}, of which {RESULT} has no hash; remove it")
    return own


def _check_hash(result: Result, path: Path, owners: dict[str, str], tell: Tell) -> bool:
    """Return whether a file can be looked into: not one that is another cell's."""
    try:
        digest = hash_file(path)
    except OSError as error:
        tell("unreadable", f"{path.name} cannot be read ({error.strerror or error}); {RUN_AGAIN}")
        return False
    owner = owners.get(digest)
    if digest == result.files[path.name]:
        return True
    if owner is not None and owner != result.cell_id:
        tell("swapped", f"{path.name} is that of the cell {owner}, so files were swapped; put "
             "each back beside its own result.json")  # fmt: skip
        return False
    tell("hash", f"{path.name} has sha256 {digest[:12]}... and {RESULT} says "
         f"{shown(result.files[path.name][:12])}, so it was changed after the run; "
         f"{RUN_AGAIN}")  # fmt: skip
    return True
