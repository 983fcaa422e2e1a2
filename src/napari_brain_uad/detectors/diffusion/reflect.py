"""Rectified flow of latents: one straight step from what a slice is to what it were if it was healthy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.detector import State
from ...core.params import Value, param
from ...scoring.registry import SCORES
from ...training.params import TrainingParams
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from ..base.stages import GradientStage, Stage, of_stage
from .common import CARD

if TYPE_CHECKING:
    import torch

    from ...inference.reconstruction import Inference, Scorer
    from ..base.tasks import AutoencoderTask
    from ..nets.latent_autoencoder import LatentAutoencoder, LatentFlow
    from .reflect_task import Correction, RectifiedFlowTask

_AUTOENCODER, _FLOW = "autoencoder", "flow"


@dataclass(frozen=True)
class ReflectParams(ReconstructionParams):
    """Settings of `Reflect`."""

    score: str = param("l1", "How the images before and after the correction are compared", choices=("l1", "brighter", "darker"))
    maps: tuple[int, ...] = param(
        (64, 128, 256, 256), "Maps of the autoencoder's levels; each but the first halves the slice", label="Autoencoder maps", low=4,
        high=2048, most=6, role="network",
    )  # fmt: skip
    latent: int = param(4, "Channels of the latents", label="Latent channels", low=1, high=64, role="network")
    base_channels: int = param(
        192, "Channels of the flow's U-Net at its first level; a multiple of 8", label="Base channels", low=8, high=512, step=8,
        role="network",
    )  # fmt: skip
    multipliers: tuple[int, ...] = param(
        (1, 2, 4), "Channels of its levels as multiples of the first's; each halves the latents", label="Channel multipliers", low=1,
        high=16, most=6, role="network",
    )  # fmt: skip
    blocks: int = param(2, "Residual blocks of a level", label="Residual blocks", low=1, high=8, role="network")
    flow_steps: int = param(1, "Straight steps from the scan to its healthy version", label="Flow steps", low=1, high=100)
    latent_share: float = param(
        0.5, "Weight of the differences of the latents; the images' is what is left to 1", label="Weight of latents", low=0.0, high=1.0,
        step=0.1,
    )  # fmt: skip
    cut: float = param(
        0.4, "Differences above it count as it, and it as 1; of intensities from 0 to 1, and of latents with variance 1",
        label="Largest difference", low=0.01, high=100.0, step=0.1,
    )  # fmt: skip
    image_sigma: float = param(
        1.5, "Smoothing of the differences of the images (Gaussian sigma)", label="Image smoothing", unit="pixels", low=0.0, high=20.0,
        step=0.5,
    )  # fmt: skip
    latent_sigma: float = param(
        1.0, "Smoothing of the differences of the latents (Gaussian sigma)", label="Latent smoothing", unit="latent pixels", low=0.0,
        high=10.0, step=0.5,
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "code": {"height": 256, "width": 256, "pixel_mm": 1.0, "image_sigma": 3.0},
        "tiny": {
            "height": 32, "width": 32, "pixel_mm": 1.5, "maps": (8, 16), "latent": 4, "base_channels": 8, "multipliers": (1, 2),
            "blocks": 1, "score": "brighter", "cut": 1.0, "latent_share": 0.05, "latent_sigma": 0.5, "image_sigma": 0.5,
        },
    }  # fmt: skip


@dataclass(frozen=True)
class ReflectTraining(TrainingParams):
    """AdamW with step size 1e-4 and weight decay 1e-4, batches of 96 (the authors' code), for these steps of either network."""

    optimizer: str = param("adamw", "Optimizer", choices=("adam", "adam-amsgrad", "adamw", "sgd"))
    batch_size: int = param(96, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    weight_decay: float = param(1e-4, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)
    autoencoder_steps: int = param(
        0, "Batches to train the autoencoder on; 0 = as many as the flow", label="Autoencoder steps", low=0, high=10_000_000, step=1000
    )
    schedule: str = param("cosine", "Course of the learning rate over the steps", choices=("constant", "cosine", "one-cycle"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "code": {},
        "tiny": {"steps": 100, "autoencoder_steps": 60, "batch_size": 4, "learning_rate": 0.006},
    }


class Reflect(ReconstructionDetector):
    """An autoencoder of slices, and a flow from latents that were corrupted to those that were not."""

    Params = ReflectParams
    Training = ReflectTraining
    INFO = replace(
        CARD,
        id="reflect",
        name="Rectified flow correction (REFLECT)",
        summary="Moves a slice's latents in one straight step to what healthy ones are; what changes in latents and image is the score.",
        paper="Beizaee et al. 2025, REFLECT: rectified flows for efficient brain anomaly correction transport, MICCAI, arXiv:2508.02889",
        score_unit="change of image and latents, each from 0 to 1",
        colour_limits=(0.0, 1.0),
        seconds_per_megavoxel=1.5,
        presets="paper: four channels of an eighth of the slice's size, U-Net with channels 192,384,768, one step, on 128 x 128 pixels. "
        "code: the same on 256 x 256 pixels. The authors take a variational autoencoder trained on medical images, with perceptual and "
        "adversarial losses; here one is trained on absolute differences, and its latents are normalised. What is put into the latents "
        "comes from elsewhere in the slice here, from photographs of textures there. Their second round of training, on the "
        "corrections of the first (REFLECT-2), is not here.",
    )
    params: ReflectParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: the autoencoder, and the flow of its latents."""
        return (
            GradientStage(_AUTOENCODER, lambda _: self._autoencoding(), self._pool, _of_autoencoder),
            GradientStage(_FLOW, self._flow, self._pool),
        )

    def network(self, stage: str = _FLOW) -> torch.nn.Module:
        """See `NetworkDetector.network`."""
        return super().network(stage)

    def _stride(self) -> int:
        return int(2 ** (len(self.params.maps) + len(self.params.multipliers) - 2))

    def _autoencoding(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask

        return AutoencoderTask(self._autoencoder, "mean")

    def _task(self) -> RectifiedFlowTask:
        return self._flow({})

    def _flow(self, before: State) -> RectifiedFlowTask:
        from .reflect_task import RectifiedFlowTask

        return RectifiedFlowTask(partial(self._latent_flow, before))

    def _autoencoder(self) -> LatentAutoencoder:
        from ..nets.latent_autoencoder import LatentAutoencoder

        return LatentAutoencoder(self.CHANNELS, self.params.maps, self.params.latent)

    def _latent_flow(self, before: State) -> LatentFlow:
        """The flow, with the autoencoder that was trained before it, if it was."""
        from ..base.network_state import network_with
        from ..nets.diffusion_unet import DiffusionUNet
        from ..nets.latent_autoencoder import LatentFlow

        p, own = self.params, of_stage(_AUTOENCODER, before)
        trained = network_with(self._autoencoder, own, f"Model of {self.INFO.id}")[0] if own else None
        unet = DiffusionUNet(p.base_channels, p.multipliers, p.blocks, channels=p.latent, outputs=p.latent)
        return LatentFlow(unet, None if trained is None else trained.get_submodule("encoder"))

    def _correction(self) -> Correction:
        from .reflect_task import Correction

        return Correction(self.network(_AUTOENCODER), self.params.flow_steps)

    def _inference(self) -> Inference:
        return self._correction()

    def _scorer(self) -> Scorer:
        from .reflect_task import correction_score

        p = self.params
        return correction_score(
            SCORES[p.score], self._correction(), share=p.latent_share, most=p.cut, latent_sigma=p.latent_sigma, image_sigma=p.image_sigma
        )

    def _colour_limits(self) -> tuple[float, float] | None:
        return self.INFO.colour_limits


def _of_autoencoder(training: TrainingParams) -> TrainingParams:
    steps = training.autoencoder_steps if isinstance(training, ReflectTraining) else 0
    return replace(training, steps=steps or training.steps)
