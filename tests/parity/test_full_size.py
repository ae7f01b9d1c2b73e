"""The published size: T5-base, with a T5-base encoder of 12 layers as embedder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5EncoderModel

from parity.reference import Shape, build_models, quiet, write_parts
from v2t_plugins.attacks.vec2text.pairs import Pair
from v2t_plugins.attacks.vec2text.published import Source, load_pair
from v2t_plugins.seeds import seeded

# As in the index of jxm/gtr__nq__32 and in its corrector.
BASE_TENSORS, CORRECTOR_TENSORS = 363, 274


@pytest.fixture(scope="module")
def models(
    vec2text: Any, sentences: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any, Any]:
    """Both models at full size with random weights, and the folder they were saved to."""
    folder = tmp_path_factory.mktemp("full")
    shape = Shape(
        d_model=768, d_kv=64, d_ff=3072, layers=12, heads=12, pseudo_tokens=16, max_seq_length=32
    )
    with seeded("full size"), quiet(folder):
        settings = write_parts(folder, sentences, shape)
        t5 = json.loads((folder / "t5" / "config.json").read_text())
        # The embedder named gtr_base is the encoder of a T5.
        encoder = T5EncoderModel(T5Config(**t5)).encoder
        tokenizer = vec2text.models.model_utils.load_tokenizer(str(folder / "t5"), 32)
        load = vec2text.models.inversion.load_embedder_and_tokenizer
        vec2text.models.inversion.load_embedder_and_tokenizer = lambda **named: (
            encoder,
            tokenizer,
        )
        try:
            inverter, corrector = build_models(
                vec2text, settings | {"embedder_model_name": "gtr_base"}
            )
        finally:
            vec2text.models.inversion.load_embedder_and_tokenizer = load
        inverter.save_pretrained(folder / "base")
        corrector.save_pretrained(folder / "corrector")
    return folder, inverter.eval(), corrector.eval()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_full_size_has_the_published_tensors_and_gives_the_same_logits(
    models: tuple[Path, Any, Any],
) -> None:
    folder, inverter, corrector = models
    assert len(inverter.state_dict()) == BASE_TENSORS
    assert len(corrector.state_dict()) == CORRECTOR_TENSORS
    pair = Pair(base=str(folder / "base"), corrector=str(folder / "corrector"))
    source = Source(offline=True, allow_bin=False)
    networks = load_pair(pair, source, device="cpu", dtype=torch.float32, parity=True)
    assert networks.corrector is not None
    theirs, ours = inverter.state_dict(), networks.inverter.state_dict()
    assert {n: v.shape for n, v in theirs.items() if not n.startswith("embedder.")} == {
        n: v.shape for n, v in ours.items()
    }
    theirs, ours = corrector.state_dict(), networks.corrector.state_dict()
    assert {n: v.shape for n, v in theirs.items()} == {n: v.shape for n, v in ours.items()}
    vectors = torch.randn(2, 768, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[5, 6, 7, 1], [8, 9, 1, 0]])
    with torch.no_grad():
        wanted = inverter(None, None, labels=labels, frozen_embeddings=vectors).logits
        states, mask, _ = networks.inverter.encode(vectors)
        shifted = torch.cat([torch.zeros(2, 1, dtype=torch.long), labels[:, :-1]], dim=1)
        got = networks.inverter.logits(networks.inverter.decode(shifted, states, mask))
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
