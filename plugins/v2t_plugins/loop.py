"""A Trainer that can be killed at any point and ends with the same bytes.

The examples of a step and its randomness are functions of the seed and of the step alone,
and a checkpoint counts only once it is sealed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch.utils.data import DataLoader
from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from v2t_bench.contracts import Processes, TrainContext
from v2t_plugins.batches import Batches
from v2t_plugins.muon import MuonAndAdamW
from v2t_plugins.networks import write_json
from v2t_plugins.seeds import derive_seed

Record = dict[str, Any]
Evaluate = Callable[[], Mapping[str, float]]


class Clock:
    """How much of the budget is spent; seconds spent before a resume count.

    Several processes go by the main one's clock, or they would stop at different steps.
    """

    def __init__(self, steps: int | None, minutes: float | None, processes: Processes) -> None:
        self.steps, self.seconds = steps, None if minutes is None else minutes * 60
        self.before, self.started = 0.0, time.monotonic()
        self.processes, self.agreed = processes, 0.0

    def agree(self) -> None:
        """Let every process read the same time until this is called again."""
        if self.seconds is not None and self.processes.count > 1:
            self.agreed = self.processes.agree(self.elapsed())

    def elapsed(self) -> float:
        """Return the seconds spent so far."""
        return self.before + time.monotonic() - self.started

    def spent(self, step: int) -> float:
        """Return the share of the budget spent when ``step`` steps are done, 0 to 1."""
        by_steps = step / self.steps if self.steps else 0.0
        elapsed = self.elapsed() if self.processes.count == 1 else self.agreed
        by_time = elapsed / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_time))


class Watch(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Reseeds each step, keeps the curve, shows progress, and says when to save and stop."""

    def __init__(
        self,
        context: TrainContext,
        stage: str,
        clock: Clock,
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

    def go_on_from(self, found: tuple[Path, Record]) -> int:
        """Take over the curve and the spent time of a checkpoint, and return its step."""
        folder, sealed = found
        step = int(folder.name.split("-")[1])
        self.clock.before, self.curve = sealed["seconds"], list(sealed["curve"])
        self.context.progress(f"{self.stage}: resuming at step {step}")
        return step

    def close(self) -> None:
        """End the progress bar."""
        if self.bar is not None:
            self.bar.close()

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Open the progress bar, on a terminal."""
        if not (sys.stderr.isatty() and self.context.processes.is_main):
            return
        total = self.clock.steps if self.clock.seconds is None else None
        start = state.global_step
        self.bar = tqdm(desc=self.stage, total=total, initial=start, file=sys.stderr, unit="step")

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Seed this step."""
        # Dropout of step 70 is the same whether steps 1 to 69 ran in this process or not.
        names: list[object] = [self.context.seed, self.stage, state.global_step]
        rank = self.context.processes.rank
        torch.manual_seed(derive_seed(*names, *([rank] if rank else [])))
        self.clock.agree()

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Say whether to stop, to save, or to measure."""
        if self.bar is not None:
            self.bar.update(1)
        if self.clock.spent(state.global_step) >= 1.0:
            control.should_training_stop = True
            control.should_log = True
        due = time.monotonic() - self.saved_at > self.save_seconds
        if self.context.processes.agree(float(due)):
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
        """Keep what Trainer measured."""
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


class Loop(Trainer):  # type: ignore[misc, unused-ignore]
    """Trainer with planned batches, a schedule over the budget, and safe checkpoints."""

    def __init__(
        self,
        *,
        batches: Batches,
        watch: Watch,
        fingerprint: str,
        hold: float = 0.0,
        muon: bool = False,
        **rest: Any,
    ) -> None:
        self.hold, self.muon = hold, muon
        super().__init__(**rest)
        self.batches, self.watch, self.fingerprint = batches, watch, fingerprint
        self.division = batches.division
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.add_callback(watch)

    def get_train_dataloader(self) -> Any:
        """Return the planned batches."""
        examples: Any = self.train_dataset
        return DataLoader(
            examples,
            batch_sampler=self.batches,
            collate_fn=self.division.cut(self.data_collator),
        )

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Return this process's part of a step's loss; the gradients are those of the step."""
        if self.division.whole:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        weights = [self.division.terms(part) for part in inputs]
        processes = self.division.processes
        total = processes.totals([sum(weights)])[0]
        step_loss = torch.zeros((), device=self.args.device)
        prepared: Any = self._prepare_inputs(inputs)
        for number, part in enumerate(prepared, 1):
            # Gradients meet once a step, with those of the last slice.
            last = number == len(inputs)
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss: Any = self.compute_loss(model, part)
                # A mean of means is no mean where parts have unlike numbers of terms; the
                # processes' gradients are averaged, hence the count.
                loss = loss * (weights[number - 1] * processes.count / max(total, 1))
                self.accelerator.backward(loss)
            step_loss += loss.detach()
        return step_loss

    def create_optimizer(self, *given: Any, **more: Any) -> Any:
        """Return AdamW, or Muon with it."""
        if not self.muon or self.optimizer is not None:
            return super().create_optimizer(*given, **more)
        model: Any = self.model
        self.optimizer = MuonAndAdamW(
            model,
            learning_rate=self.args.learning_rate,
            weight_decay=self.args.weight_decay,
            fused=True,
        )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return a learning rate that follows the budget."""
        stepped: Any = self.optimizer
        clock, warm_up = self.watch.clock, max(1, self.args.warmup_steps)
        clock.agree()

        def factor(step: int) -> float:
            warm = min(1.0, (step + 1) / warm_up)
            if self.hold >= 1.0:
                return warm
            return warm * (1.0 - max(0.0, clock.spent(step) - self.hold) / (1.0 - self.hold))

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
        if self.watch.context.processes.is_main:
            seal(folder, self.fingerprint, self.watch)


def drop_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a training that has ended."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)


def seal(folder: Path, fingerprint: str, watch: Watch) -> None:
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


def read_seal(folder: Path, fingerprint: str) -> Record | None:
    """Return what `seal` wrote, or None where the folder is half written or another run's."""
    try:
        seal: Record = json.loads((folder / "sealed.json").read_text())
        whole = all((folder / name).stat().st_size == size for name, size in seal["sizes"].items())
        return seal if whole and seal["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def find_checkpoint(folder: Path, fingerprint: str) -> tuple[Path, Record] | None:
    """Return the newest whole checkpoint of this training; what is not whole is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1]))
    best: tuple[Path, Record] | None = None
    for path in found:
        seal = read_seal(path, fingerprint)
        if seal is None:
            shutil.rmtree(path, ignore_errors=True)
        elif best is None:
            best = (path, seal)
    return best
