"""FAE: an autoencoder of a backbone's features, and where their structure is not reconstructed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...training.params import TrainingParams
from ..embedding.common import CARD, BackboneMapDetector, BackboneParams, check_ascending, standardise_setting
from .common import DISTILLED_TINY, QUICK

if TYPE_CHECKING:
    import torch

    from .fae_network import FAETask


@dataclass(frozen=True)
class FAEParams(BackboneParams):
    """Settings of `FAE`."""

    levels: tuple[int, ...] = param(
        (1, 2), "Levels of the backbone that are reconstructed together, at the places of the first", label="Levels", low=1, high=4,
        most=4, role="network",
    )  # fmt: skip
    standardise: bool = standardise_setting()
    widths: tuple[int, ...] = param(
        (100, 150, 200, 300), "Maps of the autoencoder after each halving", label="Widths", low=1, high=4096, most=6, role="network"
    )
    window: float = param(
        1.0, "Width of the window of structural similarity (sigma)", label="SSIM window", unit="places", low=0.3, high=10.0, step=0.1,
        role="network",
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "resnet18", "height": 128, "width": 128, "pixel_mm": 1.6, "standardise": False, "smoothing_mm": 0.0},
        "tiny": {**DISTILLED_TINY, "widths": (32, 48), "smoothing_mm": 1.0},
    }


@dataclass(frozen=True)
class FAETraining(TrainingParams):
    """Adam with step size 2e-4; the paper trains for 10,000 batches of 64 slices."""

    steps: int = param(4000, "Batches to train on", low=1, high=10_000_000, step=1000)
    learning_rate: float = param(2e-4, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {"steps": 10_000, "batch_size": 64}, "tiny": {**QUICK, "steps": 30}}


class FAE(BackboneMapDetector):
    """Score = structural dissimilarity between the features of a place and their reconstruction, the mean over the features."""

    Params: ClassVar[type[AnyParams]] = FAEParams
    Training = FAETraining
    NETWORK = "autoencoder"
    INFO = replace(
        CARD,
        id="fae",
        name="Structural feature autoencoder (FAE)",
        summary="An autoencoder learns the features of healthy slices; where it does not give their structure again is the score.",
        paper="Meissen, Paetzold, Kaissis, Rueckert 2022, Unsupervised anomaly localization with structural feature-autoencoders, "
        "arXiv:2208.10992; SSIM: Wang et al. 2004, doi:10.1109/TIP.2003.819861",
        score_unit="(1 - SSIM) / 2 of features",
        colour_limits=(0.0, 1.0),
        seconds_per_megavoxel=2.0,
        bytes_per_voxel=100.0,
        presets="paper: ResNet-18 (its weights from a file), levels 1 and 2 of slices of 128 x 128 pixels, features as they are, no "
        "smoothing. The paper's network also has the backbone's first convolution. Without a preset: EfficientNet-Lite0 on 192 x 192; "
        "features from 3 deviations below to 3 above their mean become 0 to 1, as SSIM asks. Its Gaussian window (1 place) and kernels "
        "of 5 x 5 are our choice.",
    )
    params: FAEParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        check_ascending(self.params, self.params.levels)

    def _task(self) -> FAETask:
        from .fae_network import FAETask

        p = self.params
        return FAETask(p.backbone, p.backbone_file, p.levels, p.widths, standardise=p.standardise, window=p.window)

    def _mapping(self) -> Callable[[torch.Tensor], torch.Tensor]:
        return partial(self._task().scores, self.network(self.NETWORK), self.backbone())
