"""Training slices a second: number formats, memory layouts and augmentation, all in one run of the real loop."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torchio as tio

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.training import loop
from napari_brain_uad.training.augment import RECIPES, RandomChanges
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.params import TrainingParams
from napari_brain_uad.training.session import TrainingSession
from napari_brain_uad.workflows.execution.devices import resolve_device

METHODS = ("vae", "ce-vae")
ROUNDS, WARM_UP = 2, 1


@dataclass(frozen=True)
class Way:
    """One way to train."""

    name: str
    precision: str
    channels_last: bool = True
    augmentation: str = "none"


WAYS = (
    Way("float32", "32", channels_last=False),
    Way("float32, channels last", "32"),
    Way("bf16", "bf16", channels_last=False),
    Way("bf16, channels last", "bf16"),
    Way("as the one above, StRegA's augmentation", "bf16", augmentation="strega"),
)


def seconds_a_step(task: Any, slices: np.ndarray, settings: TrainingParams, way: Way, device: str) -> float:
    """The median over the steps after the warm-up."""
    clock: list[float] = []
    progress = Progress(lambda fraction, _: clock.append(time.perf_counter()) if fraction > 0 else None)
    training = replace(settings, precision=way.precision, augmentation=way.augmentation)
    source = loop.ArraySource(slices, slices[:0], 0)
    with ExitStack() as stack:
        if not way.channels_last:
            stack.enter_context(patch.object(loop, "channels_last", lambda network: None))
            stack.enter_context(patch.object(loop, "to_layout", lambda batch: batch))
        loop.run_training(task, source, training=training, seed=0, session=TrainingSession(device=device), progress=progress)
    # On a GPU a step ends long after it was asked for: the whole stretch counts, not its steps.
    steps = np.diff(clock)[WARM_UP:]
    return float(steps.mean() if device == "cuda" else np.median(steps))


def augmentation_ratio() -> tuple[float, float]:
    """CPU milliseconds a slice of StRegA's augmentation: ours, for a batch, and TorchIO's, one slice after the other."""
    images = torch.rand(32, 1, 128, 128)
    batch = Batch(images, torch.ones(32, 128, 128, dtype=torch.bool), torch.arange(32))
    wide = tio.RandomAffine(0.1, (0, 0, 0, 0, -35, 35), image_interpolation="nearest")
    narrow = tio.RandomAffine(0, (0, 0, 0, 0, -15, 15), image_interpolation="nearest")
    often = RECIPES["strega"].often
    theirs = tio.Compose(
        [
            tio.RandomFlip((1,), flip_probability=0.5),
            tio.OneOf({wide: 1, narrow: 1}, p=2 / 3),
            tio.RandomBiasField(0.5, 3, p=often),
            tio.RandomGamma((-0.3, 0.3), p=often),
            tio.RandomGhosting((4, 10), p=often),
            tio.RandomNoise(0, (0, 0.25), p=often),
        ]
    )
    ours = RandomChanges(RECIPES["strega"])
    start = time.process_time()
    for step in range(10):
        ours(batch, 0, step, 0)
    middle = time.process_time()
    for image in images:
        theirs(image[..., None])
    return (middle - start) / 320 * 1000, (time.process_time() - middle) / 32 * 1000


def main() -> None:
    """Print slices a second and the ratios to the first way, the best of two rounds each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", help=f"which (default: {' '.join(METHODS)})")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on the CPU; fewer than its cores when it is busy")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = resolve_device("auto", ("cpu", "cuda", "mps"))
    size, batch, steps = (128, 16, 4) if device.name == "cpu" else (128, 64, 60)
    cores = f", {torch.get_num_threads()} threads" if device.name == "cpu" else ""
    print(f"{device.words}{cores}; slices of {size} x {size}, batches of {batch}")
    ours, theirs = augmentation_ratio()
    print(f"StRegA's augmentation: {ours:.2f} ms of CPU a slice, TorchIO {theirs:.2f} ms, {theirs / ours:.0f} times as much")
    slices = np.random.default_rng(0).random((4 * batch, 1, size, size), np.float32).astype(np.float16)
    settings = TrainingParams(steps=WARM_UP + steps, batch_size=batch, validate_every=1_000_000, checkpoint_every=1_000_000)
    for method in arguments.methods or METHODS:
        found = method_class(method)
        task = found(found.Params.from_dict({"height": size, "width": size}))._task()  # type: ignore[attr-defined]
        rounds = [[seconds_a_step(task, slices, settings, way, device.name) for way in WAYS] for _ in range(ROUNDS)]
        best = np.min(rounds, axis=0)
        print(f"{method}:")
        for way, seconds in zip(WAYS, best, strict=True):
            print(f"  {way.name:40} {batch / seconds:7.0f} slices/s, {best[0] / seconds:4.1f} times the first")


if __name__ == "__main__":
    main()
