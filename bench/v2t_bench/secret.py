"""What an owner knows and no attacker is given, and the file it may come from."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from v2t_bench.errors import BadInput
from v2t_bench.streams import generators

if TYPE_CHECKING:
    from v2t_bench.contracts import Role, Vectors


@dataclass(frozen=True)
class Secret:
    """What the owner knows and no attacker is given; bound to a defense when it is built."""

    key: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, seed: int) -> Secret:
        """Return the secret of an experiment's seed."""
        return cls(hashlib.sha256(f"v2t-bench secret {seed}".encode()).digest())

    def for_part(self, index: int) -> Secret:
        """Return the secret of one part of a composition, unlike that of any other part."""
        return Secret(hashlib.sha256(self.key + f" part {index}".encode()).digest())

    def generator(self, *names: str) -> np.random.Generator:
        """Return a generator that depends on the secret and on exactly these names."""
        digest = self._digest(names).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))

    def generators(
        self, purpose: str, role: Role, ids: Sequence[str]
    ) -> Iterator[np.random.Generator]:
        """Yield ``generator(purpose, role, id)`` for each id, several times as fast.

        It is one object, set anew for each id: use it before asking for the next.
        """
        begun = self._digest((purpose, role))
        digests = []
        for name in ids:
            own = begun.copy()
            own.update(_framed(name))
            digests.append(own.digest())
        return generators(digests)

    def normal(self, shape: tuple[int, int], role: Role, ids: Sequence[str]) -> Vectors:
        """Return standard normal draws, (n, d): row i depends on role and ``ids[i]`` alone.

        So batching and order change nothing, and releasing an item twice leaks nothing more.
        """
        draws = np.empty(shape, dtype=np.float32)
        for row, generator in zip(draws, self.generators("normal", role, ids), strict=True):
            generator.standard_normal(out=row, dtype=np.float32)
        return draws

    def _digest(self, names: Sequence[str]) -> hashlib._Hash:
        digest = hashlib.sha256(self.key)
        for name in names:
            digest.update(_framed(name))
        return digest


def _framed(name: str) -> bytes:
    """Return a name with its length before it, so that borders between names cannot move."""
    encoded = name.encode()
    return len(encoded).to_bytes(8, "little") + encoded


@dataclass(frozen=True)
class KeyFile:
    """A file that holds a secret: 64 hexadecimal digits, as ``openssl rand -hex 32`` writes them.

    Nothing is read before it is asked for.
    """

    path: Path | str

    def __str__(self) -> str:
        """Return the path as it was spelled."""
        return str(self.path)

    @property
    def secret(self) -> Secret:
        """The secret in the file.

        Raises:
            BadInput: there is no such file, or it holds something else. What it holds is not
                told.
        """
        path = Path(self.path).expanduser()
        if _KEY.search(str(self.path)) is not None:
            # Whoever pastes a key in place of a path must not find it in a log.
            raise BadInput("key= looks like a key itself; name the file that holds it")
        try:
            # Devices and pipes may never end.
            if path.exists() and not path.is_file():
                raise BadInput(f"key file {path} is no regular file; {_EXPECTED}")
            with path.open(encoding="ascii") as stream:
                text = stream.read(_LONGEST).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise BadInput(f"key file {path} cannot be read ({reason}); {_EXPECTED}") from error
        if _KEY.fullmatch(text) is None:
            raise BadInput(f"key file {path} does not hold a key; {_EXPECTED}")
        return Secret(bytes.fromhex(text))

    @property
    def mark(self) -> str:
        """File name and 12 hex digits by which results tell keys apart and reveal none.

        Raises:
            BadInput: as `secret`.
        """
        digest = hmac.new(self.secret.key, b"v2t-bench key file", hashlib.sha256).hexdigest()
        return f"{Path(self.path).name}@{digest[:12]}"


_KEY = re.compile("[0-9a-fA-F]{64}")
# A key and a few blanks around it.
_LONGEST = 200
_EXPECTED = "expected 64 hexadecimal digits, as openssl rand -hex 32 > FILE writes them"
