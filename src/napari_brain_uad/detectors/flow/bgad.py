"""BGAD: CFLOW-AD's flows, with known anomalies, or else noisy features, pushed beyond the boundary of the healthy ones.

Yao et al.: "Explicit boundary guided semi-push-pull contrastive learning for supervised anomaly detection" (CVPR 2023,
arXiv:2207.01463).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import InputError
from ...core.params import Value
from ...core.progress import Progress
from ...training.session import LabelledScan
from ..base.stages import GradientStage
from ..embedding.common import noise_setting
from .cflow import CFlow, CFlowParams
from .names import LESION_SHARE

if TYPE_CHECKING:
    from ...training.sources import Samples
    from ...training.task import Task
    from ..embedding.features import Scale
    from .flow_task import FlowTask


@dataclass(frozen=True)
class BGADParams(CFlowParams):
    """Settings of `BGAD`."""

    noise: float = noise_setting()

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        **CFlowParams.PRESETS,
        "paper": {**CFlowParams.PRESETS["paper"], "noise": 0.06},
    }


class BGAD(CFlow):
    """Score as `CFlow`'s; in training the likelihood of known anomalies is pushed below that of nearly all healthy features.

    Without known anomalies, and on a level no place of which shows one, features with noise stand for them. Of scans with known
    anomalies nothing else is learned: what lies beside a marked lesion need not be healthy.
    """

    Params = BGADParams
    LEARNS_ANOMALIES = True
    INFO = replace(
        CFlow.INFO,
        id="bgad",
        name="Boundary-guided semi-push-pull flows (BGAD)",
        summary="Normalising flows as CFLOW-AD's; healthy features are pulled above a boundary of likelihood, known anomalies (or else "
        "noisy features) pushed below it.",
        paper="Yao et al. 2023, Explicit boundary guided semi-push-pull contrastive learning for supervised anomaly detection, CVPR, "
        "arXiv:2207.01463",
        presets=f"Flows and presets as of cflow. {CFlow.INFO.presets} The paper trains with known anomalies (--anomalies, or a folder in "
        "the Train dock); where none are given, features with noise stand for them, as in SimpleSliceNet, whose boundary (5 % of the "
        "healthy features below it, a gap of 0.1 between tenths of log-likelihoods) is used; its noise, too, with preset paper. The "
        "paper's augmentation and weighting of anomalies are left out.",
    )
    params: BGADParams

    def _task(self, level: int, scale: Sequence[Scale]) -> FlowTask:
        from .flow_task import FlowTask

        return FlowTask(partial(self._make, level, scale), "boundary-guided", self.params.noise, bounded=True)

    def _flow(self, number: int, kept: dict[tuple[int, int], NDArray[np.float16]]) -> GradientStage:
        stage, paired = super()._flow(number, kept), [False]  # known when the samples are made, before the task is

        def task(before: State) -> Task:
            from .flow_task import FlowTask

            made = stage.task(before)
            assert isinstance(made, FlowTask)
            return replace(made, known=paired[0])

        return replace(stage, task=task, known=partial(self._with_known, number, kept, paired))

    def _with_known(
        self,
        number: int,
        kept: dict[tuple[int, int], NDArray[np.float16]],
        paired: list[bool],
        healthy: Samples,
        known: Sequence[LabelledScan],
        progress: Progress,
    ) -> Samples:
        """Samples of a level, each healthy place with a known anomaly; as they are where no place of the level shows one.

        Raises
        ------
        InputError
            If no place of any level shows one.
        """
        from .known import PairedPlaces

        if (id(known), number) not in kept:
            kept |= {(id(known), which): places for which, places in enumerate(self._of_anomalies(known, progress))}
        abnormal = kept[id(known), number]
        paired[0] = len(abnormal) > 0
        return PairedPlaces(healthy, abnormal) if paired[0] else healthy

    def _of_anomalies(self, known: Sequence[LabelledScan], progress: Progress) -> list[NDArray[np.float16]]:
        """The places of each level that show a known anomaly, (M, channels + 2), of all scans together."""
        from .known import lesion_places, share_of_lesion

        found = [[np.empty((0, self._channels(level) + 2), np.float16)] for level in self.params.levels]
        for number, scan in enumerate(known):
            part = progress.part(number / len(known), (number + 1) / len(known))
            share = share_of_lesion(scan, self.params.grid)
            for of_level, (places, cells) in zip(found, self._places(self.cut(scan.volume), 0, part), strict=True):
                depth, height, width = cells.shape
                of_level.append(places[lesion_places(share, (depth, height, width))[cells]].astype(np.float16))
        levels = [np.concatenate(of_level) for of_level in found]
        if not any(map(len, levels)):
            why = f"no place of the backbone's levels {self.params.levels} has {LESION_SHARE:.0%} of lesion in it"
            fix = "Give scans with larger ones, or finer levels, or leave them out"
            raise InputError("The known anomalies are too small", why=why, fix=fix)
        return levels
