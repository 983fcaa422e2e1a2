"""Where one training runs, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.volume import Volume

CHECKPOINT_SECONDS = 110.0
"""So long a cancelled training has for the step it is in and its last checkpoint: a scheduler is asked to give it 120 s."""


def check_shares(batch_size: int, devices: int) -> None:
    """Raise `InputError` unless batches can be shared equally among so many devices."""
    if batch_size % devices:
        why = f"{batch_size} cannot be shared equally among {devices} devices"
        raise InputError("batch_size", why=why, fix="Choose a multiple of the number of devices")


@dataclass(frozen=True, eq=False)
class TrainingUpdate:
    """What a training says of itself after a step.

    Parameters
    ----------
    step, steps : int
        Steps done, steps in all.
    losses : dict of str to float
        Mean of each part of the loss since the last update; "loss" is what was minimised.
    validation : float or None
        Loss on healthy scans the training has not seen, when it was just computed.
    learning_rate : float
        In use.
    seconds : float
        Of training so far, without the breaks between runs.
    samples_per_second : float
        Since the last update.
    pictures : dict of str to array of float32, or None
        With each validation, some of its samples by what is shown ("input", "reconstruction", ...), each of shape (n, ...).
    stage : str
        Which of the detector's stages is trained; "" where there is one.
    """

    step: int
    steps: int
    losses: dict[str, float]
    validation: float | None
    learning_rate: float
    seconds: float
    samples_per_second: float
    pictures: Mapping[str, NDArray[np.float32]] | None = None
    stage: str = ""


@dataclass(frozen=True, eq=False)
class LabelledScan:
    """A scan with anomalies that somebody has marked.

    Parameters
    ----------
    volume : Volume
        With its brain mask.
    truth : array of bool, shape of ``volume.data``
        The anomalies.

    Raises
    ------
    InputError
        If the two differ in shape.
    """

    volume: Volume
    truth: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.truth.shape != self.volume.data.shape:
            why = f"they have the shape {self.truth.shape}, the scan {self.volume.data.shape}"
            raise InputError(f"The known anomalies of {self.volume.name}", why=why, fix="Resample them to the scan's grid")


def _say_nothing(update: TrainingUpdate) -> None:
    pass


def _do_nothing(step: int) -> None:
    pass


@dataclass(frozen=True, eq=False)
class TrainingSession:
    """Where a training runs. The default keeps everything in memory, on the CPU.

    Parameters
    ----------
    folder : Path, optional
        Takes checkpoints and the log (``log.csv``); nothing is written when None.
    resume : bool
        Go on from the checkpoint in `folder`; the result is the same to the bit as without the break (on the CPU).
    device : str
        "cpu", "cuda" or "mps".
    devices, nodes : int
        How many of them on how many machines (Fabric's DDP when more than one).
    validation : sequence of Volume
        Healthy scans that are not trained on.
    report : callable
        Called with a `TrainingUpdate` now and then, from the thread that trains; of several processes in the first one alone.
    known : sequence of LabelledScan
        Scans with known anomalies, for the methods that learn from them too (`detectors.base.detector.BaseDetector.LEARNS_ANOMALIES`).
    at_step : callable
        Called with the number of steps done, in every process: before the first step of a run, and right after each.
    """

    folder: Path | None = None
    resume: bool = False
    device: str = "cpu"
    devices: int = 1
    nodes: int = 1
    validation: Sequence[Volume] = ()
    report: Callable[[TrainingUpdate], None] = _say_nothing
    known: Sequence[LabelledScan] = ()
    at_step: Callable[[int], None] = _do_nothing
