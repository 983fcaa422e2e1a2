"""One process of a training on several: ``python several_processes.py FOLDER DEVICES STOP``. Fabric starts the others with the same words.

The first process writes the weights. With STOP above 0, it cancels at that step and then resumes.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tiny_training import PARAMS, TinyTask, source

from napari_brain_uad.core.errors import Cancelled
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.adversarial.tasks import gradient_penalty
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import Draw
from napari_brain_uad.training.loop import run_training
from napari_brain_uad.training.session import TrainingSession, TrainingUpdate
from napari_brain_uad.training.task import Losses, Task, TrainingStep

SETTINGS = replace(PARAMS, optimizer="sgd", learning_rate=0.1, augmentation="mild", ema_decay=0.5, clip_norm=1.0, validate_every=1)


class Halves(torch.nn.Module):
    """Makes a picture of a picture, or judges it."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.judge = torch.nn.Conv2d(1, 1, 1), torch.nn.Conv2d(1, 1, 1)

    def forward(self, images: torch.Tensor, judge: bool = False) -> torch.Tensor:
        found: torch.Tensor = self.judge(images).tanh().flatten(1).sum(dim=1) if judge else self.maker(images)
        return found


class HalvesTask(Task):
    """Each loss leaves out the weights of one half, and one is of a gradient."""

    batches, partial = 2, True

    def build(self) -> torch.nn.Module:
        return Halves()

    def optimizers(self, network, training):  # type: ignore[no-untyped-def]
        halves = {"maker": network.maker, "judge": network.judge}
        return {name: torch.optim.SGD(half.parameters(), 0.01) for name, half in halves.items()}

    def step(self, step: TrainingStep) -> None:
        step.minimise(self.judged, "judge", batch=0)
        step.minimise(self.judged, "judge", batch=1)
        step.minimise(self.loss, "maker")

    def judged(self, network: torch.nn.Module, batch: Batch, draw: Draw) -> Losses:
        made = network(batch.images).detach()
        penalty = gradient_penalty(lambda images: network(images, True), batch.images, made, draw)
        return {"loss": network(made, True).mean() - network(batch.images, True).mean() + penalty}

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Draw) -> Losses:
        return {"loss": -network(network(batch.images + draw.normal(batch.images.shape)), True).mean()}


def main(folder: Path, devices: int, stop: int) -> None:
    torch.set_num_threads(1)
    progress = Progress()
    validation: dict[int, float] = {}
    told: list[int] = []

    def report(update: TrainingUpdate) -> None:
        assert update.validation is not None
        validation[update.step] = update.validation
        if update.step == stop:
            progress.cancel()

    session = TrainingSession(folder=folder, devices=devices, report=report, at_step=told.append)
    task = TinyTask(norm=False, dropout=0.0)
    state = None
    with suppress(Cancelled):
        state = run_training(task, source(), training=SETTINGS, seed=0, session=session, progress=progress)
    if stop:
        assert state is None
        state = run_training(task, source(), training=SETTINGS, seed=0, session=replace(session, resume=True), progress=Progress())
    assert told[0] == 0, "every process is told, also of the beginning"
    assert told[-1] == SETTINGS.steps
    halves = run_training(HalvesTask(), source(), training=PARAMS, seed=0, session=TrainingSession(devices=devices), progress=Progress())
    state = {**state, **{f"halves.{name}": value for name, value in halves.items()}}
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        curve = np.array([validation[step] for step in sorted(validation)])
        np.savez(folder / "weights.npz", **state, curve=curve)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
