"""What a training will take, measured: a few real steps on made-up scans, before all the others are loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.detector import MethodInfo
from ...core.errors import Cancelled, InputError
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.text import counted
from ...core.volume import Grid, Volume
from ...detectors.base.detector import BaseDetector
from ...detectors.base.stages import Fitting, GradientStage, fit_stages
from ...preprocessing.presets import preset
from ...training.params import TrainingParams
from ...training.session import TrainingSession
from ..detect.estimate import Estimate, duration_words, preparation_seconds, told
from ..models.method_spec import MethodSpec, ParamsInput
from .known_anomalies import AnomaliesInput, count_anomalies
from .train import TrainingInput, check_sequences, prepared_detector
from .training_data import TrainingData, describe, first_scan

if TYPE_CHECKING:
    import torch

_STEPS, _ENOUGH = 8, 10.0
"""Steps to try, and seconds after which fewer do."""

_OWN_BYTES = 700_000_000
"""Python, torch, and the scan that is just being cut into slices."""

_SAMPLES_BYTES = 3_000_000
"""Slices of one scan, kept for the whole training."""


@told_as_error()
def estimate_training(
    method: str | MethodSpec,
    data: TrainingData,
    *,
    params: ParamsInput = None,
    training: TrainingInput = None,
    device: str = "auto",
    progress: Progress | None = None,
    anomalies: AnomaliesInput = None,
) -> Estimate:
    """Time and memory of a training.

    Parameters
    ----------
    method, data, params, training, device, anomalies
        As for `workflows.train.train.train`.

    Returns
    -------
    Estimate
        Of the whole training, with loading (and preparing or simulating) the scans. Those with known anomalies are taken to load as the
        healthy ones do; what is kept of their lesions is not counted in the memory, and the words say so.

    Raises
    ------
    InputError
        If the settings or the known anomalies cannot be used, or there is nothing to train on.
    DeviceError
        If the device is not there, or has too little memory for the network.
    """
    progress = progress or Progress()
    detector, settings, used = prepared_detector(MethodSpec.of(method, params=params), training, device)
    summary = describe(data)
    if not summary.count:
        why = "; ".join(summary.problems) or summary.words
        raise InputError(f"{detector.INFO.id} has nothing to train on", why=why, fix="Choose other data")
    known = count_anomalies(anomalies, detector.INFO.id, data)
    progress.update(0.0, "Reading one scan")
    start = time.perf_counter()
    scan, raw = first_scan(data)
    check_sequences(detector.INFO, [scan.sequence] if scan.sequence else [])
    each = time.perf_counter() - start + (preparation_seconds(preset(data.preset or detector.INFO.preset).pipeline) if raw else 0.0)
    loading = each * (summary.count + known)
    words = [f"Of this {duration_words(loading).lower()} for {'preparing' if raw else 'reading'} the scans"]
    if known:
        words.append(f"{counted(known, 'scan')} with known anomalies among them, whose features are not counted in the memory")
    words.append(used.words)
    if settings is None:
        return told(loading, 2 * summary.count * scan.data.nbytes, *words)
    steps, memory = _measured(detector, settings, progress)
    return told(loading + steps, _OWN_BYTES + memory + summary.count * _SAMPLES_BYTES, *words)


def _measured(detector: BaseDetector, settings: TrainingParams, progress: Progress) -> tuple[float, int]:
    """Seconds of all steps of all networks, which are trained one after the other, and bytes."""
    trial = Progress(lambda fraction, words: progress.update(fraction, "Trying a few steps"))
    clocks: list[list[float]] = []
    """Of each network that was tried: when it began, and when each step was done."""

    def tick(step: int) -> None:
        if step == 0:
            clocks.append([])
        clocks[-1].append(time.perf_counter())
        if progress.cancelled or (step > 1 and clocks[-1][-1] - clocks[-1][0] > _ENOUGH):
            trial.cancel()

    stages = detector.stages()
    short = [replace(stage, training=partial(_short, stage)) if isinstance(stage, GradientStage) else stage for stage in stages]
    session = TrainingSession(device=detector.device, at_step=tick)
    with _watched() as seen, suppress(Cancelled):
        fit_stages(short, [_made_up(detector.INFO)], Fitting({}, 0, settings, session, trial))
    progress.check()
    own = [_of_stage(stage, settings).steps for stage in stages if isinstance(stage, GradientStage)]
    each = [_seconds_a_step(clock) for clock in clocks]
    # Networks that were not come to are taken to be as quick as the last that was.
    each += each[-1:] * (len(own) - len(each))
    copies = (settings.ema_decay > 0) + (settings.keep_best or settings.patience > 0)
    # Weights and gradients, the optimizer's numbers, and once more all that goes into a checkpoint.
    kept = seen.weights * (1 + copies) + seen.optimizer
    seconds = sum(steps * step for steps, step in zip(own, each, strict=True))
    return seconds, kept + seen.weights + seen.activations + kept


def _of_stage(stage: GradientStage, settings: TrainingParams) -> TrainingParams:
    return settings if stage.training is None else stage.training(settings)


def _short(stage: GradientStage, settings: TrainingParams) -> TrainingParams:
    own = _of_stage(stage, settings)
    return replace(own, steps=min(own.steps, _STEPS), patience=0, keep_best=False)


def _seconds_a_step(clock: list[float]) -> float:
    """The first step also warms up; the middle one of the others stands for all."""
    each = np.diff(clock)
    return float(np.median(each[1:] if len(each) > 1 else each))


@dataclass
class _Seen:
    weights: int = 0
    optimizer: int = 0
    activations: int = 0


@contextmanager
def _watched() -> Iterator[_Seen]:
    """Counts the bytes of weights, optimizer and what is kept for the gradients, on any device."""
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    seen, kept = _Seen(), dict[int, int]()
    backward = False

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal backward
        if backward:
            kept.clear()
            backward = False
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        seen.activations = max(seen.activations, sum(kept.values()))
        return tensor.detach()

    def unpack(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal backward
        backward = True
        return tensor

    def count(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if optimizer.param_groups[0]["params"][0].is_cuda:
            torch.cuda.synchronize()  # or the clock would be looked at before the step is done
        seen.weights = sum(weight.nbytes for group in optimizer.param_groups for weight in group["params"])
        values = [value for entry in optimizer.state.values() for value in entry.values()]
        seen.optimizer = sum(value.nbytes for value in values if isinstance(value, torch.Tensor))

    handle = register_optimizer_step_post_hook(count)
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            yield seen
    finally:
        handle.remove()


def _made_up(info: MethodInfo) -> Volume:
    """A ball of noise of a brain's size: what a step takes does not depend on what it sees, but some methods ask for a known sequence."""
    size, spacing = 96, 2.0
    axis = (np.arange(size) - (size - 1) / 2) * spacing
    brain = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 75.0**2
    data = np.where(brain, np.random.default_rng(0).uniform(50, 150, (size, size, size)), 0).astype(np.float32)
    return Volume(
        data,
        Grid(data.shape, np.diag([spacing, spacing, spacing, 1.0])),
        "made-up",
        brain,
        next(iter((*info.learns_from, *info.sequences)), None),
    )
