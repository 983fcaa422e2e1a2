"""f-AnoGAN: a generator of healthy slices, and an encoder that finds each slice's nearest one among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.detector import State
from ...core.params import Scalar, param
from ...training.params import TrainingParams
from ..base.card import LEARNED
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from ..base.stages import GradientStage, Stage, of_stage

if TYPE_CHECKING:
    import torch

    from ..nets.residual_gan import Adversaries, LatentEncoder
    from .tasks import EncoderTask, WassersteinTask

_GAN, _ENCODER = "gan", "encoder"


@dataclass(frozen=True)
class FAnoGANParams(ReconstructionParams):
    """Settings of `FAnoGAN`."""

    latent: int = param(128, "Numbers that a slice is made from", label="Latent dimensions", low=1, high=4096, step=16, role="network")
    maps: int = param(
        64, "Feature maps at full resolution; eight times as many at the lowest", label="Feature maps", low=1, high=1024, step=8,
        role="network",
    )  # fmt: skip
    critic_steps: int = param(
        5, "Steps of the critic, each with a batch of its own, before one of the generator", label="Critic steps", low=1, high=100,
        role="training",
    )  # fmt: skip
    penalty: float = param(
        10.0, "Weight of the critic's gradient penalty", label="Gradient penalty", low=0.0, high=1e6, step=1.0, advanced=True,
        role="training",
    )  # fmt: skip
    kappa: float = param(
        1.0, "Weight of the critic's features beside the image, when the encoder is trained", label="Feature weight κ", low=0.0,
        high=1e6, step=0.1, role="training",
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {},
        "code": {"height": 64, "width": 64, "pixel_mm": 3.2},
        "pddpm": {"height": 96, "width": 96, "pixel_mm": 2.0},
        "tiny": {
            "height": 32, "width": 32, "pixel_mm": 1.5, "step_mm": 3.0, "score": "brighter", "latent": 16, "maps": 4, "critic_steps": 1,
        },
    }  # fmt: skip


@dataclass(frozen=True)
class FAnoGANTraining(TrainingParams):
    """Adam with step size 1e-4, beta1 0.5 and beta2 0.9. Generator and critic are trained for these steps, and then the encoder."""

    steps: int = param(20_000, "Steps of the generator, and then of the encoder", label="Training steps", low=1, high=10_000_000, step=1000)
    beta1: float = param(0.5, "Decay of the optimizer's mean of gradients", low=0.0, high=0.9999, step=0.05, advanced=True)
    beta2: float = param(0.9, "Decay of the optimizer's mean of squared gradients", low=0.0, high=0.99999, step=0.001, advanced=True)

    precision: str = param(
        "32", "Number format of the computation: the gradient penalty is a gradient of a gradient, for which others are not made",
        choices=("32",), advanced=True,
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {},
        "code": {"beta1": 0.0, "batch_size": 64},
        "tiny": {"steps": 100, "batch_size": 4, "learning_rate": 0.005},
    }


class FAnoGAN(ReconstructionDetector):
    """A Wasserstein GAN of slices; then an encoder to its latents, trained while generator and critic stay as they are."""

    Params = FAnoGANParams
    Training = FAnoGANTraining
    INFO = replace(
        LEARNED,
        family="Adversarial",
        id="f-anogan",
        name="f-AnoGAN",
        summary="A generative adversarial network of healthy slices; what a slice has that its nearest generated one has not is the score.",
        paper="Schlegl et al. 2019, f-AnoGAN: fast unsupervised anomaly detection with generative adversarial networks, Medical Image "
        "Analysis 54, doi:10.1016/j.media.2019.01.010; networks and penalty: Gulrajani et al. 2017, Improved training of Wasserstein GANs, "
        "arXiv:1704.00028",
        seconds_per_megavoxel=5.0,
        bytes_per_voxel=110.0,
        presets="paper: slices of 128 x 128 pixels, as in comparisons on brain MRI. code: the authors' 64 x 64 pixels, beta1 0, batches of "
        "64. pddpm: 96 x 96 pixels of 2 mm, as Behrendt 2023 compares. Chosen here: four blocks whatever the size: slices need only "
        "be multiples of 16; Adam for the encoder, too, where the authors' code has RMSProp; as many steps of the encoder as of the "
        "generator. The score is the pixels' residual; the paper's score of a whole image, with the critic's features, is not given.",
    )
    params: FAnoGANParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: generator and critic, then the encoder."""
        return (
            GradientStage(_GAN, lambda _: self._gan(), self._pool, _to_the_end),
            GradientStage(_ENCODER, self._encoder, self._pool),
        )

    def network(self, stage: str = _ENCODER) -> torch.nn.Module:
        """See `NetworkDetector.network`: the encoder, with the generator behind it."""
        return super().network(stage)

    def _task(self) -> EncoderTask:
        return self._encoder({})

    def _gan(self) -> WassersteinTask:
        from .tasks import WassersteinTask

        p = self.params
        return WassersteinTask(self._adversaries, p.latent, p.critic_steps, p.penalty)

    def _encoder(self, before: State) -> EncoderTask:
        from .tasks import EncoderTask

        return EncoderTask(partial(self._latent_encoder, before), self.params.kappa)

    def _adversaries(self) -> Adversaries:
        from ..nets.residual_gan import Adversaries

        p = self.params
        return Adversaries(p.latent, (p.height, p.width), p.maps, self.CHANNELS)

    def _latent_encoder(self, before: State) -> LatentEncoder:
        """The encoder for the adversaries that were trained before it, if they were."""
        from ..base.network_state import network_with
        from ..nets.residual_gan import LatentEncoder

        p, own = self.params, of_stage(_GAN, before)
        trained = network_with(self._adversaries, own, f"Model of {self.INFO.id}")[0] if own else None
        return LatentEncoder(p.latent, (p.height, p.width), p.maps, self.CHANNELS, trained)


def _to_the_end(training: TrainingParams) -> TrainingParams:
    """The distance that a critic estimates says nothing about when to stop."""
    return replace(training, patience=0, keep_best=False)
