"""The checkpoints at hand, the user's own and those that packages carry, and which one is used."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from v2t_bench.checkpoints import Against, fitting, one_of, place, read_record, shelf
from v2t_bench.contracts import Checkpoint, Space
from v2t_bench.errors import BadInput, CorruptArtifact, UnknownComponent
from v2t_bench.registry import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """The checkpoint to use, or None where none fits, and what the user should be told of it."""

    checkpoint: Checkpoint | None = None
    notice: str = ""


class Shelves:
    """Finds checkpoints by name or by what they fit.

    Only records were read; files are compared with their hashes when a checkpoint is chosen,
    once each.

    Args:
        own: Trained by the user.
        packaged: Carried by installed packages.
    """

    def __init__(self, own: Iterable[Checkpoint] = (), packaged: Iterable[Checkpoint] = ()) -> None:
        self.own = tuple(own)
        self.packaged = tuple(packaged)
        self._checked: dict[Path, CorruptArtifact | None] = {}

    @classmethod
    def open(cls, folders: Sequence[Path], registry: Registry) -> Shelves:
        """Return what lies in the subfolders of ``folders`` and what packages carry."""
        own = [checkpoint for folder in folders for checkpoint in shelf(folder)]
        return cls(own, registry.checkpoints)

    def choose(
        self,
        attack: str,
        space: Space,
        max_tokens: int,
        taught: Mapping[str, str] | None = None,
        against: Against | None = None,
    ) -> Choice:
        """Return the checkpoint for clean vectors of that space and length.

        ``taught`` holds the parameters that training decides. With ``against``, the one that
        was trained on vectors released under that defense.

        The user's own comes before one that a package carries, and the notice says so. Own
        ones that are damaged are left out with a warning.

        Raises:
            BadInput: several of the user's own fit, or none of those and several packaged.
            CorruptArtifact: the packaged one that fits is damaged.
        """
        own, packaged = (
            fitting(
                known,
                attack=attack,
                space=space,
                max_tokens=max_tokens,
                taught=taught,
                against=against,
            )
            for known in (self.own, self.packaged)
        )
        found = one_of([checkpoint for checkpoint in own if self._is_intact(checkpoint)], attack)
        if found is not None:
            passed_over = [other for other in packaged if other.identity != found.identity]
            return Choice(found, _preferred(found, passed_over) if passed_over else "")
        found = one_of(packaged, attack)
        if found is None:
            return Choice()
        self.check(found)
        return Choice(found, f"{attack} uses {found.identity} of {found.distribution}")

    def choose_demo(
        self,
        attack: str,
        space: Space,
        max_tokens: int,
        texts_sha256: str,
        taught: Mapping[str, str] | None = None,
    ) -> Choice:
        """Return the packaged checkpoint for the demo corpora, trained on their present texts.

        One whose record says that it learned other texts is left out; the notice warns of it.

        Raises:
            BadInput: several fit.
            CorruptArtifact: the one that fits is damaged.
        """
        candidates = fitting(
            self.packaged,
            attack=attack,
            space=space,
            max_tokens=max_tokens,
            demo=True,
            taught=taught,
        )
        current = [c for c in candidates if c.texts_sha256 in ("", texts_sha256)]
        found = one_of(current, attack)
        if found is not None:
            self.check(found)
            return Choice(found, f"{attack} uses {found.identity} of {found.distribution}")
        if not candidates:
            return Choice()
        outdated = ", ".join(place(candidate) for candidate in candidates)
        return Choice(
            None,
            f"warning: {outdated} was trained on other demo texts than this version generates, "
            f"so {attack} is trained on the spot; install versions that belong together",
        )

    def named(self, name: str, attack: str) -> Checkpoint:
        """Return the packaged checkpoint of that name.

        Raises:
            UnknownComponent: no package carries it; those that are carried are listed.
            BadInput: several packages do.
            CorruptArtifact: it is damaged.
        """
        found = [checkpoint for checkpoint in self.packaged if checkpoint.name == name]
        found = [checkpoint for checkpoint in found if checkpoint.attack == attack] or found
        if not found:
            known = sorted({checkpoint.name for checkpoint in self.packaged})
            near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise UnknownComponent(
                f"no checkpoint is called {name!r}, and there is no such folder{hint} (carried by "
                f"installed packages: {', '.join(known) or 'none'}); {attack}:checkpoint= takes "
                "one of these or a folder written by v2t-bench train"
            )
        if len({checkpoint.identity for checkpoint in found}) > 1:
            carriers = ", ".join(checkpoint.distribution for checkpoint in found)
            raise BadInput(
                f"several packages carry a checkpoint called {name!r} ({carriers}); name its "
                f"folder ({', '.join(str(checkpoint.folder) for checkpoint in found)})"
            )
        self.check(found[0])
        return found[0]

    def of_other_lengths(
        self, attack: str, space: Space, taught: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return, in words, what there is for clean vectors of that space, whatever its length."""
        return [
            f"{place(checkpoint)} serves {checkpoint.lengths} tokens"
            for checkpoint in (*self.own, *self.packaged)
            if fitting(
                [checkpoint],
                attack=attack,
                space=space,
                max_tokens=checkpoint.max_tokens,
                taught=taught,
            )
        ]

    def check(self, checkpoint: Checkpoint) -> None:
        """Compare the files of a checkpoint with their hashes, once.

        Raises:
            CorruptArtifact: it is damaged or gone; of a packaged one the package is named.
        """
        folder = checkpoint.folder
        if folder not in self._checked:
            try:
                read_record(folder)
                self._checked[folder] = None
            except (BadInput, CorruptArtifact) as error:
                who = f"checkpoint {place(checkpoint)}: " if checkpoint.distribution else ""
                self._checked[folder] = CorruptArtifact(f"{who}{error}")
        problem = self._checked[folder]
        if problem is not None:
            raise problem

    def _is_intact(self, checkpoint: Checkpoint) -> bool:
        told = checkpoint.folder in self._checked
        try:
            self.check(checkpoint)
        except CorruptArtifact as error:
            if not told:
                log.warning("%s; left out", error)
            return False
        return True


def _preferred(found: Checkpoint, passed_over: Sequence[Checkpoint]) -> str:
    others = " and ".join(place(other) for other in passed_over)
    return (
        f"{found.attack} uses your own checkpoint {found.folder}, not {others}; to use that, "
        f"say {found.attack}:checkpoint={passed_over[0].name}"
    )
