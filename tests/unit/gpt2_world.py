"""A small language, and trainings of gpt2 on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from v2t_bench.contracts import BuildContext, Embedder, TrainContext, TrainReport
from v2t_bench.threat import Oracle
from v2t_plugins.attacks.gpt2 import Gpt2

# In bfloat16, what a toy learns differs between processors.
OPTIONS = {"vocabulary": "400", "learning_rate": "0.003", "precision": "float32"}


def toy_texts() -> list[str]:
    """400 sentences of which every word is free, in a shuffled order."""
    who = ("Ann", "Bob", "Carl", "Dora", "Emil")
    does = ("sells", "paints", "forgets", "buys")
    what = ("a red door", "two maps", "the morning news", "old bread", "blue glass")
    when = ("on Monday.", "before dawn.", "with great care.", "again.")
    texts = [" ".join(words) for words in product(who, does, what, when)]
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(texts))
    return [texts[index] for index in order]


def ask(embedder: Embedder) -> Oracle:
    return Oracle(embedder.embed, space=embedder.space, dim=embedder.dim)


def learn(
    context: BuildContext,
    oracle: Oracle,
    texts: Sequence[str],
    path: Path,
    *,
    options: Mapping[str, str] = {},
    **more: Any,
) -> TrainReport:
    """Train below ``path``, where ``made`` is then the checkpoint."""
    made, work = path / "made", path / "work"
    made.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    settings: dict[str, Any] = {"size": "tiny", "steps": 2, "batch_size": 8} | more
    budget = TrainContext(
        folder=made, work=work, max_tokens=32, options={**OPTIONS, **options}, **settings
    )
    return Gpt2(context=context).train(texts, oracle, budget)


def tiny_lm(folder: Path, *, tokenizer: bool = True, positions: int = 32) -> Path:
    """Fill a folder as save_pretrained does: GPT-2 of one layer, random, and no padding token."""
    spell = Tokenizer(models.BPE())
    spell.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spell.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    spell.train_from_iterator(toy_texts(), trainer)
    build: Any = PreTrainedTokenizerFast
    ready = build(tokenizer_object=spell, eos_token="<|endoftext|>")
    configure: Any = GPT2Config
    config = configure(
        vocab_size=len(ready) + 8,
        n_positions=positions,
        n_embd=32,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2LMHeadModel(config).save_pretrained(folder)
    if tokenizer:
        ready.save_pretrained(folder)
    return folder
