"""Raw intensity and what the networks found, pooled: bright on FLAIR alone, or unlike healthy tissue alone, counts less than both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.params import Value
from ...core.volume import Volume
from ...io.json_files import read_json
from ..base.detector import BaseDetector
from ..base.ensemble import Maps
from ..intensity.robust_intensity import RobustIntensity, RobustIntensityParams, log_evidence
from .params import TissueEnsembleParams
from .tissue_ensemble import TissueEnsemble
from .tissues import sequence_of

INTENSITY = "intensity"
"""The third member."""

LEAST = 1e-8
"""The evidence that counts as none."""

_POOLS = Path(__file__).with_name("combined_evidence.json")


@dataclass(frozen=True)
class CombinedEvidenceParams(TissueEnsembleParams):
    """Settings of `CombinedEvidence`: those of the tissue ensemble."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = TissueEnsembleParams.PRESETS


@dataclass(frozen=True)
class OpinionPool:
    """How two kinds of evidence are pooled on one sequence.

    Parameters
    ----------
    centre, slope : float
        The intensity, in interquartile ranges of the brain above its mode, at which it is evidence 0.5, and over which that changes.
    intensity : float
        Exponent of this evidence; that of the tissue ensemble has the rest up to 1.
    floor : float
        What the tissue ensemble's evidence is at least: what it misses altogether can still be found by intensity.
    """

    centre: float
    slope: float
    intensity: float
    floor: float

    def pooled(self, tissue: NDArray[np.float32], intensity: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weighted geometric mean of both (a logarithmic opinion pool) on a logarithmic scale: 0 for `LEAST` or less, 1 for 1.

        Healthy brains and lesions lie orders of magnitude apart: on the scale of the mean itself all thresholds of use would be next to 0.
        """
        bright = log_evidence(intensity, self.centre, self.slope)
        mean = self.intensity * bright + (1.0 - self.intensity) * np.log(tissue.clip(self.floor, 1.0))
        return np.asarray((1.0 - mean / np.log(LEAST)).clip(0.0, 1.0), np.float32)


@cache
def pools() -> dict[str, OpinionPool]:
    """How evidence is pooled, by sequence; where there is nothing the tissue ensemble's counts alone. Made by ``tools.fit_evidence``."""
    return {sequence: OpinionPool(**values) for sequence, values in read_json(_POOLS, fix="Install again")["pools"].items()}


class CombinedEvidence(TissueEnsemble):
    """The tissue ensemble and the scan's own intensity, as a weighted geometric mean (logarithmic opinion pool, Genest & Zidek 1986).

    Weights and scale of the intensity were chosen for each sequence on synthetic anomalies alone.
    """

    Params = CombinedEvidenceParams
    INFO = replace(
        TissueEnsemble.INFO,
        id="combined-evidence",
        name="Combined evidence",
        summary="Intensity on the brain's own scale and the tissue ensemble, pooled: what is bright and unlike healthy tissue counts most.",
        paper="A method of this project: robust-intensity and tissue-ensemble as a logarithmic opinion pool (Genest and Zidek 1986, "
        "doi:10.1214/ss/1177013825)",
        models_of=("tissue-ensemble",),
    )
    params: CombinedEvidenceParams

    def _members(self) -> dict[str, BaseDetector]:
        return {**super()._members(), INTENSITY: RobustIntensity(RobustIntensityParams())}

    def _shares(self) -> Mapping[str, float]:
        return {**super()._shares(), INTENSITY: 0.0}

    def _combined(self, maps: Maps, volume: Volume) -> NDArray[np.float32]:
        tissue = super()._combined(maps, volume)
        pool = pools().get(sequence_of(volume, self.params.sequence, self.INFO.name))
        return tissue if pool is None else pool.pooled(tissue, maps[INTENSITY])
