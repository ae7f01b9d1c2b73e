"""What every learned attack trains with: one loop, one tokenizer, one way to store a network.

The loop is transformers' Trainer with its order of examples, its randomness and its
checkpoints made functions of the seed and of the step alone: a training that was killed and
resumed ends, given a budget in steps, with the very bytes of one that was left alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model, save_model
from torch.utils.data import Dataset
from transformers import TrainingArguments

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import BadParameter
from v2t_plugins.batches import Batches, Collate, Division, Terms, n_examples
from v2t_plugins.loop import (
    Clock,
    Evaluate,
    Loop,
    Record,
    Watch,
    drop_checkpoints,
    find_checkpoint,
    read_seal,
    seal,
)
from v2t_plugins.networks import load_network as load_network
from v2t_plugins.networks import save_network as save_network
from v2t_plugins.networks import write_json as write_json
from v2t_plugins.precision import Precision as Precision
from v2t_plugins.precision import has_fast_bfloat16
from v2t_plugins.seeds import derive_seed as derive_seed
from v2t_plugins.seeds import seeded as seeded
from v2t_plugins.subwords import load_tokenizer as load_tokenizer
from v2t_plugins.subwords import train_tokenizer as train_tokenizer

Optimizer: TypeAlias = Literal["adamw", "muon"]

# No training reaches it; a budget in minutes needs some number of steps to plan with.
_ENDLESS = 1_000_000


def fit(
    model: torch.nn.Module,
    examples: Dataset[Any],
    *,
    collate: Collate,
    context: TrainContext,
    stage: str,
    steps: int | None = None,
    minutes: float | None = None,
    learning_rate: float,
    batch_size: int,
    identity: str = "",
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    warm_up: int | None = None,
    save_seconds: float = 120.0,
    accumulate: int = 1,
    precision: Precision = "auto",
    terms: Terms = n_examples,
    optimizer: Optimizer = "adamw",
    hold: float = 0.0,
    alike: NDArray[np.int64] | None = None,
) -> list[Record]:
    """Train ``model`` in place and return its learning curve.

    AdamW, linear warm-up, then linear decay that reaches zero when the budget ends,
    whichever of steps and minutes comes first. Gradients are clipped to norm 1. Resumes from
    ``context.work/<stage>`` if what lies there is of this very training. Where
    ``context.processes`` are several, each computes an equal share of every step, and all
    end with the same network.

    Args:
        model: Takes a batch as keyword arguments and returns ``{"loss": ...}``. Its
            ``USES_ALL``, if false, says that some batches leave some of its parameters out.
        examples: Has a length; items are what ``collate`` makes a batch of.
        collate: From a list of examples to named tensors.
        context: Where to work, the seed, the device, and whom to tell.
        stage: Name of this network among those of one attack.
        steps: Optimizer steps.
        minutes: Wall clock, earlier runs of a resumed training included.
        learning_rate: The peak.
        batch_size: Examples a step; a smaller data set gives smaller batches.
        identity: Anything else that makes another training of it, such as a hash of the data.
        evaluate: Called in evaluation mode; what it returns joins the curve.
        evaluate_every: Steps between two evaluations.
        warm_up: Steps of warm-up; default: a twentieth of the steps, 20 to 500.
        save_seconds: Time between two checkpoints.
        accumulate: Into how many slices a process cuts its share of a step, to need less
            memory; without dropout they come to the same gradients, to rounding.
        precision: ``bf16`` and ``float32`` rather than what is faster on the device.
        terms: How many terms the loss of a batch is the mean of: what a slice weighs.
        optimizer: ``muon`` takes it for the matrices of a T5's blocks.
        hold: Share of the budget that passes before the decay begins; 1: there is none, and
            another training goes on from here.
        alike: One number an example: a batch is made of those that have about the same.

    Raises:
        BadParameter: neither or no positive budget, or more parts than examples in a step.
    """
    if (steps is None and minutes is None) or (steps or 1) < 1 or (minutes or 1) <= 0:
        raise BadParameter(f"{stage} needs a budget: steps of at least 1, or minutes above 0")
    n = len(examples)  # type: ignore[arg-type]
    processes = context.processes
    division = Division(processes=processes, slices=accumulate, terms=terms)
    division.check(min(n, batch_size), stage)
    names = (context.seed, stage)
    shapes = [(name, tuple(value.shape)) for name, value in model.named_parameters()]
    plan = (names, steps, minutes is None, learning_rate, batch_size, n, warm_up, identity, shapes,
            accumulate, precision, optimizer, hold, alike is not None)  # fmt: skip
    fingerprint = hashlib.sha256(repr(plan).encode()).hexdigest()
    folder = context.work / stage
    folder.mkdir(parents=True, exist_ok=True)
    done = read_seal(folder / "done", fingerprint)
    if done is not None:
        load_model(model, str(folder / "done" / "model.safetensors"))
        return list(done["curve"])

    clock = Clock(steps, minutes, processes)
    watch = Watch(context, stage, clock, evaluate, evaluate_every, save_seconds)
    with processes.main_first():  # it removes what is half written
        found = find_checkpoint(folder, fingerprint)
    start = watch.go_on_from(found) if found else 0
    planned = steps or _ENDLESS
    if warm_up is None:
        warm_up = min(500, max(20, (steps or 2000) // 20))
    batches = Batches(
        n=n,
        batch_size=batch_size,
        steps=planned,
        start=start,
        names=names,
        division=division,
        alike=alike,
    )
    with seeded(*names):
        loop = Loop(
            model=model,
            train_dataset=examples,
            data_collator=collate,
            args=_arguments(
                context,
                folder,
                planned,
                learning_rate,
                batch_size,
                warm_up,
                precision,
                uses_all=getattr(model, "USES_ALL", True),
            ),
            batches=batches,
            watch=watch,
            fingerprint=fingerprint,
            hold=hold,
            muon=optimizer == "muon",
        )
        loop.train(resume_from_checkpoint=str(found[0]) if found else None)
    watch.close()
    model.eval()
    if processes.is_main:
        (folder / "done").mkdir(exist_ok=True)
        save_model(model, str(folder / "done" / "model.safetensors"))
        seal(folder / "done", fingerprint, watch)
        drop_checkpoints(folder)
    processes.wait()
    return watch.curve


def _arguments(
    context: TrainContext,
    folder: Path,
    steps: int,
    rate: float,
    batch_size: int,
    warm_up: int,
    precision: Precision,
    uses_all: bool,
) -> TrainingArguments:
    on_cpu = context.device.startswith("cpu")
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=rate,
        warmup_steps=warm_up,
        weight_decay=0.01,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        use_cpu=on_cpu,
        bf16=_uses_bf16(precision, context.device),
        seed=derive_seed(context.seed) % 2**31,
        logging_steps=50,
        save_strategy="steps",
        save_steps=_ENDLESS * 10,
        save_total_limit=2,
        ignore_data_skip=True,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        # Looking for parameters that take no part in a step costs time.
        ddp_find_unused_parameters=not uses_all,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one device: DataParallel would change results
    return arguments


def _uses_bf16(precision: Precision, device: str) -> bool:
    """Return whether a network is trained in bfloat16.

    Raises:
        BadParameter: ``device`` cannot.
    """
    if precision != "bf16":
        return precision == "auto" and has_fast_bfloat16(device)
    if not (device.startswith("cpu") or has_fast_bfloat16(device)):
        raise BadParameter(
            f"precision=bf16 is not possible on {device}; use precision=auto or float32"
        )
    return True
