"""The one training loop, on Lightning Fabric: a CPU, a GPU, or several on several machines.

Everything random depends on the seed and the step alone. A run that was interrupted and resumed therefore ends with the same
weights to the bit (on the CPU), and a run on several processes sees the batches and random numbers of a single one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import Cancelled, ModelError
from ..core.memory import keep_freed_memory
from ..core.progress import Progress
from . import checkpoints
from .ahead import Ahead
from .batch import Batch
from .best import Best
from .draws import TRAINING, WEIGHTS, BatchDraw, Draw, seed_of
from .fabric import make_fabric
from .log import TrainingLog
from .losses import Losses
from .memory import out_of_memory, too_little_memory
from .optimization import MovingAverage, learning_rate, set_learning_rate
from .params import TrainingParams
from .precision import channels_last, choose_precision, guard_narrow
from .session import TrainingSession, TrainingUpdate, check_shares
from .sources import ArraySource, BatchSource
from .task import LossFunction, Task, TrainingStep
from .validation import Pictures, look_at

__all__ = ["ArraySource", "Batch", "BatchSource", "Draw", "Task", "run_training"]

_FREE = frozenset({"steps", "checkpoint_every", "validate_every", "patience", "keep_best", "precision"})
"""Settings that may change when a training is resumed."""


def run_training(
    task: Task,
    source: BatchSource,
    *,
    training: TrainingParams,
    seed: int,
    session: TrainingSession,
    progress: Progress,
    start: Mapping[str, NDArray[Any]] | None = None,
) -> dict[str, NDArray[Any]]:
    """Train a network.

    Parameters
    ----------
    task : Task
        The network and its loss.
    source : BatchSource
        Healthy samples.
    training : TrainingParams
        How.
    seed : int
        Fixes everything random.
    session : TrainingSession
        Where, and whom to tell.
    progress : Progress
        Told at every step; its cancelling stops the training after the step, with a checkpoint to resume from.
    start : mapping of str to array, optional
        State that the network begins with; new random weights when None.

    Returns
    -------
    dict of str to array
        The network's state: the moving average of the weights when there is one, of the best validation when patience or that is asked for.

    Raises
    ------
    ModelError
        If the loss becomes NaN or infinite; the last good checkpoint stays. If there is nothing to resume, or it was another training.
    DeviceError
        If the memory does not suffice for a single sample.
    Cancelled
        If the user stopped it.
    """
    check_shares(training.batch_size, session.devices * session.nodes)
    return _Run(task, source, training, seed, session, progress, start).run()


class _Run:
    """One training: what `run_training` keeps between its steps."""

    def __init__(
        self,
        task: Task,
        source: BatchSource,
        training: TrainingParams,
        seed: int,
        session: TrainingSession,
        progress: Progress,
        start: Mapping[str, NDArray[Any]] | None,
    ) -> None:
        self.task, self.source, self.training, self.seed, self.session = task, source, training, seed, session
        self.asked = progress
        progress.update(0.0, "Building the network")
        self.settings = {name: value for name, value in asdict(training).items() if name not in _FREE} | {"seed": seed}
        snapshot = None
        if session.resume and session.folder is not None and checkpoints.exists(session.folder):
            snapshot = checkpoints.load(session.folder, self.settings)
        kept: dict[str, Any] = {} if snapshot is None else snapshot.counts
        # What "auto" chose stays: another number format would give other weights. Whoever names one wants it.
        asked = kept.get("precision", "auto") if training.precision == "auto" else training.precision
        self.precision, self.words = choose_precision(asked, session.device)
        self.fabric = make_fabric(session, self.precision, partial=task.partial)
        self.progress = progress if self.fabric.world_size == 1 else _telling_only(progress)
        if self.fabric.world_size > 1:
            # What the first process found counts: it is the one that wrote it.
            snapshot = self.fabric.broadcast(snapshot)
            kept = {} if snapshot is None else snapshot.counts
        torch.manual_seed(seed_of(seed, WEIGHTS))
        network = task.build()
        if start is not None:
            network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in start.items()})
        channels_last(network)
        if session.device == "cpu" and self.precision == "bf16":
            guard_narrow(network)
        if self.fabric.world_size > 1 and session.device == "cuda":
            network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        optimizers = task.optimizers(network, training)
        self.network, *wrapped = self.fabric.setup(network, *optimizers.values())
        self.optimizers: dict[str, Any] = dict(zip(optimizers, wrapped, strict=True))
        self.bare = network
        self.average = MovingAverage(network, training.ema_decay) if training.ema_decay > 0 else None
        self.best = Best(training)
        self.parts: int = kept.get("parts", 1)
        self.earlier: float = kept.get("seconds", 0.0)
        self.step = 0
        self.saved = -1
        self.due = False
        """Whether the validation of the last step is still to come."""
        self.losses = Losses(self.fabric.device, self.precision)
        self.start = self.told = time.perf_counter()
        if snapshot is not None:
            self._take_over(snapshot)
        share = training.batch_size // self.fabric.world_size
        self.rows = (share * self.fabric.global_rank, share * (self.fabric.global_rank + 1))
        if session.folder is not None and self.fabric.is_global_zero:
            checkpoints.clear_leftovers(session.folder)
        self.log = TrainingLog(session.folder if self.fabric.is_global_zero else None, self.step)

    def run(self) -> dict[str, NDArray[Any]]:
        """All steps that are left."""
        if not self.due and self._done():
            return self._result()
        self.session.at_step(self.step)
        try:
            self.progress.update(self.step / self.training.steps, f"Training in {self.words}")
            if self.due:
                self._after_step()
            self._steps()
        except Cancelled:
            self._checkpoint()
            raise
        self._checkpoint()
        return self._result()

    def _steps(self) -> None:
        each = self.task.batches
        if self.session.device == "cpu":
            keep_freed_memory()
        with Ahead(self.source, self.training, self.training.steps * each, self.seed, self.rows) as ahead:
            while not self._done():
                batches = [ahead.take(self.step * each + number, self.progress) for number in range(each)]
                self._one_step([batch.to(self.fabric.device) for batch in batches])
                self.step += 1
                self.session.at_step(self.step)
                self._after_step()
                self._stop_together()

    def _done(self) -> bool:
        return self.step >= self.training.steps or self.best.waited_enough

    def _stop_together(self) -> None:
        """Several processes stop after the same step, whichever of them was asked to: one alone would leave the others waiting."""
        if self.fabric.world_size > 1 and float(self._all(torch.tensor(float(self.asked.cancelled)), "sum")) > 0:
            raise Cancelled()

    def _one_step(self, batches: list[Batch]) -> None:
        for optimizer in self.optimizers.values():
            set_learning_rate(optimizer, learning_rate(self.step, self.training))
        self.task.step(_OneStep(self, batches))
        if self.average is not None:
            self.average.update(self.bare, self.step)

    def minimise(self, loss: LossFunction, name: str, batch: Batch, call: int) -> None:
        """See `task.TrainingStep.minimise`; `call` counts the calls within the step."""
        while True:
            try:
                self._gradients(loss, name, batch, call)
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.parts >= len(batch):
                    raise too_little_memory(self.session.device) from error
            self._smaller_parts(len(batch))
        if self.losses.window == 1:
            self.losses.check()
        optimizer = self.optimizers[name]
        if self.training.clip_norm > 0:
            self.fabric.clip_gradients(self.network, optimizer, max_norm=self.training.clip_norm, error_if_nonfinite=False)
        optimizer.step()

    def _gradients(self, loss: LossFunction, name: str, batch: Batch, call: int) -> None:
        """Gradients of the whole batch, one part of it after the other when memory is short."""
        self._forget_gradients()
        sums: dict[str, torch.Tensor] = {}
        edges = np.linspace(0, len(batch), self.parts + 1).round().astype(int)
        more = (call,) if call else ()
        for low, high in pairwise(edges.tolist()):
            first, last = self.rows[0] + low, self.rows[0] + high
            # Dropout: each process and part has numbers of its own.
            torch.manual_seed(seed_of(self.seed, TRAINING, self.step, first, *more))
            draw = BatchDraw(seed_of(self.seed, TRAINING, self.step, *more), first, last, self.training.batch_size, self.fabric.device)
            share = (high - low) / len(batch)
            with self.fabric.no_backward_sync(self.network, enabled=high < len(batch)):
                losses = loss(self.network, batch[low:high], draw)
                self.fabric.backward(losses["loss"] * share if share < 1 else losses["loss"])
            for part, value in losses.items():
                shown = name if part == "loss" and name and name != next(iter(self.optimizers)) else part
                mean = value.detach().float() * share
                sums[shown] = sums[shown] + mean if shown in sums else mean
        self.losses.add(self.step, sums)

    def _forget_gradients(self) -> None:
        """Of all weights: those of another optimizer may have got some on the way."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def _smaller_parts(self, rows: int) -> None:
        self._forget_gradients()
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        self.parts = min(2 * self.parts, rows)
        self.progress.update(
            self.step / self.training.steps, f"Out of memory: batches are now worked on in {self.parts} parts, each normalised by itself"
        )

    def _after_step(self) -> None:
        """Tell, validate and keep, each when it is due. Validation and checkpoint come at fixed steps, the rest by the clock."""
        last = self.step == self.training.steps
        validation, pictures = None, None
        if self.due or last or self.step % self.training.validate_every == 0:
            # Cancelled on the way, a resumed training begins with it: what is best, and when to stop, are then as without the break.
            self.due = True
            validation, pictures = self._validate()
            self.due = False
        if last or self.step % self.training.checkpoint_every == 0:
            self._checkpoint()
        now = time.perf_counter()
        # Ever rarer in long trainings: the log of a week is a few thousand rows.
        if last or validation is not None or now - self.told >= max(1.0, (now - self.start) / 500):
            self._tell(now, validation, pictures)
        else:
            self.progress.update(self.step / self.training.steps)

    def _tell(self, now: float, validation: float | None, pictures: Pictures | None) -> None:
        steps, means = self.losses.means()
        rate = steps * self.training.batch_size / max(now - self.told, 1e-9)
        update = TrainingUpdate(
            step=self.step,
            steps=self.training.steps,
            losses=means,
            validation=validation,
            learning_rate=learning_rate(self.step - 1, self.training),
            seconds=self.earlier + now - self.start,
            samples_per_second=rate,
            pictures=pictures,
        )
        self.told = now
        if self.fabric.is_global_zero:
            self.log.add(update)
            self.session.report(update)
        healthy = "" if validation is None else f", healthy {validation:.4g}"
        said = f"Step {self.step:,} of {self.training.steps:,}, loss {means['loss']:.4g}{healthy}, {rate:.0f} samples/s"
        self.progress.update(self.step / self.training.steps, said)

    def _validate(self) -> tuple[float | None, Pictures | None]:
        """Mean loss on the held-out samples and some pictures, with the weights that would be saved; keeps the best."""
        self._share_statistics()
        # What fits into memory for training fits here.
        most = max(1, (self.rows[1] - self.rows[0]) // self.parts)
        with nullcontext() if self.average is None else self.average.in_use(self.bare):
            total, pictures = look_at(
                self.fabric, self.task, self.network, self.source.validation(), seed=self.seed, most=most, progress=self.progress
            )
        if self.fabric.world_size > 1:
            total = self._all(total, "sum")
        loss_sum, count = total.tolist()
        loss = loss_sum / count if count else None
        self.best.look_at(loss, self._weights())
        return loss, pictures

    def _all(self, value: torch.Tensor, how: str) -> torch.Tensor:
        """The sum or mean over all processes."""
        return cast(torch.Tensor, self.fabric.all_reduce(value.to(self.fabric.device, torch.float32), reduce_op=how))

    def _share_statistics(self) -> None:
        """Running statistics are each process's own while training; what is validated and saved is their mean."""
        if self.fabric.world_size > 1:
            for buffer in self.bare.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self._all(buffer, "mean"))

    def _weights(self) -> dict[str, torch.Tensor]:
        return self.bare.state_dict() if self.average is None else self.average.weights

    def _checkpoint(self) -> None:
        self.losses.check()
        self._share_statistics()
        if self.session.folder is None or not self.fabric.is_global_zero or self.saved == self.step:
            return
        counts = {
            "precision": self.precision,
            "scaler": self.fabric.strategy.precision.state_dict(),
            **self.best.counts(),
            "parts": self.parts,
            "samples": len(self.source),
            "seconds": self.earlier + time.perf_counter() - self.start,
            "due": {"losses": self.losses.sums(), "seconds": time.perf_counter() - self.told} if self.due else None,
        }
        average = {} if self.average is None else self.average.weights
        optimizers = {name: optimizer.state_dict()["state"] for name, optimizer in self.optimizers.items()}
        snapshot = checkpoints.Snapshot(self.step, self.bare.state_dict(), optimizers, average, self.best.weights, counts)
        checkpoints.save(self.session.folder, snapshot, self.settings)
        self.saved = self.step

    def _take_over(self, snapshot: checkpoints.Snapshot) -> None:
        samples = snapshot.counts.get("samples", len(self.source))
        if samples != len(self.source):
            why = f"it was started with {samples:,} samples of the scans, and now there are {len(self.source):,}"
            fix = "Give the scans that it was started with, or start a new training"
            raise ModelError("The training cannot be resumed", why=why, fix=fix)
        self.step = self.saved = snapshot.step
        try:
            self.bare.load_state_dict(snapshot.network)
        except RuntimeError as error:
            raise ModelError("The training cannot be resumed", why="its network has another shape", fix="Start a new training") from error
        for name, optimizer in self.optimizers.items():
            entries = snapshot.optimizers.get(name, {})
            optimizer.load_state_dict({**optimizer.state_dict(), "state": {number: dict(entry) for number, entry in entries.items()}})
        if self.average is not None:
            for name, value in snapshot.average.items():
                self.average.weights[name].copy_(value)
        self.best.take_over(snapshot, self.fabric.device)
        if snapshot.counts["precision"] == self.precision and snapshot.counts.get("scaler"):
            self.fabric.strategy.precision.load_state_dict(snapshot.counts["scaler"])
        if snapshot.counts.get("due") is not None:
            self.due, self.saved = True, -1
            self.losses.go_on(snapshot.counts["due"]["losses"])
            self.told -= snapshot.counts["due"]["seconds"]

    def _result(self) -> dict[str, NDArray[Any]]:
        self._share_statistics()
        return {name: checkpoints.as_array(value).copy() for name, value in (self.best.weights or self._weights()).items()}


class _OneStep(TrainingStep):
    """A step of a run."""

    def __init__(self, run: _Run, batches: list[Batch]) -> None:
        self.number = run.step
        self._run, self._batches, self._calls = run, batches, 0

    def minimise(self, loss: LossFunction, optimizer: str = "", *, batch: int = 0) -> None:
        """See `task.TrainingStep.minimise`."""
        self._run.minimise(loss, optimizer, self._batches[batch], self._calls)
        self._calls += 1


def _telling_only(progress: Progress) -> Progress:
    """Passes on what is told, but never stops the one who tells."""

    def tell(fraction: float, message: str) -> None:
        with suppress(Cancelled):
            progress.update(fraction, message)

    return Progress(tell)
