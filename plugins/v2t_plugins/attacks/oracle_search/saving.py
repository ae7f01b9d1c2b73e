"""What the search has learned, and how it lies in the folder of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2t_bench.contracts import Space, Vectors
from v2t_bench.errors import CorruptArtifact
from v2t_plugins.attacks.oracle_search.effects import Effects
from v2t_plugins.attacks.oracle_search.kneser_ney import KneserNey
from v2t_plugins.attacks.oracle_search.lexicon import Lexicon
from v2t_plugins.attacks.oracle_search.ridge import CHUNK, Ridge
from v2t_plugins.attacks.text_store import read_texts, write_texts
from v2t_plugins.attacks.trained import unit_length

WORDS, TEXTS = "words.json", "texts.jsonl.zst"
ORDER, RIDGE, VECTORS = "order.safetensors", "ridge.safetensors", "vectors.safetensors"
EFFECTS = "effects.safetensors"


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Everything the search knows beside a vector.

    Args:
        said: The words it can say, by number, (v,).
        order: How likely a word is after two others.
        ridge: Which words a vector speaks of.
        effects: Where words take a text.
        texts: Public texts, (n,).
        vectors: Of ``texts``, (n, d), float16.
        most_words: The most words a training text has.
    """

    said: Sequence[str]
    order: KneserNey
    ridge: Ridge
    effects: Effects
    texts: Sequence[str]
    vectors: NDArray[np.float16]
    most_words: int

    def lexicon(self, space: Space) -> Lexicon:
        """Return the words as the embedder sees them."""
        return Lexicon(self.said, space)

    def save(self, folder: Path) -> None:
        """Write what `load` reads into ``folder``."""
        from safetensors.numpy import save_file

        from v2t_plugins.networks import write_json

        write_json(folder / WORDS, {"most_words": self.most_words, "words": list(self.said)})
        save_file(self.order.arrays(), folder / ORDER)
        save_file(self.ridge.arrays(), folder / RIDGE)
        save_file(self.effects.arrays(), folder / EFFECTS)
        save_file({"vectors": self.vectors}, folder / VECTORS)
        write_texts(self.texts, folder / TEXTS)

    @classmethod
    def load(cls, folder: Path) -> Learned:
        """Return what lies in ``folder``.

        Raises:
            CorruptArtifact: a file is missing or damaged, or does not fit the others.
        """
        from v2t_plugins.networks import read_json

        settings = read_json(folder / WORDS)
        try:
            said = [str(word) for word in settings["words"]]
            most_words = int(settings["most_words"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifact(
                f"{folder / WORDS} lacks or misstates {error}; train again"
            ) from error
        order, ridge = _arrays(folder / ORDER), _arrays(folder / RIDGE)
        effects = _arrays(folder / EFFECTS)
        texts, vectors = read_texts(folder / TEXTS), _arrays(folder / VECTORS)
        try:
            learned = cls(
                said=said,
                order=KneserNey.from_arrays(order),
                ridge=Ridge.from_arrays(ridge),
                effects=Effects.from_arrays(effects),
                texts=texts,
                vectors=vectors["vectors"],  # type: ignore[arg-type]
                most_words=most_words,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifact(f"{folder} is damaged ({error}); train again") from error
        learned.check(folder)
        return learned

    def check(self, folder: Path) -> None:
        """Refuse parts that are not of one training.

        Raises:
            CorruptArtifact: they are not.
        """
        v, d = self.ridge.weight.shape
        if not (
            self.vectors.shape == (len(self.texts), d)
            and self.effects.directions.shape == (v, d)
            and self.texts
            and v == len(self.said) == self.order.unknown
        ):
            raise CorruptArtifact(f"the files of {folder} do not fit each other; train again")


def half(vectors: Vectors, rows: Sequence[int]) -> NDArray[np.float16]:
    """Return these rows of ``vectors``, (n, d), at length 1: only their direction is compared."""
    scaled = np.empty((len(rows), vectors.shape[1]), dtype=np.float16)
    for start in range(0, len(rows), CHUNK):
        scaled[start : start + CHUNK] = unit_length(vectors[rows[start : start + CHUNK]])
    return scaled


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise CorruptArtifact(f"{path} cannot be read ({error}); train again") from error
