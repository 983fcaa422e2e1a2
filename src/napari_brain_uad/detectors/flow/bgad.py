"""BGAD without known anomalies: CFLOW-AD's flows, with noisy features pushed beyond the boundary of the healthy ones.

Yao et al.: "Explicit boundary guided semi-push-pull contrastive learning for supervised anomaly detection" (CVPR 2023,
arXiv:2207.01463).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value
from ..embedding.common import noise_setting
from .cflow import FLOW_TINY, CFlow, CFlowParams

if TYPE_CHECKING:
    from ..embedding.features import Scale
    from .flow_task import FlowTask


@dataclass(frozen=True)
class BGADParams(CFlowParams):
    """Settings of `BGAD`."""

    noise: float = noise_setting()

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {**CFlowParams.PRESETS, "tiny": FLOW_TINY}


class BGAD(CFlow):
    """Score as `CFlow`'s; in training the likelihood of noisy features is pushed below that of nearly all healthy ones."""

    Params = BGADParams
    INFO = replace(
        CFlow.INFO,
        id="bgad",
        name="Boundary-guided semi-push-pull flows (BGAD)",
        summary="Normalising flows as CFLOW-AD's; healthy features are pulled above a boundary of likelihood, noisy ones pushed below it.",
        paper="Yao et al. 2023, Explicit boundary guided semi-push-pull contrastive learning for supervised anomaly detection, CVPR, "
        "arXiv:2207.01463",
        presets=f"Flows and presets as of cflow. {CFlow.INFO.presets} The paper trains with known anomalies; here features with noise "
        "stand for them, as in SimpleSliceNet, whose boundary (5 % of the healthy features below it, a gap of 0.1) is used.",
    )
    params: BGADParams

    def _task(self, level: int, scale: Sequence[Scale]) -> FlowTask:
        from .flow_task import FlowTask

        return FlowTask(partial(self._make, level, scale), "boundary-guided", self.params.noise, bounded=True)
