"""What defenses with a key share."""

from __future__ import annotations

from v2t_bench.contracts import Defense, KeyFile, Similarity


class Keyed(Defense):
    """Both sides are changed by one secret: of a key file, or else of the experiment's seed."""

    # A field of each subclass, behind those that are spelled without a name.
    key: KeyFile | None

    keyed = True
    on = "both"
    similarity: Similarity | None = None

    @property
    def stochastic(self) -> bool:
        """Whether the seed decides what is released."""
        return self.key is None
