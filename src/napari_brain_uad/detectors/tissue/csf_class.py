"""The class of cerebrospinal fluid as the anomaly score: the baseline in StRegA's table that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import MethodInfo
from ...core.params import Params, Scalar
from ...core.progress import Progress
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...preprocessing.tissue_scale import CSF
from ..base.detector import BaseDetector
from .tissues import NEEDS_CLASSES, classes_of, sequence_setting


@dataclass(frozen=True)
class CSFClassParams(Params):
    """Settings of `CSFClass`."""

    sequence: str = sequence_setting()

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"sequence": "T2"}}


class CSFClass(BaseDetector):
    """Score = 1 where a hidden Markov random field sees cerebrospinal fluid, 0 elsewhere."""

    Params = CSFClassParams
    INFO = MethodInfo(
        id="csf-class",
        name="CSF class",
        family="Threshold",
        summary="What is classified as cerebrospinal fluid counts as abnormal, as lesions often are: a floor for methods on tissue.",
        paper="Chatterjee et al. 2022, StRegA, Computers in Biology and Medicine, doi:10.1016/j.compbiomed.2022.106093, section 4",
        licence="BSD-3-Clause; no weights",
        needs=NEEDS_CLASSES,
        sequences=("T2", "T1c", "T1"),
        trainable=False,
        score_unit="1 in cerebrospinal fluid",
        default_threshold=ThresholdRule("value", 0.5),
        preset="clinical",
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=60.0,
        colour_limits=(0.0, 1.0),
    )
    params: CSFClassParams

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        labels = classes_of(volume.with_mask(mask), self.params.sequence, self.INFO.name, progress)
        return np.where(labels == CSF, np.float32(1.0), np.float32(0.0))
