"""What a training will take, measured: a few real steps on made-up scans, before all the others are loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.detector import MethodInfo
from ...core.errors import Cancelled, InputError
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.text import counted
from ...core.volume import Grid, Volume
from ...detectors.base.detector import BaseDetector
from ...detectors.base.stages import GradientStage
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
    step, memory = _measured(detector, settings, progress)
    return told(loading + step * _steps(detector, settings), _OWN_BYTES + memory + summary.count * _SAMPLES_BYTES, *words)


def _steps(detector: BaseDetector, settings: TrainingParams) -> int:
    """Those of all its networks, which are trained one after the other."""
    own = [stage.training for stage in detector.stages() if isinstance(stage, GradientStage)]
    return sum((settings if of_stage is None else of_stage(settings)).steps for of_stage in own)


def _measured(detector: BaseDetector, settings: TrainingParams, progress: Progress) -> tuple[float, int]:
    """Seconds a step, and bytes."""
    short = replace(settings, steps=_STEPS, patience=0, keep_best=False)
    trial = Progress(lambda fraction, words: progress.update(fraction, "Trying a few steps"))

    def enough(clock: list[float]) -> None:
        if progress.cancelled or (len(clock) > 1 and clock[-1] - clock[0] > _ENOUGH):
            trial.cancel()

    with _watched(enough) as seen, suppress(Cancelled):
        detector.fit([_made_up(detector.INFO)], seed=0, progress=trial, training=short, session=TrainingSession(device=detector.device))
    progress.check()
    # The first step also warms up; the middle one of the others stands for all.
    step = float(np.median(np.diff(seen.clock)))
    copies = (settings.ema_decay > 0) + (settings.keep_best or settings.patience > 0)
    # Weights and gradients, the optimizer's numbers, and once more all that goes into a checkpoint.
    kept = seen.weights * (1 + copies) + seen.optimizer
    return step, kept + seen.weights + seen.activations + kept


@dataclass
class _Seen:
    weights: int = 0
    optimizer: int = 0
    activations: int = 0
    clock: list[float] = field(default_factory=list)


@contextmanager
def _watched(on_step: Callable[[list[float]], None]) -> Iterator[_Seen]:
    """Takes the time of every step, and counts the bytes of weights, optimizer and what is kept for the gradients, on any device."""
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
            torch.cuda.synchronize()
        seen.clock.append(time.perf_counter())
        on_step(seen.clock)
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
