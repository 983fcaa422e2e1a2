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
from napari_brain_uad.training.loop import run_training
from napari_brain_uad.training.session import TrainingSession, TrainingUpdate

SETTINGS = replace(PARAMS, optimizer="sgd", learning_rate=0.1, augmentation="mild", ema_decay=0.5, clip_norm=1.0, validate_every=1)


def main(folder: Path, devices: int, stop: int) -> None:
    torch.set_num_threads(1)
    progress = Progress()
    validation: dict[int, float] = {}

    def report(update: TrainingUpdate) -> None:
        assert update.validation is not None
        validation[update.step] = update.validation
        if update.step == stop:
            progress.cancel()

    session = TrainingSession(folder=folder, devices=devices, report=report)
    task = TinyTask(norm=False, dropout=0.0)
    state = None
    with suppress(Cancelled):
        state = run_training(task, source(), training=SETTINGS, seed=0, session=session, progress=progress)
    if stop:
        assert state is None
        state = run_training(task, source(), training=SETTINGS, seed=0, session=replace(session, resume=True), progress=Progress())
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        curve = np.array([validation[step] for step in sorted(validation)])
        np.savez(folder / "weights.npz", **state, curve=curve)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
