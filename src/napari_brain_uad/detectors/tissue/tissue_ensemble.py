"""Tissue restoration and segmentation of synthetic anomalies together: the method that is recommended where it is the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.volume import Volume
from ...training.params import TrainingParams
from ..base.detector import BaseDetector
from ..base.ensemble import Ensemble, Maps
from .anomaly_segmentation import AnomalySegmentation
from .params import RESTORATION, SEGMENTATION, TissueEnsembleParams, TissueTraining
from .tissue_restoration import TissueRestoration
from .tissues import CARD

_MEMBERS: dict[str, type[BaseDetector]] = {RESTORATION: TissueRestoration, SEGMENTATION: AnomalySegmentation}


class TissueEnsemble(Ensemble):
    """What is segmented as anomalous counts 1, missing white matter less; where both are found, as in a probabilistic or.

    On T1 and T1c missing white matter counts less than on other sequences: there the folds of the cortex look more like it.
    """

    Params = TissueEnsembleParams
    Training: ClassVar[type[TrainingParams] | None] = TissueTraining
    REQUIRES = ("torch",)
    INFO = replace(
        CARD,
        id="tissue-ensemble",
        name="Tissue ensemble",
        family="Ensemble",
        summary="Tissue restoration and a network that segments synthetic anomalies, combined into one score.",
        paper="A method of this project: see tissue-restoration (after StRegA, doi:10.1016/j.compbiomed.2022.106093) and "
        "anomaly-segmentation (after Tan et al. 2020, arXiv:2011.04197)",
        seconds_per_megavoxel=2.0,
    )
    params: TissueEnsembleParams

    def _members(self) -> dict[str, BaseDetector]:
        settings = self.params.as_dict()
        known = {name: [setting for setting, _, _ in kind.Params.describe()] for name, kind in _MEMBERS.items()}
        return {
            name: kind(kind.Params.from_dict({setting: settings[setting] for setting in known[name]})) for name, kind in _MEMBERS.items()
        }

    def _shares(self) -> Mapping[str, float]:
        return {RESTORATION: 0.9, SEGMENTATION: 0.1}

    def _combined(self, maps: Maps, volume: Volume) -> NDArray[np.float32]:
        sequence = volume.sequence if self.params.sequence == "auto" else self.params.sequence
        on_t1 = sequence in ("T1", "T1c")
        missing = np.float32(self.params.restoration_weight_t1 if on_t1 else self.params.restoration_weight) * maps[RESTORATION]
        return np.asarray(missing + (1.0 - missing.clip(0.0, 1.0)) * maps[SEGMENTATION], np.float32)
