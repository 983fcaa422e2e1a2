"""What a preprocessing step is: parameters in, a volume and a record out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding
from ..core.params import Params
from ..core.progress import Progress
from ..core.volume import Volume
from .warp import Warp

REFERENCE_ORDER = ("T1", "T1c", "FLAIR", "T2", "PD")
"""Which sequence of a patient the others are aligned to: the first of these that is there."""


def patient_order(names: Iterable[str]) -> list[str]:
    """A patient's sequences in the order they are prepared in: the reference first."""
    return sorted(names, key=lambda name: REFERENCE_ORDER.index(name) if name in REFERENCE_ORDER else len(REFERENCE_ORDER))


@dataclass(frozen=True, eq=False)
class Reference:
    """The sequence of the same patient that the others are aligned to.

    Parameters
    ----------
    volume : Volume
        The whole head (as loaded) with its brain mask, in its own space.
    matrix : array, shape (4, 4), or None
        World mm of the template to world mm of `volume`, once that is known.
    warp : Warp, optional
        What is done to points of the template before `matrix`.
    """

    volume: Volume
    matrix: NDArray[np.float64] | None = None
    warp: Warp | None = None


@dataclass(frozen=True, eq=False)
class Context:
    """What a step may know besides its input.

    Parameters
    ----------
    reference : Reference, optional
        Given for the second and later sequences of a patient.
    recorded : mapping, optional
        The outcome of the same step in an earlier run: it is used instead of searching again.
    recorded_warp : Warp, optional
        The deformation of that run, if it had one: too large for the record, which holds its hash.
    progress : Progress
        Told how far the step is; its cancelling stops it.
    """

    reference: Reference | None = None
    recorded: Mapping[str, Any] | None = None
    recorded_warp: Warp | None = None
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, eq=False)
class StepResult:
    """What a step gave.

    Parameters
    ----------
    volume : Volume
        The image after the step, on whatever grid it now has.
    matrix : array, shape (4, 4)
        World mm after the step to world mm before it; the identity unless the step moves the patient.
    warp : Warp, optional
        A deformation of the space after the step, done before `matrix`.
    outcome : mapping
        What was found rather than asked for, as JSON data: with it a replay gives the same array without searching again.
    said : str
        What happened, in words, for the user.
    findings : tuple of Finding
        What the user has to know.
    """

    volume: Volume
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    outcome: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""
    findings: tuple[Finding, ...] = ()
    warp: Warp | None = None


@dataclass(frozen=True)
class Step(Params):
    """Base of all steps: a `Params` whose fields are the step's settings.

    Subclasses set ``ID`` (what pipelines call it), ``TITLE`` (what users read) and ``SHARE`` (its part of a pipeline's time, for
    the progress bar).
    """

    ID: ClassVar[str]
    TITLE: ClassVar[str]
    SHARE: ClassVar[float] = 1.0

    @abstractmethod
    def apply(self, volume: Volume, context: Context) -> StepResult:
        """Run the step.

        Raises
        ------
        InputError
            If the volume does not fit the step, naming what is missing.
        Cancelled
            If the user stopped it.
        """
