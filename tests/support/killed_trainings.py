"""Runs trainings that are killed at random moments, each resuming the one before. ``python killed_trainings.py FOLDER KILLS SEED``.

Each training is a fork of this process, which has already imported torch: a hundred of them take seconds. What is found after every
kill is printed as one line of JSON; the folder holds the last checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tiny_training import PARAMS, TinyTask, source

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.training.loop import run_training
from napari_brain_uad.training.session import TrainingSession

KILLED = replace(PARAMS, steps=1_000_000, checkpoint_every=1, ema_decay=0.9)


def train(folder: Path, started: int) -> None:
    """Train, and say through a pipe when the steps begin."""

    def listen(_: float, message: str) -> None:
        if message.startswith("Training in"):
            os.write(started, b"!")

    session = TrainingSession(folder=folder, resume=True)
    run_training(TinyTask(), source(), training=KILLED, seed=0, session=session, progress=Progress(listen))


def seconds_a_step() -> float:
    """A step with its checkpoint, on this disk and this busy machine."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        session = TrainingSession(folder=Path(folder))
        run_training(TinyTask(), source(), training=replace(KILLED, steps=5), seed=0, session=session, progress=Progress())
        return (time.perf_counter() - start) / 5


def writing(folder: Path) -> bool:
    """Whether a file is under way, or was when the training ended: those have names with a dot in front."""
    return any(path.name.startswith(".") for path in folder.iterdir())


def wait_for_a_write(folder: Path, seconds: float) -> None:
    """Return as soon as a file is under way that is not left over from a training killed before."""
    left_over = {path.name for path in folder.iterdir()}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if any(path.name.startswith(".") and path.name not in left_over for path in folder.iterdir()):
            return


def main(folder: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    step_seconds = seconds_a_step()
    rng = np.random.default_rng(seed)
    found = {"kills": 0, "step": 0, "in_a_write": 0, "without": 0}
    while found["kills"] < kills:
        waiting, started = os.pipe()
        child = os.fork()
        if child == 0:
            train(folder, started)
            os._exit(1)
        os.close(started)
        # Of five, one is killed while it starts, two while they train, and two while they write, however fast this disk is.
        kind = found["kills"] % 5
        if kind:
            os.read(waiting, 1)
        time.sleep(float(rng.uniform(0.0, 3 * step_seconds)))
        if kind > 2:
            wait_for_a_write(folder, 100 * step_seconds)
        os.close(waiting)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the training ended by itself"
        found["kills"] += 1
        found["in_a_write"] += writing(folder)
        if not (folder / "checkpoint.json").exists():
            assert found["step"] == 0, "a checkpoint is gone"
            found["without"] += 1
            continue
        step = load_checkpoint(folder / "checkpoint").meta["step"]
        assert step >= found["step"], "an older checkpoint is back"
        found["step"] = step
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
