"""The reference implementation, vec2text 0.0.13, made to run on today's transformers.

Four things are mended, and nothing of its algorithm. `evaluate.load` would fetch scripts from
a hub: the scores it is asked for are computed by the libraries underneath. Its multi-step
generation raises a number to `generation_config.length_penalty`, which transformers 5 leaves
empty: 1.0, the former default. And the beam search of transformers 5 fills what is left of a
finished beam with the end token where the padding id is 0, as T5's is; up to transformers 4
that was padding. The corrector reads what stands there, so a text would depend on how long
the other texts of its batch are. Last, its from_pretrained: see `load_models`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu
import torch
from safetensors.torch import load_model
from torch import Tensor
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    T5Config,
    T5ForConditionalGeneration,
)

from v2t_bench.contracts import Space, Vectors
from v2t_bench.threat import Oracle
from v2t_plugins.subwords import train_tokenizer

# The corrector of the reference takes vectors of this many dimensions and no others.
DIM = 768


class Bleu:
    """What `evaluate` calls sacrebleu."""

    @staticmethod
    def compute(predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"score": sacrebleu.corpus_bleu(predictions, [references]).score}


class Unused:
    """Metrics that are asked for and not looked at."""

    @staticmethod
    def compute(**given: Any) -> dict[str, float]:
        return {"rouge1": 0.0}


def import_reference() -> Any:
    """Return the package vec2text with its metrics replaced.

    Raises:
        ImportError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evaluate

        evaluate.load = lambda name, *more, **named: Bleu if name == "sacrebleu" else Unused
        import vec2text
    # Importing it turned the compiler's log on.
    torch._logging.set_logs()  # type: ignore[attr-defined]
    return vec2text


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large the T5 of a checkpoint and its embedder are."""

    d_model: int = 64
    d_kv: int = 16
    d_ff: int = 128
    layers: int = 2
    heads: int = 4
    vocabulary: int = 600
    pseudo_tokens: int = 4
    max_seq_length: int = 24
    embedder_layers: int = 1


@contextlib.contextmanager
def quiet(folder: Path) -> Iterator[None]:
    """Keep what the reference prints and writes into the working folder out of the way."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(before)


def write_parts(folder: Path, texts: Sequence[str], shape: Shape) -> dict[str, Any]:
    """Write a T5 and a BERT with one tokenizer, and return the settings of a checkpoint."""
    tokenizer = train_tokenizer(texts, vocabulary_size=shape.vocabulary)
    t5 = T5ForConditionalGeneration(
        T5Config(  # type: ignore[call-arg]
            vocab_size=len(tokenizer),
            d_model=shape.d_model,
            d_kv=shape.d_kv,
            d_ff=shape.d_ff,
            num_layers=shape.layers,
            num_heads=shape.heads,
            decoder_start_token_id=0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    bert = BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=DIM,
            num_hidden_layers=shape.embedder_layers,
            num_attention_heads=12,
            intermediate_size=DIM,
            max_position_embeddings=256,
            # Wider than usual, so that different texts land far from each other untrained.
            initializer_range=0.08,
            pad_token_id=0,
        )
    )
    for name, model in (("t5", t5), ("bert", bert)):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {
        "model_name_or_path": str(folder / "t5"),
        "embedder_model_name": str(folder / "bert"),
        "embedder_model_api": None,
        "embedder_torch_dtype": "float32",
        "embedder_no_grad": True,
        "embedder_fake_with_zeros": False,
        "embedder_gaussian_noise_level": 0.0,
        "use_frozen_embeddings_as_input": True,
        "num_repeat_tokens": shape.pseudo_tokens,
        "max_seq_length": shape.max_seq_length,
        "encoder_dropout_disabled": False,
        "decoder_dropout_disabled": False,
        "embeddings_from_layer_n": None,
        "use_lora": False,
        "corrector_ignore_hypothesis_embedding": False,
    }


