"""What all methods share: parameter checks, the brain mask, provenance. A method writes only what is its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.checks import check_mask_not_empty, check_not_constant, raise_errors
from ...core.detector import MethodInfo, State, state_is_finite
from ...core.errors import InputError, ModelError
from ...core.extremes import without_extremes
from ...core.optional import require
from ...core.params import Params as AnyParams
from ...core.progress import Progress
from ...core.provenance import array_sha256, state_sha256, versions
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...training.params import TrainingParams
from ...training.session import TrainingSession
from .stages import Fitting, Stage, fit_stages


class BaseDetector(ABC):
    """Implements `core.detector.Detector` but for the method itself.

    Parameters
    ----------
    params : Params, optional
        Of the class's own `Params`; defaults when None.

    Raises
    ------
    InputError
        If the parameters are another method's, or a package that it computes with is not installed.
    """

    INFO: ClassVar[MethodInfo]
    Params: ClassVar[type[AnyParams]]
    Training: ClassVar[type[TrainingParams] | None] = None
    """Settings of its training; None for methods that train in one go or not at all."""

    REQUIRES: ClassVar[tuple[str, ...]] = ()
    """Optional packages that it computes with: top-level modules, see `core.optional`."""

    LEARNS_ANOMALIES: ClassVar[bool] = False
    """Whether it learns from known anomalies, too, where they are given; all others learn from healthy scans alone."""

    device: str = "cpu"
    """Where it computes; set it before `fit`, `load_state` and `score`."""

    def __init__(self, params: AnyParams | None = None) -> None:
        own = self.Params() if params is None else params
        if type(own) is not self.Params:
            raise InputError(f"{self.INFO.id} takes its own parameters", why=f"these are {type(own).__qualname__}")
        require(*self.REQUIRES, what_for=f"{self.INFO.id} cannot be used here")
        self.params = own

    @abstractmethod
    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        """The raw score, shape of the volume; what lies outside `mask` is ignored by the caller."""

    def stages(self) -> tuple[Stage, ...]:
        """What it learns, one after the other; nothing by default."""
        return ()

    def fit(
        self,
        volumes: Sequence[Volume],
        *,
        seed: int = 0,
        progress: Progress | None = None,
        training: TrainingParams | None = None,
        session: TrainingSession | None = None,
    ) -> None:
        """Learn from healthy scans; methods that learn nothing refuse, so that nobody believes they did. See `core.detector.Detector`."""
        stages = self.stages()
        if not stages:
            raise InputError(f"{self.INFO.id} learns nothing from data", fix="Use it as it is, without training")
        if session is not None and session.known and not self.LEARNS_ANOMALIES:
            raise InputError(f"{self.INFO.id} learns from healthy scans alone", fix="Leave the known anomalies out")
        own = training or (self.Training or TrainingParams)()
        self.load_state(fit_stages(stages, volumes, Fitting({}, seed, own, session or TrainingSession(), progress or Progress())))

    def check_parts(self) -> None:  # noqa: B027  # most methods need nothing
        """Raise unless what a method needs beside its scans is there: a backbone's weights. Asked before a training reads any scan."""

    def state(self) -> State:
        """What was learned (see `core.detector.Detector`)."""
        return {}

    def shipped_state(self) -> State:
        """What was learned, as small as it can be kept: weights of networks as float16."""
        return self.state()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state; a method without one accepts only an empty one."""
        self._check_state(state, {})

    def score(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> AnomalyMap:
        """Score every voxel of the brain; see `core.detector.Detector`."""
        progress = progress or Progress()
        progress.update(0.0, f"{self.INFO.name}: starting")
        volume = without_extremes(volume)
        mask = volume.brain
        findings = (check_mask_not_empty(mask), check_not_constant(volume.data[mask], " of the brain") if mask.any() else None)
        raise_errors(volume.name, findings)
        raw = self._score(volume, mask, seed=seed, progress=progress)
        progress.update(1.0, f"{self.INFO.name}: done")
        background = self._background(raw[mask])
        # Laid out in memory as the scan is: mixed orders make every later comparison of map and mask several times slower.
        score = np.full_like(volume.data, background)
        np.copyto(score, raw, where=mask)
        return AnomalyMap(
            score=score,
            grid=volume.grid,
            mask=mask,
            unit=self.INFO.score_unit,
            method=self.INFO.id,
            name=volume.name,
            default_threshold=self._default_threshold(),
            source=volume.source,
            provenance=self._provenance(volume, mask, seed),
            background=background,
        )

    def parameter_count(self) -> int:
        """How many weights the networks of all its stages have, with these settings; trained or not."""
        return 0

    def reconstruct(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """Pictures of how a scan is scored, by what they show, each on the scan's grid: what the method compares, and with what.

        Raises
        ------
        InputError, ModelError, Cancelled
            As `score`; also when the method makes none.
        """
        raise InputError(f"{self.INFO.id} reconstructs nothing", fix="Choose a method that reconstructs the scan")

    def _default_threshold(self) -> ThresholdRule:
        """The rule used when the user asks for none, with the settings in use."""
        return self.INFO.default_threshold

    def _background(self, scores: NDArray[np.float32]) -> float:
        """Score of the voxels outside the brain: 0, or less where a raw score can be negative, so that they rank last."""
        return min(0.0, float(scores.min()))

    def _colour_limits(self) -> tuple[float, float] | None:
        """Fixed colour scale of the map with the settings in use; `gui.layers.layers` finds it in the provenance."""
        return self.INFO.colour_limits

    def _provenance(self, volume: Volume, mask: NDArray[np.bool_], seed: int) -> dict[str, Any]:
        limits = self._colour_limits()
        return {
            "method": {
                "id": self.INFO.id,
                "paper": self.INFO.paper,
                "params": self.params.as_dict(),
                "weights_sha256": state_sha256(self.state()),
                "colour_limits": None if limits is None else list(limits),
            },
            "seed": seed,
            "input": {
                "name": volume.name,
                "file_sha256": volume.source.sha256 if volume.source else "",
                "voxels_sha256": array_sha256(volume.data),
                "mask_sha256": array_sha256(mask),
                "sequence": volume.sequence,
                "sequence_origin": volume.sequence_origin,
                "grid": volume.grid.as_dict(),
                "findings": [finding.as_dict() for finding in volume.findings],
            },
            "versions": versions(),
        }

    def _check_state(self, state: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[int, str]]) -> None:
        """Raise `ModelError` unless `state` has exactly the names of `expected` (name -> (ndim, dtype kind)), all finite."""
        what = f"Model of {self.INFO.id}"
        if set(state) != set(expected):
            raise ModelError(what, why=f"it holds {sorted(state)}, not {sorted(expected)}", fix="Load a model trained with this method")
        for name, (ndim, kind) in expected.items():
            if state[name].ndim != ndim or state[name].dtype.kind != kind:
                raise ModelError(
                    what, why=f"'{name}' is {state[name].dtype} with {state[name].ndim} dimensions", fix="Train the model again"
                )
        if not state_is_finite(state):
            raise ModelError(what, why="it holds NaN or infinite numbers", fix="Train the model again")
