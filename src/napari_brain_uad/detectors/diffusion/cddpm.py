"""Conditioned diffusion: the network that denoises a slice is told what an encoder makes of the slice without noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...core.detector import State
from ...core.params import Value, param
from ..base.reconstruction import ReconstructionDetector
from ..base.stages import GradientStage, Stage, of_stage
from .common import CARD, POST, TINY, TINY_TRAINING, DiffusionTraining, multipliers_setting, schedule_setting, transposed_setting
from .ddpm import DDPM, DDPMParams
from .names import STEPS

if TYPE_CHECKING:
    import torch

    from ...inference.reconstruction import Scorer
    from .conditioned_unet import ConditionedUNet, MaskedAutoencoder
    from .masked_task import MaskedTask
    from .process import Denoiser
    from .tasks import DiffusionTask, PatchReconstruction

_ENCODER, _DENOISER = "encoder", "denoiser"


@dataclass(frozen=True)
class ConditionedDDPMParams(DDPMParams):
    """Settings of `ConditionedDDPM`."""

    multipliers: tuple[int, ...] = multipliers_setting((1, 2, 2))
    transposed: bool = transposed_setting(False)
    schedule: str = schedule_setting("cosine")
    t_test: tuple[int, ...] = param(
        (250, 500, 750), "Time step that noise is added up to; with several, the mean of the reconstructions is scored", low=1, high=STEPS,
        most=20,
    )  # fmt: skip
    encoder_blocks: tuple[int, ...] = param(
        (3, 4, 6, 3), "Bottleneck blocks of the encoder's levels; 3,4,6,3 is ResNet-50", label="Encoder blocks", low=1, high=50, most=5,
        role="network",
    )  # fmt: skip
    encoder_maps: int = param(64, "Maps of the encoder's first convolution", label="Encoder maps", low=4, high=512, role="network")
    pretraining: bool = param(
        True, "The encoder first learns to restore masked slices", label="Masked pre-training", advanced=True, role="network"
    )
    mask_ratio: float = param(
        0.65, "Share of a slice's cells that is masked in the pre-training", label="Mask ratio", low=0.0, high=0.99, step=0.05,
        advanced=True, role="training",
    )  # fmt: skip
    decoder_maps: int = param(
        512, "Maps of the pre-training's decoder where it begins", label="Decoder maps", low=1, high=4096, step=8, advanced=True,
        role="network",
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "code": {},
        "tiny": {**TINY, "encoder_blocks": (1, 1), "encoder_maps": 8, "decoder_maps": 16},
    }


@dataclass(frozen=True)
class ConditionedTraining(DiffusionTraining):
    """Adam with step size 1e-4, batches of 32. The encoder is trained for these steps, and then all of the network."""

    learning_rate: float = param(1e-4, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.00001)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "code": {},
        "tiny": {**TINY_TRAINING, "steps": 40, "learning_rate": 0.008},
    }


class ConditionedDDPM(DDPM):
    """Noise is added to the whole slice and taken away in one step by a network that knows the slice's own contrast from its encoder."""

    Params = ConditionedDDPMParams
    Training = ConditionedTraining
    INFO = replace(
        CARD,
        id="cddpm",
        name="Conditioned diffusion (cDDPM)",
        summary="A diffusion model that is told, in some hundred numbers, how the slice looks without noise; what changed is the score.",
        paper="Behrendt et al. 2023, Guided reconstruction with conditioned diffusion models for unsupervised anomaly detection in brain "
        "MRIs, arXiv:2312.04215; pre-training: Tian et al. 2023, arXiv:2301.03580",
        seconds_per_megavoxel=7.0,
        presets="paper and code are the same, that of the authors' code: ResNet-50, whose 512 numbers stand beside the time step in every "
        "block of a U-Net with channels 128,256,256; cosine schedule, mean of the reconstructions from t = 250, 500 and 750; cells of 32 "
        "pixels, 65 % masked. After the pre-training the encoder goes on learning with the U-Net. Here masked cells are set to 0 once a "
        "level, where the authors' sparse convolutions do so in every layer; random changes of intensity are a setting of the training. "
        f"{POST}",
    )
    params: ConditionedDDPMParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: the encoder, unless it begins from nothing, and the whole network."""
        whole = GradientStage(_DENOISER, self._denoiser, self._pool)
        return (GradientStage(_ENCODER, lambda _: self._masked(), self._pool), whole) if self.params.pretraining else (whole,)

    def network(self, stage: str = _DENOISER) -> torch.nn.Module:
        """See `NetworkDetector.network`."""
        return super().network(stage)

    def _stride(self) -> int:
        return int(max(super()._stride(), self._cell()))

    def _cell(self) -> int:
        return int(2 ** (len(self.params.encoder_blocks) + 1))

    def _task(self) -> DiffusionTask:
        return self._denoiser({})

    def _denoiser(self, before: State) -> DiffusionTask:
        return replace(super()._task(), make=partial(self._conditioned, before), told=_told)

    def _masked(self) -> MaskedTask:
        from .masked_task import MaskedTask

        return MaskedTask(self._masked_autoencoder, self._cell(), self.params.mask_ratio)

    def _masked_autoencoder(self) -> MaskedAutoencoder:
        from .conditioned_unet import MaskedAutoencoder, level_channels, slice_encoder

        p = self.params
        encoder = slice_encoder(p.encoder_blocks, p.encoder_maps, self.CHANNELS, 4 * p.base_channels)
        return MaskedAutoencoder(encoder, level_channels(p.encoder_blocks, p.encoder_maps), p.decoder_maps, self.CHANNELS)

    def _conditioned(self, before: State) -> ConditionedUNet:
        """The network, its encoder as it was trained before, if it was."""
        import torch

        from ..nets.diffusion_unet import DiffusionUNet
        from .conditioned_unet import ConditionedUNet, slice_encoder

        p, condition = self.params, 4 * self.params.base_channels
        encoder = slice_encoder(p.encoder_blocks, p.encoder_maps, self.CHANNELS, condition)
        own = of_stage(_ENCODER, of_stage(_ENCODER, before))
        if own:
            # Copies: what is learned further must not change what was.
            encoder.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in own.items()}, assign=True)
        unet = DiffusionUNet(
            p.base_channels, p.multipliers, p.blocks, scale_shift=p.scale_shift, transposed=p.transposed, condition=condition
        )
        return ConditionedUNet(encoder, unet)

    def _members(self) -> list[PatchReconstruction]:
        return [replace(member, told=_told) for member in super()._members()]

    def _scorer(self) -> Scorer:
        # The mean of the reconstructions is scored, as in the authors' code, not the mean of their scores.
        return ReconstructionDetector._scorer(self)


def _told(network: torch.nn.Module, images: torch.Tensor) -> Denoiser:
    return partial(network, clean=images)
