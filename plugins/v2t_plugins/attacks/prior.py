"""A learned attack that is denied the vector: what its training text alone is worth.

It is given the mean training vector in place of every vector, so whatever it scores says
nothing about the vectors. Read each score of the attack against this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from v2t_bench import hookimpl
from v2t_bench.contracts import Attack, BuildContext, Recipe, Vectors
from v2t_bench.errors import CorruptArtifact, Skipped
from v2t_bench.spelling import Spelling
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.trained import answers_of_another, check_dim

MEAN = "mean.safetensors"


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The same attack, given the mean training vector.

    Args:
        attack: A learned attack, with its checkpoint.
        context: Builds it.
    """

    attack: Spelling
    context: BuildContext

    def invert(self, vectors: Vectors, oracle: Oracle) -> list[str]:
        """Return the attack's one guess for every row of ``vectors``, (n, d).

        Raises:
            Skipped: the attack learns nothing, or its checkpoint holds no mean vector.
        """
        if not len(vectors):
            return []
        mean = self._mean()
        check_dim(vectors, mean.shape[1], f"prior: {self.attack.name}")
        return answers_of_another(self.context, self.attack, mean, oracle) * len(vectors)

    def _mean(self) -> Vectors:
        """Return the mean training vector, (1, d)."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = self.attack.named.get("checkpoint")
        if folder is None:
            raise Skipped(f"{self.attack.name} has no checkpoint, so no mean training vector")
        path = Path(str(folder)).expanduser() / MEAN
        if not path.is_file():
            raise Skipped(f"the checkpoint of {self.attack.name} holds no mean training vector")
        try:
            mean: Vectors = load_file(path)["mean"]
        except (OSError, SafetensorError, KeyError) as error:
            raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
        if not np.isfinite(mean).all():
            raise CorruptArtifact(f"{path} holds NaN or infinity; train again")
        return mean.reshape(1, -1)


@hookimpl
def v2t_attacks() -> Iterator[Recipe[Attack]]:
    """Offer the floor of learned attacks."""
    yield Recipe(name="prior", build=Prior, source="this project")
