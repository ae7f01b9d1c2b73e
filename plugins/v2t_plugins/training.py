"""What every learned attack trains with: one loop, one tokenizer, one way to store a network.

The loop is transformers' Trainer with its order of examples, its randomness and its
checkpoints made functions of the seed and of the step alone: a training that was killed and
resumed ends, given a budget in steps, with the very bytes of one that was left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from v2t_bench.contracts import TrainContext
from v2t_bench.errors import BadParameter
from v2t_plugins.networks import load_network as load_network
from v2t_plugins.networks import save_network as save_network
from v2t_plugins.networks import write_json as write_json
from v2t_plugins.subwords import load_tokenizer as load_tokenizer
from v2t_plugins.subwords import train_tokenizer as train_tokenizer

Record = dict[str, Any]
Collate = Callable[[list[Any]], Mapping[str, torch.Tensor]]
Evaluate = Callable[[], Mapping[str, float]]

# No training reaches it; a budget in minutes needs some number of steps to plan with.
_ENDLESS = 1_000_000


def derive_seed(*names: object) -> int:
    """Return a seed that depends on exactly these names, from 0 to 2**63 - 1."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextlib.contextmanager
def seeded(*names: object) -> Iterator[None]:
    """Make torch's randomness depend on ``names``; every global generator is put back."""
    # Trainer seeds these two; nothing here draws from them.
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(*names))
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


class _Batches(Sampler[list[int]]):
    """The examples of every step: each pass is a permutation drawn from (seed, stage, pass)."""

    def __init__(
        self, *, n: int, batch_size: int, steps: int, start: int, names: tuple[Any, ...]
    ) -> None:
        self.n, self.batch_size, self.steps, self.start = n, min(batch_size, n), steps, start
        self.names = names

    def __len__(self) -> int:
        return self.steps  # the whole plan: Trainer counts what a resumed run has behind it

    def __iter__(self) -> Iterator[list[int]]:
        a_pass = self.n // self.batch_size
        order: list[int] = []
        drawn = -1
        for step in range(self.start, self.steps):
            number, place = divmod(step, a_pass)
            if number != drawn:
                seed = derive_seed(*self.names, "order", number)
                order = np.random.Generator(np.random.PCG64(seed)).permutation(self.n).tolist()
                drawn = number
            yield order[place * self.batch_size : (place + 1) * self.batch_size]


class _Clock:
    """How much of the budget is spent; seconds spent before a resume count."""

    def __init__(self, steps: int | None, minutes: float | None) -> None:
        self.steps, self.seconds = steps, None if minutes is None else minutes * 60
        self.before, self.started = 0.0, time.monotonic()

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self.started

    def spent(self, step: int) -> float:
        by_steps = step / self.steps if self.steps else 0.0
        by_time = self.elapsed() / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_time))


