"""Small checkpoints, written by the reference itself."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from parity.reference import (
    Reference,
    Shape,
    build_models,
    import_reference,
    quiet,
    train_briefly,
    write_parts,
)
from v2t_plugins.attacks.vec2text.networks import Networks
from v2t_plugins.attacks.vec2text.pairs import Pair
from v2t_plugins.attacks.vec2text.published import Source, load_pair
from v2t_plugins.seeds import seeded

LONGEST = 16


@pytest.fixture(scope="session")
def vec2text() -> Any:
    """The reference implementation; where all checks are run it must be there."""
    if importlib.util.find_spec("vec2text") is None and not os.environ.get("CI"):
        pytest.skip("needs vec2text: pip install -c constraints.txt -e '.[test,parity]'")
    return import_reference()


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """64 short sentences."""
    who = ("Ann", "Bob", "the old baker", "a nurse from Rome")
    does = ("sells", "paints")
    what = ("a red door", "two maps", "the morning news", "blue glass")
    when = ("on Monday.", "before dawn.")
    return [" ".join(words) for words in product(who, does, what, when)]


@dataclass(frozen=True)
class Saved:
    """A pair of checkpoints on disk, and the models that were saved."""

    folder: Path
    reference: Reference
    sentences: list[str]

    def vectors(self, dtype: torch.dtype) -> Tensor:
        """Return the vectors of the 64 sentences as the reference embeds them, (64, 768)."""
        self.reference.inverter.to(dtype)
        self.reference.corrector.to(dtype)
        # The seam between an attack and the host is float32.
        return self.reference.embed(self.sentences).float().to(dtype)

    def load(self, dtype: torch.dtype = torch.float32) -> Networks:
        """Return our networks, as parity asks for them."""
        pair = Pair(base=str(self.folder / "base"), corrector=str(self.folder / "corrector"))
        source = Source(offline=True, allow_bin=False)
        return load_pair(pair, source, device="cpu", dtype=dtype, parity=True)


@pytest.fixture(scope="session", params=["random", "trained"])
def saved(
    request: pytest.FixtureRequest,
    vec2text: Any,
    sentences: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Saved:
    """A pair in random state, and one trained for a moment; saved by the reference."""
    folder = tmp_path_factory.mktemp(request.param)
    trained = request.param == "trained"
    with seeded("parity", request.param), quiet(folder):
        shape = Shape(max_seq_length=LONGEST, vocabulary=400)
        settings = write_parts(folder, sentences, shape)
        models = build_models(vec2text, settings, scale=1.0 if trained else 6.0)
        reference = Reference(vec2text, *models)
        if trained:
            train_briefly(reference, sentences, base_steps=150, corrector_steps=100)
        reference.inverter.save_pretrained(folder / "base")
        reference.corrector.save_pretrained(folder / "corrector")
    return Saved(folder, reference, sentences)