def build_models(vec2text: Any, settings: dict[str, Any], *, scale: float = 1.0) -> tuple[Any, Any]:
    """Return the reference's two models, with fresh projections.

    Freshly drawn ones write nearly the same whatever they read; with the weights of their
    layers ``scale`` times as large they do not.
    """
    config = vec2text.models.config.InversionConfig(**settings)
    models = vec2text.models.InversionModel(config), vec2text.models.CorrectorEncoderModel(config)
    with torch.no_grad():
        for model in models:
            for name, value in model.named_parameters():
                if (value.dim() == 2 and ".block." in name) or name.startswith(
                    "embedding_transform"
                ):
                    value.mul_(1.0 if name.startswith("embedder.") else scale)
    return models


def load_models(vec2text: Any, folder: Path) -> tuple[Any, Any]:
    """Return the models that the reference saved in ``base`` and ``corrector``.

    Its own from_pretrained fails from transformers 4.50 on, as it loads a model within a model.
    """
    loaded = []
    for name, kind in (("base", "InversionModel"), ("corrector", "CorrectorEncoderModel")):
        settings = json.loads((folder / name / "config.json").read_text())
        settings.pop("model_type", None)
        config = vec2text.models.config.InversionConfig(**settings)
        model = getattr(vec2text.models, kind)(config)
        load_model(model, str(folder / name / "model.safetensors"))
        loaded.append(model)
    return loaded[0], loaded[1]


class Reference:
    """The reference's own inversion.

    Args:
        vec2text: The package.
        inverter, corrector: Its models.
    """

    def __init__(self, vec2text: Any, inverter: Any, corrector: Any) -> None:
        self.vec2text = vec2text
        self.inverter, self.corrector = inverter.eval(), corrector.eval()
        self.trainer = vec2text.load_corrector(inverter, corrector)
        for model in (inverter, corrector):
            model.encoder_decoder.generation_config.length_penalty = 1.0
            model.encoder_decoder.generate = _padded(model.encoder_decoder)

    def embed(self, texts: Sequence[str], max_tokens: int | None = None) -> Tensor:
        """Return the vectors of texts cut to ``max_tokens``, as hypotheses are embedded."""
        read = self.inverter.embedder_tokenizer(
            list(texts),
            max_length=max_tokens or self.inverter.config.max_seq_length,
            truncation=True,
            padding="max_length",
            return_tensors="pt",
        )
        with torch.no_grad():
            vectors: Tensor = self.inverter.call_embedding_model(
                input_ids=read.input_ids, attention_mask=read.attention_mask
            )
        return vectors

    def invert(self, vectors: Tensor, *, steps: int, beam: int = 1, longest: int = 128) -> Tensor:
        """Return the ids that `vec2text.invert_embeddings` makes its texts of, (n, t).

        ``steps=0`` is its ``num_steps=None``, the base model alone; it takes ``longest``, the
        most tokens of a text with the start token, to be 128.
        """
        given = self.trainer.gen_kwargs | {"min_length": 1, "max_length": longest}
        inputs = {"frozen_embeddings": vectors}
        with torch.no_grad():
            if not steps:
                ids: Tensor = self.trainer.inversion_trainer.generate(
                    inputs=inputs, generation_kwargs=given
                )
                return ids
            self.trainer.return_best_hypothesis = beam > 1
            ids = self.trainer.generate(
                inputs=inputs,
                generation_kwargs=given,
                num_recursive_steps=steps,
                sequence_beam_width=beam,
            )
        return ids

    def oracle(self) -> Oracle:
        """Return the door to the same embedder, for ours."""

        def answer(texts: Sequence[str], role: str) -> Vectors:
            return self.embed(texts).float().numpy()

        space = Space(weights="reference", pooling="cls", normalize=False, max_tokens=256)
        return Oracle(answer, space=space, dim=DIM)