class _Watch(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Reseeds each step, keeps the curve, shows progress, and says when to save and stop."""

    def __init__(
        self,
        context: TrainContext,
        stage: str,
        clock: _Clock,
        evaluate: Evaluate | None,
        evaluate_every: int | None,
        save_seconds: float,
    ) -> None:
        self.context, self.stage, self.clock = context, stage, clock
        self.evaluate, self.evaluate_every = evaluate, evaluate_every
        self.save_seconds, self.saved_at = save_seconds, time.monotonic()
        self.told_at = time.monotonic()
        self.curve: list[Record] = []
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if not sys.stderr.isatty():
            return
        total = self.clock.steps if self.clock.seconds is None else None
        start = state.global_step
        self.bar = tqdm(desc=self.stage, total=total, initial=start, file=sys.stderr, unit="step")

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        # Dropout of step 70 is the same whether steps 1 to 69 ran in this process or not.
        torch.manual_seed(derive_seed(self.context.seed, self.stage, state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.bar is not None:
            self.bar.update(1)
        if self.clock.spent(state.global_step) >= 1.0:
            control.should_training_stop = True
            control.should_log = True
        if time.monotonic() - self.saved_at > self.save_seconds:
            control.should_save = True
            self.saved_at = time.monotonic()
        if self.evaluate and self.evaluate_every and state.global_step % self.evaluate_every == 0:
            model = more["model"]
            model.eval()
            with torch.no_grad():
                measured = dict(self.evaluate())
            model.train()
            self._keep(state.global_step, measured)
            self.told_at = 0.0

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
        known = ("loss", "grad_norm", "learning_rate")
        self._keep(state.global_step, {name: float(logs[name]) for name in known if name in logs})

    def _keep(self, step: int, measured: Mapping[str, float]) -> None:
        if not measured:
            return
        self.curve.append({"stage": self.stage, "step": step, **measured})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
        if self.bar is not None:
            self.bar.set_postfix_str(shown)
        elif time.monotonic() - self.told_at > 20:
            self.told_at = time.monotonic()
            self.context.progress(f"{self.stage}: step {step}, {shown}")


class _Loop(Trainer):  # type: ignore[misc, unused-ignore]
    """Trainer with planned batches, a schedule over the budget, and safe checkpoints."""

    def __init__(self, *, batches: _Batches, watch: _Watch, fingerprint: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.batches, self.watch, self.fingerprint = batches, watch, fingerprint
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.add_callback(watch)

    def get_train_dataloader(self) -> Any:
        examples: Any = self.train_dataset
        return DataLoader(
            examples,
            batch_sampler=self.batches,
            collate_fn=self.data_collator,
        )

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        stepped: Any = self.optimizer
        clock, warm_up = self.watch.clock, max(1, self.args.warmup_steps)

        def factor(step: int) -> float:
            return min(1.0, (step + 1) / warm_up) * (1.0 - clock.spent(step))

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(stepped, factor)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        network: Any = self.model
        save_model(network, str(folder / "model.safetensors"))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        network: Any = self.model
        load_model(network, str(Path(resume_from_checkpoint) / "model.safetensors"))

    def _save_rng_state(self, output_dir: str) -> None:
        """Store nothing: every step seeds itself."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Load nothing: every step seeds itself."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        _seal(folder, self.fingerprint, self.watch)


def _seal(folder: Path, fingerprint: str, watch: _Watch) -> None:
    """Write last of all what tells a whole checkpoint from one cut short by a kill."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    sizes.pop("sealed.json", None)
    write_json(
        folder / "sealed.json",
        {
            "fingerprint": fingerprint,
            "sizes": sizes,
            "seconds": watch.clock.elapsed(),
            "curve": watch.curve,
        },
    )


def _read_seal(folder: Path, fingerprint: str) -> Record | None:
    """Return what `_seal` wrote, or None where the folder is half written or another run's."""
    try:
        seal: Record = json.loads((folder / "sealed.json").read_text())
        whole = all((folder / name).stat().st_size == size for name, size in seal["sizes"].items())
        return seal if whole and seal["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _find_checkpoint(folder: Path, fingerprint: str) -> tuple[Path, Record] | None:
    """Return the newest whole checkpoint of this training; what is not whole is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1]))
    best: tuple[Path, Record] | None = None
    for path in found:
        seal = _read_seal(path, fingerprint)
        if seal is None:
            shutil.rmtree(path, ignore_errors=True)
        elif best is None:
            best = (path, seal)
    return best


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
) -> list[Record]:
    """Train ``model`` in place and return its learning curve.

    AdamW, linear warm-up, then linear decay that reaches zero when the budget ends,
    whichever of steps and minutes comes first. Gradients are clipped to norm 1. Resumes from
    ``context.work/<stage>`` if what lies there is of this very training.

    Args:
        model: Takes a batch as keyword arguments and returns ``{"loss": ...}``.
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

    Raises:
        BadParameter: neither or no positive budget.
    """
    if (steps is None and minutes is None) or (steps or 1) < 1 or (minutes or 1) <= 0:
        raise BadParameter(f"{stage} needs a budget: steps of at least 1, or minutes above 0")
    n = len(examples)  # type: ignore[arg-type]
    names = (context.seed, stage)
    shapes = [(name, tuple(value.shape)) for name, value in model.named_parameters()]
    plan = (names, steps, minutes, learning_rate, batch_size, n, warm_up, identity, shapes)
    fingerprint = hashlib.sha256(repr(plan).encode()).hexdigest()
    folder = context.work / stage
    folder.mkdir(parents=True, exist_ok=True)
    done = _read_seal(folder / "done", fingerprint)
    if done is not None:
        load_model(model, str(folder / "done" / "model.safetensors"))
        return list(done["curve"])

    clock = _Clock(steps, minutes)
    watch = _Watch(context, stage, clock, evaluate, evaluate_every, save_seconds)
    found = _find_checkpoint(folder, fingerprint)
    start = 0
    if found is not None:
        start = int(found[0].name.split("-")[1])
        clock.before, watch.curve = found[1]["seconds"], list(found[1]["curve"])
        context.progress(f"{stage}: resuming at step {start}")
    if warm_up is None:
        warm_up = min(500, max(20, (steps or 2000) // 20))
    planned = steps or _ENDLESS
    with seeded(*names):
        loop = _Loop(
            model=model,
            train_dataset=examples,
            data_collator=collate,
            args=_arguments(context, folder, planned, learning_rate, batch_size, warm_up),
            batches=_Batches(n=n, batch_size=batch_size, steps=planned, start=start, names=names),
            watch=watch,
            fingerprint=fingerprint,
        )
        loop.train(resume_from_checkpoint=str(found[0]) if found else None)
    if watch.bar is not None:
        watch.bar.close()
    model.eval()
    result = folder / "done"
    result.mkdir(exist_ok=True)
    save_model(model, str(result / "model.safetensors"))
    _seal(result, fingerprint, watch)
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)
    return watch.curve


def _arguments(
    context: TrainContext, folder: Path, steps: int, rate: float, batch_size: int, warm_up: int
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
        bf16=_has_fast_bf16(context.device),
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
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one device: DataParallel would change results
    return arguments


def _has_fast_bf16(device: str) -> bool:
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.startswith("cpu") and bool(torch.cpu._is_avx512_bf16_supported())


def autocast(device: str) -> torch.autocast:
    """Return the precision networks run in on ``device``: bfloat16 where that is faster."""
    kind = device.split(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=_has_fast_bf16(device))
