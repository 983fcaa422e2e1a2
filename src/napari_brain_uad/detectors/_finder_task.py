"""What StRegA's second network minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ..preprocessing.tissue_scale import BRIGHTEST, DARKEST, WHITE
from ..training.draws import Draw
from ._nets.finder import Finder
from ._painting import as_scanned, paint_regions


class FinderTask:
    """Find what has been painted over healthy slices: context encoding's other half, which no reconstruction has to be good for.

    Where Zimmerer's network restores what is below a patch, this one says where patches are (as in self-supervised detection with
    synthetic anomalies, Tan et al. 2020, arXiv:2011.04197). Batches hold slices with their neighbours, shape (B, 2 neighbours + 1, H, W).

    Parameters
    ----------
    neighbours : int
        Slices on either side.
    maps : sequence of int
        Feature maps of the levels.
    """

    def __init__(self, neighbours: int, maps: Sequence[int]) -> None:
        self.neighbours, self.maps = neighbours, tuple(maps)

    def build(self) -> Finder:
        """See `training.task.Task`."""
        return Finder(self.neighbours, self.maps)

    def loss(self, network: nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
        """See `training.task.Task`; nats a slice."""
        seen, where = self.painted(batch, draw)
        return {"loss": self.cross_entropy(network(seen), where, batch)}

    @torch.no_grad()
    def pictures(self, network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        """Slices with regions painted over them, where those are, and where they were found; see `training.task.Task`."""
        seen, where = self.painted(batch, Draw(0, 0, len(batch), len(batch), batch.device))
        return torch.stack([self.middle(seen)[:, 0].clamp(max=WHITE) / WHITE, where, network(seen).float().sigmoid()], dim=1)

    def painted(self, batch: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """Slices with regions painted over them, as they would be scanned, and where those regions are."""
        painted, where = paint_regions(batch, draw)
        return as_scanned(painted, draw, DARKEST, BRIGHTEST), where

    def cross_entropy(self, logits: torch.Tensor, where: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Binary cross entropy over the brain in the middle, summed over a slice."""
        brain = (self.middle(batch)[:, 0] > 0).to(logits.dtype)
        pixels = functional.binary_cross_entropy_with_logits(logits.float(), where, reduction="none")
        return (pixels * brain).flatten(1).sum(dim=1).mean()

    def middle(self, batch: torch.Tensor) -> torch.Tensor:
        """The slices that are asked about, shape (B, 1, H, W)."""
        return batch[:, self.neighbours : self.neighbours + 1]