def _padded(model: Any) -> Any:
    """Return `generate` with padding behind the end token."""
    generate = type(model).generate.__get__(model)

    def padded(**given: Any) -> Any:
        out = generate(**given)
        ids = out if isinstance(out, Tensor) else out.sequences
        end, pad = model.config.eos_token_id, model.config.pad_token_id
        ended = (ids == end).long()
        ids.masked_fill_(ended.cumsum(dim=1) - ended > 0, pad)
        return out

    return padded


def load_embedder(folder: Path, longest: int) -> Callable[[Sequence[str]], Tensor]:
    """Return what embeds texts as the reference embeds with that model, without it."""
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    bert: Any = BertModel.from_pretrained(str(folder))
    bert.eval()

    def embed(texts: Sequence[str]) -> Tensor:
        read = tokenizer(
            list(texts),
            max_length=longest,
            truncation=True,
            padding="max_length",
            return_tensors="pt",
        )
        with torch.no_grad():
            out = bert(input_ids=read.input_ids, attention_mask=read.attention_mask)
        vectors: Tensor = out.pooler_output
        return vectors

    return embed


def train_briefly(
    reference: Reference,
    texts: Sequence[str],
    *,
    base_steps: int,
    corrector_steps: int,
) -> None:
    """Teach both models of the reference, by its own forward passes, to write ``texts``.

    Half of the corrector's examples show it the text itself, so it learns to leave a right
    guess alone. Steps are of 32 texts.
    """
    tokenizer, settings = reference.inverter.tokenizer, reference.inverter.config
    read = tokenizer(
        list(texts),
        max_length=settings.max_seq_length,
        truncation=True,
        padding=True,
        return_tensors="pt",
    )
    labels = read.input_ids.masked_fill(read.attention_mask == 0, -100)
    vectors = reference.embed(texts)

    def base(rows: Tensor) -> Tensor:
        out = reference.inverter(
            embedder_input_ids=None,
            embedder_attention_mask=None,
            frozen_embeddings=vectors[rows],
            labels=labels[rows],
        )
        return out.loss  # type: ignore[no-any-return]

    _descend(reference.inverter, base, len(texts), base_steps)
    guesses = reference.inverter.generate(
        inputs={"frozen_embeddings": vectors},
        generation_kwargs={"max_length": settings.max_seq_length, "do_sample": False},
    )
    shown = tokenizer.batch_decode(guesses, skip_special_tokens=True)
    landed = reference.embed(shown)

    def correct(rows: Tensor) -> Tensor:
        own = rows[: len(rows) // 2]
        start = torch.zeros(len(own), 1, dtype=torch.long)
        right = torch.cat([start, read.input_ids[own]], dim=1)
        wrong = guesses[rows[len(own) :]]
        width = max(right.shape[1], wrong.shape[1])
        ids = torch.cat([_widened(right, width), _widened(wrong, width)])
        out = reference.corrector(
            embedding=vectors[rows],
            hypothesis_embedding=torch.cat([vectors[own], landed[rows[len(own) :]]]),
            hypothesis_input_ids=ids,
            hypothesis_attention_mask=(ids != 0).long(),
            labels=labels[rows],
        )
        return out.loss  # type: ignore[no-any-return]

    _descend(reference.corrector, correct, len(texts), corrector_steps)


def _widened(ids: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(ids, (0, width - ids.shape[1]))


def _descend(model: Any, loss_of: Any, n: int, steps: int) -> None:
    wanted = [value for name, value in model.named_parameters() if "embedder." not in name]
    for value in wanted:
        value.requires_grad_(True)  # the trainer that is built around the models freezes one
    optimizer = torch.optim.AdamW(wanted, lr=2e-3)
    drawn = np.random.Generator(np.random.PCG64(0))
    model.train()
    for _ in range(steps):
        rows = torch.from_numpy(drawn.permutation(n)[:32])
        optimizer.zero_grad()
        loss_of(rows).backward()
        torch.nn.utils.clip_grad_norm_(wanted, 1.0)
        optimizer.step()
    model.eval()
