"""Voxel-wise Gaussian model of registered healthy scans: mean and variance, or a low-rank covariance (PCA).

Saase, Wenz, Ganslandt, Groden, Maros: "Simple statistical methods for unsupervised brain anomaly detection on MRI are
competitive to deep learning methods" (2020, arXiv:2011.12735). No network is trained: the score is how many standard
deviations a voxel lies from what healthy scans show at the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.checks import raise_errors
from ...core.detector import MethodInfo, State
from ...core.errors import InputError, ModelError
from ...core.params import Params, param
from ...core.progress import Progress
from ...core.threshold import ThresholdRule
from ...core.volume import Grid, Volume
from ..base.detector import BaseDetector
from ..base.smoothing import smoothed
from ..base.stages import EstimateStage, Fitting, Stage

_STATE = {"mean": (3, "f"), "deviation": (3, "f"), "support": (3, "b"), "components": (2, "f"), "affine": (2, "f")}


@dataclass(frozen=True)
class CovarianceParams(Params):
    """Settings of `Covariance`."""

    smoothing_mm: float = param(
        2.0,
        "Gaussian smoothing of every scan before the statistics (sigma)",
        label="Scan smoothing",
        unit="mm",
        low=0.0,
        high=20.0,
        step=0.5,
        role="network",
    )
    components: int = param(
        0,
        "Principal components of the healthy scans to remove first; 0 = voxel-wise Gaussian",
        label="Principal components",
        low=0,
        high=200,
        step=1,
        role="network",
    )
    tail: str = param(
        "both", "Which departures count: both, brighter only, darker only", label="Departures counted", choices=("both", "bright", "dark")
    )
    floor: float = param(
        0.1,
        "Smallest standard deviation, as a fraction of its median over the brain; keeps voxels of near-zero variance from exploding",
        label="Smallest deviation",
        low=0.001,
        high=1.0,
        step=0.01,
        advanced=True,
    )


class Covariance(BaseDetector):
    """Score = departure from the healthy mean in healthy standard deviations.

    With ``components = 0`` the covariance is diagonal and the score is the Mahalanobis distance of each voxel's intensity,
    ``|x - mean| / sd``. With ``components = k`` the part of ``x - mean`` that lies in the span of the k leading principal
    components of the healthy scans is removed first, which leaves the residual that healthy variation does not explain.
    """

    Params = CovarianceParams
    INFO = MethodInfo(
        id="covariance",
        name="Voxel-wise Gaussian (covariance / PCA)",
        family="Statistical atlas",
        summary="Mean and variance of registered healthy scans at every voxel; no network. Needs scans on one common grid (MNI).",
        paper="Saase et al. 2020, Simple statistical methods for unsupervised brain anomaly detection on MRI, arXiv:2011.12735",
        licence="BSD-3-Clause; no weights",
        needs="At least 3 healthy scans of the same sequence, registered to the grid of the scan",
        sequences=(),
        trainable=True,
        score_unit="standard deviations from the healthy mean",
        preset="clinical",
        default_threshold=ThresholdRule("percentile", 95.0),
        seconds_per_megavoxel=0.3,
        bytes_per_voxel=32.0,
    )
    params: CovarianceParams

    def __init__(self, params: CovarianceParams | None = None) -> None:
        super().__init__(params)
        self._state: State = {}

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`."""
        return (EstimateStage("", self._estimate),)

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """Mean, standard deviation and principal components of the healthy scans.

        Raises
        ------
        InputError
            With fewer than 3 scans, or scans on different grids.
        """
        stack, support, grid = self._standardised(volumes, how.progress)
        if not support.any():
            raise InputError("covariance", why="no voxel lies inside the brain of every scan", fix="Register the scans to one template")
        mean = stack.mean(axis=0)
        stack -= mean
        components = self._principal_components(stack[:, support], how.progress)
        residual = stack[:, support] - (stack[:, support] @ components.T) @ components
        deviation = np.ones(grid.shape, np.float32)
        deviation[support] = residual.std(axis=0, ddof=1)
        how.progress.update(1.0, "Fitted")
        return {"mean": mean, "deviation": deviation, "support": support, "components": components, "affine": grid.affine.copy()}

    def _standardised(self, volumes: Sequence[Volume], progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.bool_], Grid]:
        """All scans, shape (n, i, j, k), where all of them are brain, and their grid."""
        _enough(len(volumes))
        read, grid = 0, None
        for number, volume in enumerate(volumes):
            progress.update(0.6 * number / len(volumes), f"Reading {volume.name}")
            if grid is None:
                grid = volume.grid
                support = np.ones(grid.shape, bool)
                stack = np.empty((len(volumes), *grid.shape), np.float32)
            raise_errors(volume.name, grid.compare(volume.grid, "scan"))
            mask = volume.brain
            support &= mask
            stack[read] = self._standardise(volume, mask)
            read += 1
        _enough(read)  # a training's scans that cannot be read are left out
        assert grid is not None
        return stack[:read], support, grid

    def state(self) -> State:
        """Mean, standard deviation, support and components; empty before `fit`."""
        return dict(self._state)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a fitted state; see `core.detector.Detector`."""
        if not state:
            self._state = {}
            return
        self._check_state(state, _STATE)
        voxels = int(np.count_nonzero(state["support"]))
        shapes = {state[name].shape for name in ("mean", "deviation", "support")}
        if len(shapes) > 1 or state["affine"].shape != (4, 4) or state["components"].shape[1] != voxels:
            raise ModelError("Model of covariance", why="its arrays do not fit each other", fix="Train the model again")
        self._state = {name: np.asarray(array) for name, array in state.items()}

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        if not self._state:
            raise ModelError("covariance has not been fitted", fix="Train it on healthy scans, or load a model")
        support, components = self._state["support"], self._state["components"]
        raise_errors(volume.name, Grid(support.shape, self._state["affine"]).compare(volume.grid, "scan"))
        inside = support & mask
        if not inside.any():
            raise InputError(volume.name, why="its brain does not overlap the model's", fix="Register it to the model's grid")
        departure = self._standardise(volume, mask) - self._state["mean"]
        progress.update(0.5, "Comparing with healthy scans")
        departure[~inside] = 0.0
        flat = departure[support]
        departure[support] = flat - (components @ flat) @ components
        deviation = self._state["deviation"]
        floor = self.params.floor * float(np.median(deviation[support]))
        score = departure / np.maximum(deviation, max(floor, 1e-6))
        signed = {"both": np.abs(score), "bright": np.maximum(score, 0), "dark": np.maximum(-score, 0)}[self.params.tail]
        return np.asarray(np.where(inside, signed, 0.0), dtype=np.float32)

    def _standardise(self, volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Zero mean and unit variance inside the brain, then smoothed within it: scanners scale intensities freely."""
        inside = volume.data[mask]
        spread = float(inside.std(dtype=np.float64))  # float32 squares overflow above 1e19
        if spread == 0:
            raise InputError(volume.name, why="the brain has one constant intensity", fix="Leave this scan out")
        image = np.where(mask, (volume.data - inside.mean(dtype=np.float64)) / spread, 0.0).astype(np.float32)
        if self.params.smoothing_mm == 0:
            return image
        return smoothed(image, mask, volume.grid.spacing, self.params.smoothing_mm)

    def _principal_components(self, centred: NDArray[np.float32], progress: Progress) -> NDArray[np.float32]:
        """Leading right singular vectors of the scans, shape (k, voxels), from the small scans-by-scans Gram matrix."""
        count = self.params.components
        if count == 0:
            return np.zeros((0, centred.shape[1]), np.float32)
        if count > len(centred) - 2:
            raise InputError(
                self.params.called("components"),
                why=f"{count} of {len(centred)} scans leave no variance",
                fix=f"At most {len(centred) - 2}",
            )
        progress.update(0.7, "Principal components")
        values, vectors = np.linalg.eigh(centred @ centred.T)
        leading = vectors[:, ::-1][:, :count].T @ centred
        return np.asarray(leading / np.sqrt(values[::-1][:count, None]), dtype=np.float32)


def _enough(scans: int) -> None:
    if scans < 3:
        raise InputError("covariance", why=f"{scans} healthy scans given, a variance needs at least 3", fix="Give more scans")
