"""On real texts an attacker who knows of the noise reads more than one who does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import v2t_minilm_inverters

from v2t_bench.adaptation import Stolen
from v2t_bench.composition import build_defense
from v2t_bench.contracts import BuildContext, Embedder, Secret
from v2t_bench.registry import Registry
from v2t_bench.scoring.intervals import paired_difference
from v2t_bench.scoring.overlap import token_f1_per_text
from v2t_bench.spelling import Spelling
from v2t_bench.texts import cut
from v2t_bench.threat import parse_threat
from v2t_bench.training_text import read_texts
from v2t_bench.vectors import VectorCache, oracle_of

PUBLIC, ATTACKED, TOKENS = 3000, 600, 16


@pytest.mark.data
def test_denoising_reads_more_words_through_noise_of_005(
    shared_data: Path, registry: Registry, context: BuildContext, tmp_path: Path
) -> None:
    embedder: Embedder = registry.build("embedders", "minilm", context)
    cache = VectorCache(tmp_path / "vectors")

    def texts_of(name: str, n: int) -> list[str]:
        return cut(embedder, read_texts(shared_data / "wiki" / name, limit=n).texts, TOKENS).texts

    public = list(dict.fromkeys(texts_of("train_sentences.txt.zst", PUBLIC)))
    attacked = texts_of("dev_sentences.jsonl.gz", ATTACKED)
    folder = Path(v2t_minilm_inverters.__file__).parent / "weights" / "minilm-wiki-32"
    quick = {"steps": "0", "guesses": "1", "samples": "0", "checkpoint": str(folder)}
    attack = registry.build("attacks", Spelling("vec2text", (), quick), context)
    clean = cache.vectors(embedder, attacked, "document")
    ids = [str(row) for row in range(len(attacked))]
    defense = build_defense(registry, "noise:0.05", context, Secret.from_seed(0))
    stolen = Stolen(
        registry=registry,
        context=context,
        defense_text="noise:0.05",
        shown="noise:0.05",
        defense=defense,
        space=embedder.space,
        clean=clean,
        released=defense.protect(clean, role="document", ids=ids),
        ids=ids,
        known=lambda: np.array([], np.int64),
        public=public,
        ask=lambda texts: cache.vectors(embedder, texts, "document"),
    )
    read = {}
    for threat in ("oblivious", "adaptive:denoise"):
        vectors = stolen.adapted(parse_threat(threat)).restore(stolen.released)
        guesses = attack.invert(vectors, oracle_of(embedder))
        read[threat] = token_f1_per_text(attacked, guesses)
    gained = paired_difference(read["adaptive:denoise"], read["oblivious"], seed=0)
    assert gained.low is not None
    assert gained.low > 0
