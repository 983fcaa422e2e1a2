"""What the network that segments synthetic anomalies minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ...preprocessing.tissue_scale import BRIGHTEST, DARKEST, WHITE
from ...training.batch import Batch
from ...training.draws import BatchDraw, Draw
from ...training.task import Losses, Task
from ..nets.unet import UNet
from .synthetic_anomalies import NOISE, as_scanned, with_regions
from .tissue_variation import vary_tissue
from .white_matter_lesions import with_white_matter_lesions

Ill = tuple[torch.Tensor, torch.Tensor]
"""Slices with something in them, shape (B, C, H, W), and where that is in the middle, shape (B, H, W)."""

_MORE_NOISE = 0.15
"""What augmentation adds to the noise at most, in distances between tissues: on T2 white and grey matter lie close together."""


@dataclass(frozen=True)
class LesionShare:
    """In how many slices there are lesions of white matter in place of anomalies of any kind.

    Parameters
    ----------
    share : float
        From 0 to 1.
    pixel_mm, step_mm : float
        Size of a pixel, and the distance between slices.
    """

    share: float = 0.0
    pixel_mm: float = 2.0
    step_mm: float = 2.0


class SegmentationTask(Task):
    """Segment synthetic anomalies in healthy slices: context encoding's other half, which no reconstruction has to be good for.

    Where Zimmerer's network restores what is below a patch, this one says where patches are (as in self-supervised detection with
    synthetic anomalies, Tan et al. 2020, arXiv:2011.04197). Batches hold slices with their neighbours, shape (B, 2 neighbours + 1, H, W).

    Parameters
    ----------
    neighbours : int
        Slices on either side.
    maps : sequence of int
        Feature maps of the levels.
    strength : float
        How uneven healthy tissue is made (`vary_tissue`), and with lesions of white matter how noisy: 1 is about what real T2 scans
        show, and simulated ones lack.
    lesions : LesionShare, optional
        Slices with lesions of white matter instead.
    """

    def __init__(self, neighbours: int, maps: Sequence[int], strength: float = 1.0, lesions: LesionShare | None = None) -> None:
        self.neighbours, self.maps, self.strength = neighbours, tuple(maps), strength
        self.lesions = lesions or LesionShare()

    def build(self) -> UNet:
        """See `training.task.Task`."""
        return UNet(self.neighbours, self.maps)

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`; nats a slice."""
        seen, where = self.corrupted(batch.images, draw)
        return {"loss": self.cross_entropy(network(seen), where, batch.images)}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Slices with synthetic anomalies, where those are, and where they were found; see `training.task.Task`."""
        seen, where = self.corrupted(batch.images, BatchDraw(0, 0, len(batch), len(batch), batch.images.device))
        shown = self.middle(seen)[:, 0].clamp(max=WHITE) / WHITE
        return {"with synthetic anomalies": shown, "synthetic anomalies": where, "found": network(seen).float().sigmoid()}

    def corrupted(self, batch: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """Slices with synthetic anomalies, as they would be scanned, and where those are."""
        varied = vary_tissue(batch, draw, self.strength)
        regions = with_regions(varied, draw)

        def lesions() -> Ill:
            return with_white_matter_lesions(varied, draw, self.lesions.pixel_mm, self.lesions.step_mm)

        changed, where = self.with_lesions(regions, lesions, draw)
        # Lesions of white matter differ less from healthy tissue than regions do: noise as strong as theirs would hide most of them.
        noise = self.strength * (NOISE + _MORE_NOISE) if self.lesions.share > 0 else NOISE + self.strength * _MORE_NOISE
        return as_scanned(changed, draw, DARKEST, BRIGHTEST, noise), where

    def with_lesions(self, regions: Ill, lesions: Callable[[], Ill], draw: Draw) -> Ill:
        """Slices with anomalies of any kind, in their share those with lesions of white matter in place of them."""
        if self.lesions.share == 0:
            return regions
        (changed, where), (ill, there) = regions, lesions()
        chosen = draw.uniform((len(changed),)) < self.lesions.share
        return torch.where(chosen[:, None, None, None], ill, changed), torch.where(chosen[:, None, None], there, where)

    def cross_entropy(self, logits: torch.Tensor, where: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Binary cross entropy over the brain in the middle, summed over a slice."""
        brain = (self.middle(batch)[:, 0] > 0).to(logits.dtype)
        pixels = functional.binary_cross_entropy_with_logits(logits.float(), where, reduction="none")
        return (pixels * brain).flatten(1).sum(dim=1).mean()

    def middle(self, batch: torch.Tensor) -> torch.Tensor:
        """The slices that are asked about, shape (B, 1, H, W)."""
        return batch[:, self.neighbours : self.neighbours + 1]
