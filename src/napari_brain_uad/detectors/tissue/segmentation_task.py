"""What StRegA's second network minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ...preprocessing.tissue_scale import BRIGHTEST, DARKEST, WHITE
from ...training.batch import Batch
from ...training.draws import BatchDraw, Draw
from ...training.task import Losses, Task
from ..nets.unet import Finder
from .synthetic_anomalies import NOISE, as_scanned, paint_regions
from .tissue_variation import vary_tissue

_ROUGH_NOISE = 0.15
"""What roughness adds to the noise at most, in distances between tissues: on T2 white and grey matter lie close together."""


class FinderTask(Task):
    """Find what has been painted over healthy slices: context encoding's other half, which no reconstruction has to be good for.

    Where Zimmerer's network restores what is below a patch, this one says where patches are (as in self-supervised detection with
    synthetic anomalies, Tan et al. 2020, arXiv:2011.04197). Batches hold slices with their neighbours, shape (B, 2 neighbours + 1, H, W).

    Parameters
    ----------
    neighbours : int
        Slices on either side.
    maps : sequence of int
        Feature maps of the levels.
    roughness : float
        How uneven healthy tissue is made (`vary_tissue`): 1 is about what real T2 scans show, and simulated ones lack.
    """

    def __init__(self, neighbours: int, maps: Sequence[int], roughness: float = 1.0) -> None:
        self.neighbours, self.maps, self.roughness = neighbours, tuple(maps), roughness

    def build(self) -> Finder:
        """See `training.task.Task`."""
        return Finder(self.neighbours, self.maps)

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`; nats a slice."""
        seen, where = self.painted(batch.images, draw)
        return {"loss": self.cross_entropy(network(seen), where, batch.images)}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Slices with regions painted over them, where those are, and where they were found; see `training.task.Task`."""
        seen, where = self.painted(batch.images, BatchDraw(0, 0, len(batch), len(batch), batch.images.device))
        shown = self.middle(seen)[:, 0].clamp(max=WHITE) / WHITE
        return {"with synthetic anomalies": shown, "synthetic anomalies": where, "found": network(seen).float().sigmoid()}

    def painted(self, batch: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """Slices with regions painted over them, as they would be scanned, and where those regions are."""
        painted, where = paint_regions(vary_tissue(batch, draw, self.roughness), draw)
        return as_scanned(painted, draw, DARKEST, BRIGHTEST, NOISE + self.roughness * _ROUGH_NOISE), where

    def cross_entropy(self, logits: torch.Tensor, where: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Binary cross entropy over the brain in the middle, summed over a slice."""
        brain = (self.middle(batch)[:, 0] > 0).to(logits.dtype)
        pixels = functional.binary_cross_entropy_with_logits(logits.float(), where, reduction="none")
        return (pixels * brain).flatten(1).sum(dim=1).mean()

    def middle(self, batch: torch.Tensor) -> torch.Tensor:
        """The slices that are asked about, shape (B, 1, H, W)."""
        return batch[:, self.neighbours : self.neighbours + 1]
