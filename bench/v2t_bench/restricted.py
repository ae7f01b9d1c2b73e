"""What is kept of a corpus of which nothing may outlive the run, and where the rest may lie."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from v2t_bench.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

KEY_FILE = "pseudonyms.key"
KEY_BYTES = 32
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600

WITHHELD = "its message may quote a restricted text, so it is not kept"


class Pseudonyms:
    """Stand for ids and hashes of texts, so that nobody can tell which they were.

    An HMAC-SHA256 under ``key``, 128 bits of it: who has the corpus too could look plain hashes
    up. Without a key of one's own a new one is drawn, and gone with the process.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(KEY_BYTES)

    def of(self, name: str) -> str:
        """Return what stands for ``name``."""
        return hmac.new(
            self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()[:32]

    def table(self, table: pa.Table) -> pa.Table:
        """Return a table of raw outputs in which no id or hash of a text is left."""
        import pyarrow as pa

        for name in ("id", "document", "text_sha256", "query"):
            if name in table.column_names:
                values = [self.of(value) for value in table.column(name).to_pylist()]
                table = _replaced(table, name, pa.array(values, pa.string()))
        if "found" in table.column_names:
            found = [[self.of(one) for one in row] for row in table.column("found").to_pylist()]
            table = _replaced(table, "found", pa.array(found, pa.list_(pa.string())))
        if "judgements" in table.column_names:
            graded = [json.loads(row) for row in table.column("judgements").to_pylist()]
            hidden = [
                json.dumps({self.of(document): grade for document, grade in row.items()})
                for row in graded
            ]
            table = _replaced(table, "judgements", pa.array(hidden, pa.string()))
        return table


class RestrictedFolder:
    """A folder of the user's own in which texts, vectors and guesses of restricted corpora may lie.

    Args:
        folder: Made with mode 0700 if it is not there.
        results: The results folder, which may be handed on.

    Raises:
        BadInput: it is no folder, others may read it, it is the results folder or one lies in the
            other, or its key is damaged.
    """

    def __init__(self, folder: Path, results: Path) -> None:
        own, shared = folder.absolute(), results.absolute()
        if own.is_relative_to(shared) or shared.is_relative_to(own):
            raise BadInput(
                f"restricted folder {folder} and results folder {results} lie in one another; "
                "expected two apart, as results may be handed on"
            )
        try:
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            mode = folder.stat().st_mode & 0o777
        except OSError as error:
            raise BadInput(
                f"restricted folder {folder} cannot be used ({error.strerror}); choose another"
            ) from error
        if mode & 0o077:
            raise BadInput(
                f"restricted folder {folder} has mode {mode:04o}, so others may read it; "
                f"expected 0700 (chmod 700 {folder})"
            )
        self.folder = folder
        self._key = self._read_key()

    @property
    def vectors(self) -> Path:
        """Where vectors are cached."""
        return self.folder / "vectors"

    def pseudonyms(self) -> Pseudonyms:
        """Return those whose key lies in the folder, the same in a run that is resumed."""
        return Pseudonyms(self._key)

    def _read_key(self) -> bytes:
        path = self.folder / KEY_FILE
        if not path.exists():
            # Under another name first: a kill leaves no half of a key.
            begun = path.with_name(f".{KEY_FILE}.partial")
            begun.touch(mode=PRIVATE_FILE)
            begun.write_bytes(secrets.token_bytes(KEY_BYTES))
            begun.replace(path)
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise BadInput(f"{path} holds {len(key)} bytes; expected {KEY_BYTES}, or no such file")
        return key

    def write(self, cell_id: str, file: str, table: pa.Table) -> None:
        """Store a table of raw outputs, texts and all."""
        import pyarrow.parquet as pq

        folder = self.folder
        for part in ("cells", cell_id):
            folder /= part  # one by one: the mode is not given to parents
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        path = folder / file
        path.touch(mode=PRIVATE_FILE)
        pq.write_table(table, path)


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
