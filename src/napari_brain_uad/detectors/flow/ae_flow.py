"""AE-FLOW: a normalising flow in the bottleneck of an autoencoder, so that a slice has a likelihood and a reconstruction.

Zhao, Ding, Zhang: "AE-FLOW: Autoencoders with normalizing flows for medical images anomaly detection" (ICLR 2023,
openreview.net/forum?id=9OmCr1q54Z).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...training.params import TrainingParams
from ..embedding.common import CARD, BackboneMapDetector, BackboneParams, standardise_setting

if TYPE_CHECKING:
    import torch

    from .ae_flow_network import AEFlowTask


@dataclass(frozen=True)
class AEFlowParams(BackboneParams):
    """Settings of `AEFlow`."""

    level: int = param(
        3, "Level of the backbone that the flow and the decoder see: 1 to 3 have 1/4, 1/8 and 1/16 of the resolution", label="Level", low=1,
        high=3, role="network",
    )  # fmt: skip
    standardise: bool = standardise_setting()
    blocks: int = param(8, "Coupling blocks of the flow", label="Coupling blocks", low=1, high=64, role="network")
    clamp: float = param(
        1.9, "Limit of the logarithm of a coupling's scale", label="Clamping", low=0.1, high=10.0, step=0.1, advanced=True, role="network"
    )
    flow_weight: float = param(
        0.5, "Weight of the likelihood in the loss (alpha); the rest is the reconstruction's", label="Weight of the flow", low=0.0,
        high=1.0, step=0.1, role="training",
    )  # fmt: skip
    flow_share: float = param(
        0.5, "Share of the likelihood in the score; the rest is the reconstruction's. 1 and 0 give one of them alone",
        label="Share of the flow", low=0.0, high=1.0, step=0.1,
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "wide-resnet50", "height": 256, "width": 256, "standardise": False},
        "tiny": {"height": 96, "width": 96, "pixel_mm": 0.5, "step_mm": 2.0, "level": 1, "blocks": 2, "smoothing_mm": 1.0},
    }


@dataclass(frozen=True)
class AEFlowTraining(TrainingParams):
    """Adam with step size 1e-3 on batches of 32 slices."""

    steps: int = param(2000, "Batches to train on", low=1, high=10_000_000, step=1000)
    learning_rate: float = param(1e-3, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)
    # Log-determinants are sums of many small numbers.
    precision: str = param("32", "Number format of the computation", choices=("32",), advanced=True)
    clip_norm: float = param(
        1.0, "Longest gradient; longer ones are shortened to it; 0 = as they are", low=0.0, high=1e6, step=0.5, advanced=True
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {"steps": 25, "batch_size": 3, "learning_rate": 0.003},
    }


class AEFlow(BackboneMapDetector):
    """Score = weighted sum of how unlikely the latents of a place are and the squared error of the reconstruction."""

    Params: ClassVar[type[AnyParams]] = AEFlowParams
    Training = AEFlowTraining
    REQUIRES = ("torch", "FrEIA")
    INFO = replace(
        CARD,
        id="ae-flow",
        name="Autoencoder with a normalising flow (AE-FLOW)",
        summary="A flow between a frozen encoder and a decoder: how unlikely features are, and how far the reconstruction is off.",
        paper="Zhao, Ding, Zhang 2023, AE-FLOW: Autoencoders with normalizing flows for medical images anomaly detection, ICLR; "
        "coupling blocks: Ardizzone et al. 2019, arXiv:1907.02392",
        score_unit="weighted sum of 1 - relative density of latents and squared error of intensities",
        colour_limits=(0.0, 1.0),
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=100.0,
        presets="paper: Wide ResNet-50-2 (its weights from a file), level 3 of slices of 256 x 256 pixels, features as they are. Without a "
        "preset: EfficientNet-Lite0 on 192 x 192, standardised features. The weight of the flow in the loss (0.5) is the paper's; the "
        "share of the flow in the score (0.5), the widths of the couplings and of the decoder, and the training are ours. The encoder "
        "stays frozen.",
    )
    params: AEFlowParams

    def _task(self) -> AEFlowTask:
        from .ae_flow_network import AEFlowTask, FlowShape

        p = self.params
        return AEFlowTask(p.backbone, p.backbone_file, FlowShape(p.level, p.blocks, p.clamp, p.standardise), p.flow_weight)

    def _mapping(self) -> Callable[[torch.Tensor], torch.Tensor]:
        return partial(self._task().scores, self.network(self.NETWORK), self.backbone(), self.params.flow_share)
