"""Sequential variational autoencoder: what a slice should look like also follows from the slices above and below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import InputError
from ...core.params import Params as AnyParams
from ...core.params import Scalar, param
from ...sampling.windows import Windows
from ..base.reconstruction import CONVENTIONS, ReconstructionDetector
from .common import CARD, TINY, BaurTraining
from .vae import VAEParams

if TYPE_CHECKING:
    from ..base.tasks import VariationalTask

SEQUENCES = {"lstm": 2, "transformer": 8}
"""Sequence models, and what the latents of a slice have to be a multiple of: two directions, eight heads."""


@dataclass(frozen=True)
class SVAEParams(VAEParams):
    """Settings of `SVAE`."""

    latent: int = param(512, "Numbers in the bottleneck of each slice; a multiple of 8", low=8, high=4096, step=16, role="network")
    kl_weight: float = param(0.001, "Weight of the KL divergence in the loss", low=0.0, high=1e6, step=0.001, role="network")
    convention: str = param(
        "mixed",
        "How the loss of a slice adds up: sum over pixels and latents, mean over both, or mixed (mean over pixels, sum over latents)",
        choices=CONVENTIONS, advanced=True, role="network",
    )  # fmt: skip
    slices: int = param(
        32, "Slices of a stack; stacks overlap by half, and where they do the score is their mean", label="Slices of a stack",
        low=2, high=512, step=8, role="network",
    )  # fmt: skip
    sequence: str = param(
        "lstm", "What lets the slices know of each other: a recurrent network in both directions, or self-attention",
        label="Sequence model", choices=tuple(SEQUENCES), role="network",
    )  # fmt: skip
    layers: int = param(1, "Layers of the sequence model", label="Sequence layers", low=1, high=24, advanced=True, role="network")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {},
        "pddpm": {"height": 96, "width": 96, "pixel_mm": 2.0},
        "tiny": {**TINY, "latent": 16, "slices": 4},
    }


@dataclass(frozen=True)
class SVAETraining(BaurTraining):
    """As `BaurTraining`, with stacks for slices."""

    batch_size: int = param(8, "Stacks of slices in a batch, over all devices together", low=1, high=65_536, step=8)
    augmentation: str = param("none", "Random changes of the training stacks: left and right swapped, or none", choices=("none", "flip"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {}, "tiny": {"steps": 30, "batch_size": 4, "learning_rate": 0.005}}


class SVAE(ReconstructionDetector):
    """Baur's unified network on each slice of a stack, with a sequence model between its encoder and the Gaussian of each slice."""

    Params = SVAEParams
    Training = SVAETraining
    INFO = replace(
        CARD,
        id="svae",
        name="Sequential VAE",
        summary="Reconstructs stacks of axial slices; each slice's code depends on those of the slices above and below.",
        paper="Behrendt et al. 2022, Capturing inter-slice dependencies of 3D brain MRI-scans for unsupervised anomaly detection, MIDL "
        "short papers, openreview.net/forum?id=db8wDgKH4p4; as compared in Behrendt et al. 2023, arXiv:2303.03758",
        seconds_per_megavoxel=0.5,
        bytes_per_voxel=110.0,
        presets="paper: 512 latents a slice, KL weight 0.001. pddpm: on the 96 x 96 pixels of 2 mm of Behrendt 2023's comparison. Chosen "
        "here, where the papers are silent: stacks of 32 slices that overlap by half; one layer of the sequence model between encoder and "
        "latents; an LSTM in both directions, added to the code of the slice itself, unless self-attention is asked for.",
    )
    SAMPLE = "Stack"
    params: SVAEParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        times, latent = SEQUENCES[self.params.sequence], self.params.latent
        if latent % times:
            why = f"{latent} is not a multiple of {times}, and {self.params.sequence} shares the numbers of a slice in so many parts"
            raise InputError("SVAEParams.latent", why=why, fix=f"Give a multiple of {times}")

    def _windows(self) -> Windows:
        p = self.params
        return Windows(3, (p.slices, p.height, p.width), (max(1, p.slices // 2), p.height, p.width))

    def _task(self) -> VariationalTask:
        from ..base.tasks import VariationalTask
        from ..nets.sequential import SequentialAutoencoder

        p = self.params
        # The mean over the pixels of a stack is one over its slices, too; so has to be the divergence that is weighed against it.
        weight = p.kl_weight / p.slices if p.convention == "mixed" else p.kl_weight
        return VariationalTask(
            lambda: SequentialAutoencoder(self.CHANNELS, (p.slices, p.height, p.width), p.dropout, p.latent, p.sequence, p.layers),
            p.convention,
            p.slices * p.latent,
            weight,
        )
