"""Gaussian mixture variational autoencoder, with or without restoration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ...training.params import TrainingParams
from ..base.reconstruction import MODEL_SCORES, ReconstructionDetector, ReconstructionParams
from .common import CARD, TINY, RestorationParams, convention_setting

if TYPE_CHECKING:
    from ...inference.reconstruction import Inference
    from .mixture_task import MixtureTask


@dataclass(frozen=True)
class GMVAEParams(RestorationParams, ReconstructionParams):
    """Settings of `GMVAE`."""

    height: int = param(128, "Rows of a slice, posterior to anterior; a multiple of 4", unit="pixels", low=16, high=1024, step=8)
    width: int = param(128, "Columns of a slice, left to right; a multiple of 4", unit="pixels", low=16, high=1024, step=8)
    score: str = param("l1", "How slice and reconstruction are compared, or which gradient is taken", choices=MODEL_SCORES)
    maps: int = param(64, "Feature maps of every hidden layer", label="Feature maps", low=1, high=4096, step=16, role="network")
    clusters: int = param(9, "Gaussians that the prior is a mixture of", low=1, high=256, step=1, role="network")
    latent: int = param(
        1, "Channels of the latent image, which has a quarter of the slice's size", label="Latent channels", low=1, high=256, step=1,
        role="network",
    )  # fmt: skip
    kl_weight: float = param(1.0, "Weight of the divergences in the loss", label="KL weight", low=0.0, high=1e6, step=0.001, role="network")
    least_information: float = param(
        1.0, "Divergence of the clusters that costs nothing, at each place of the latent image", unit="nats", low=0.0, high=10.0, step=0.1,
        role="network",
    )  # fmt: skip
    convention: str = convention_setting("sum")
    restoration_steps: int = param(0, "Gradient steps on every slice; 0 = it is reconstructed, not restored", low=0, high=5000, step=50)
    tv_weight: float = param(
        1.8, "Weight of the total variation of what restoration changes; higher keeps fine detail", low=0.0, high=1000.0, step=0.1
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"height": 168, "width": 128, "pixel_mm": 1.2},
        "code": {"height": 256, "width": 256, "pixel_mm": 0.8, "least_information": 0.5, "convention": "mixed"},
        "restoration": {"restoration_steps": 150},
        "tiny": {**TINY, "maps": 16, "clusters": 3},
    }


@dataclass(frozen=True)
class GMVAETraining(TrainingParams):
    """Adam with step size 5e-5 and batches of 16, as in the published code of You 2019; StRegA's has 5e-4 (preset ``code``)."""

    batch_size: int = param(16, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    learning_rate: float = param(5e-5, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "code": {"learning_rate": 5e-4},
        "tiny": {"steps": 60, "learning_rate": 0.003},
    }


class GMVAE(ReconstructionDetector):
    """The prior is a mixture of Gaussians, at each place of a latent image; at test time w and z are their means.

    With `restoration_steps` a slice is not reconstructed but moved towards what the model finds likely, as in You 2019: gradient descent
    on ``-ELBO(y) + w TV(x - y)``, see `inference.reconstruction.Restoration`.
    """

    Params = GMVAEParams
    Training = GMVAETraining
    INFO = replace(
        CARD,
        id="gmvae",
        name="Gaussian mixture VAE",
        summary="A VAE with a mixture of Gaussians as its prior and an image as its bottleneck; reconstructs slices, or restores them.",
        paper="You et al. 2019, Unsupervised lesion detection via image restoration with a normative prior, MIDL (PMLR 102), "
        "arXiv:2005.00031; as a baseline in Chatterjee et al. 2022, arXiv:2201.13271",
        seconds_per_megavoxel=0.5,
        presets="paper: latents of 42 x 32 x 1, which StRegA states; they are those of You 2019, who has 158 x 198 pixels of 1 mm and no "
        "padding, here 168 x 128 of 1.2 mm with padding. 7 layers of 64 maps and 9 clusters by StRegA's published code, You's has 6; "
        "free information 1 nat by Baur 2021, 0.5 in both codes. code: StRegA's, 256 x 256 pixels, mean of differences beside summed "
        "divergences, which then count 65,536 times as much; its step size is `code` of the training. restoration: 150 steps of 0.001, "
        "and total variation 1.8, by Baur 2021's code. The paper chooses that weight on healthy scans. The default has 128 x 128 pixels.",
    )
    params: GMVAEParams

    def _stride(self) -> int:
        return 4

    def _task(self) -> MixtureTask:
        from ..nets.gaussian_mixture import MixtureVAE
        from .mixture_task import MixtureTask, latent_shape

        p = self.params
        shape = latent_shape(p.latent, p.height, p.width)
        build = lambda: MixtureVAE(self.CHANNELS, p.maps, p.clusters, p.latent)  # noqa: E731
        return MixtureTask(build, p.convention, shape, p.kl_weight, p.least_information)

    def _inference(self) -> Inference:
        from ...inference.reconstruction import Restoration

        p = self.params
        if not p.restoration_steps:
            return super()._inference()
        return Restoration(self._task().elbo, p.restoration_steps, p.step_size, p.tv_weight)
