"""What REFLECT learns, and how it corrects. Imports torch, so the method imports it only when it needs it.

Beizaee, Hajimiri, Ben Ayed, Lodygensky, Desrosiers, Dolz: "REFLECT: rectified flows for efficient brain anomaly correction transport"
(2025, arXiv:2508.02889).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ...core.progress import Progress
from ...inference.reconstruction import Scorer
from ...scoring.registry import Evidence, Score
from ...scoring.smooth import gaussian
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from .itermask_task import random_masks

_OBJECTS = 4
"""Corrupted places of a slice at most; n of them have the chance 1 / n, over the sum of these (the authors' code)."""
_CORRUPTED = 0.9
"""Share of the slices that are corrupted at all (the authors' code)."""
_LEAST_OPACITY = 0.2
"""Opacities of what is put in go from it to 1 (the authors' code)."""
_FOREIGN = 0.5
"""Share of the places that foreign latents are put in, not noise (the authors' code)."""


class RectifiedFlowTask(Task):
    """Velocities on the straight way from corrupted latents to healthy ones; squared differences.

    ``z_t = z_0 + t (z_1 - z_0)``, and the velocity is ``z_1 - z_0``; z_1 are the latents of a healthy slice, z_0 those corrupted.

    Parameters
    ----------
    build : callable
        Makes the `nets.latent_autoencoder.LatentFlow`.
    """

    def __init__(self, build: Callable[[], nn.Module]) -> None:
        self._build = build

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self._build()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        healthy = network(batch.images)
        corrupt = corrupted(healthy, batch.brain, draw)
        times = draw.uniform((len(batch),))
        way = healthy - corrupt
        velocity = network(corrupt + times[:, None, None, None] * way, times)
        return {"loss": (velocity - way).square().mean()}


class Corrected(NamedTuple):
    """Latents and their images, each before and after the correction: shapes (B, L, h, w) and (B, C, H, W)."""

    latents: torch.Tensor
    healthy: torch.Tensor
    images: torch.Tensor
    reconstruction: torch.Tensor


@dataclass(frozen=True, eq=False)
class Correction:
    """Latents go along the flow, in one straight step or several, and become an image again.

    Parameters
    ----------
    autoencoder : nn.Module
        A `nets.latent_autoencoder.LatentAutoencoder`.
    steps : int
        Of Euler's method.
    """

    autoencoder: nn.Module
    steps: int

    def __call__(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `inference.reconstruction.Inference`."""
        return Evidence(batch.images, self.found(network, batch, progress).reconstruction)

    @torch.no_grad()
    def found(self, network: nn.Module, batch: Batch, progress: Progress) -> Corrected:
        """What becomes of the slices."""
        parts = dict(self.autoencoder.named_children())
        latents = healthy = parts["encoder"](batch.images)
        for step in range(self.steps):
            progress.check()
            times = torch.full((len(batch),), step / self.steps, device=latents.device)
            healthy = healthy + network(healthy, times) / self.steps
        return Corrected(latents, healthy, parts["decoder"](latents), parts["decoder"](healthy))


def correction_score(score: Score, correction: Correction, *, share: float, most: float, latent_sigma: float, image_sigma: float) -> Scorer:
    """The weighted mean of what images and latents are changed by, each cut, divided by the cut and smoothed (the authors' code).

    Parameters
    ----------
    score : Score
        Compares the images, both of them decoded.
    correction : Correction
    share : float
        Weight of the latents.
    most : float
        Differences above it count as it, and it counts as 1.
    latent_sigma, image_sigma : float
        Of the smoothing, in pixels of the latents and of the slices.
    """

    def cut(differences: torch.Tensor) -> torch.Tensor:
        return differences.clamp(0, most) / most

    def scores(network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> torch.Tensor:
        found = correction.found(network, batch, progress)
        images = gaussian(cut(score.compute(Evidence(found.images, found.reconstruction))), image_sigma)
        latents = gaussian(cut((found.healthy - found.latents).abs().mean(dim=1)), latent_sigma)
        size = batch.images.shape[2:]
        large = functional.interpolate(latents[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        return (1 - share) * images + share * large

    return scores


def corrupted(latents: torch.Tensor, brain: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Latents (B, L, h, w) with up to four places in the brain (B, H, W) mixed with something else.

    ``sqrt(1 - m) z + sqrt(m) r``: m is a place's opacity, r either noise, of which a random share of the variance is common to all of
    the place, or latents from elsewhere in the slice, mirrored and moved. The authors take the latter from photographs of textures, and
    places from the outlines of random walks; here these are `random_masks`.
    """
    count, channels, height, width = latents.shape
    # Latents of which the brain fills a part show brain.
    shown = functional.adaptive_max_pool2d(brain[:, None].float(), (height, width))[:, 0] > 0
    chances = torch.tensor([1.0 / number for number in range(1, _OBJECTS + 1)], device=latents.device)
    drawn = draw.uniform((count, 2))
    objects = 1 + (drawn[:, :1] > (chances / chances.sum()).cumsum(dim=0)[:-1]).sum(dim=1)
    objects = torch.where(drawn[:, 1] < _CORRUPTED, objects, 0)
    opacity, other = torch.zeros_like(latents[:, :1]), torch.zeros_like(latents)
    for number in range(_OBJECTS):
        where = random_masks(shown, draw) & (objects > number)[:, None, None]
        level, foreign, share, *moved = draw.uniform((count, 5)).unbind(dim=1)
        common, own = draw.normal((count, channels, 1, 1)), draw.normal(latents.shape)
        share = share[:, None, None, None]
        noise = share.sqrt() * common + (1 - share).sqrt() * own
        put = torch.where((foreign < _FOREIGN)[:, None, None, None], _elsewhere(latents, torch.stack(moved, dim=1)), noise)
        other = torch.where(where[:, None], put, other)
        level = _LEAST_OPACITY + (1 - _LEAST_OPACITY) * level
        opacity = torch.where(where[:, None], level[:, None, None, None], opacity)
    return (1 - opacity).sqrt() * latents + opacity.sqrt() * other


def _elsewhere(latents: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Latents mirrored front to back and rolled by shares (B, 2) of their height and width."""
    height, width = latents.shape[2:]
    by = (places.cpu() * torch.tensor([height, width])).long().tolist()
    return torch.stack([one.flip(1).roll((down, across), dims=(1, 2)) for one, (down, across) in zip(latents, by, strict=True)])
