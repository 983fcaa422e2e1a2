"""What the network that segments hyperintensities minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import BatchDraw, Draw
from .flair_appearance import BRIGHTEST, DARKEST, OFFSET, as_flair, with_hyperintensities
from .segmentation_task import SegmentationTask
from .synthetic_anomalies import as_scanned

_MOST_NOISE = 0.3
_GAIN, _SHIFT = 0.25, 0.25
"""The mode and spread of a brain with lesions are not quite those of its healthy tissue."""


class HyperintensityTask(SegmentationTask):
    """Segment synthetic hyperintensities in slices that are made to look like FLAIR.

    Batches hold slices of tissue with their neighbours, shape (B, 2 neighbours + 1, H, W).
    """

    def corrupted(self, batch: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """Slices with hyperintensities, as they would be scanned, and where those are."""
        changed, where = with_hyperintensities(as_flair(batch, draw), batch, draw)
        gain, shift = draw.uniform((len(batch), 2, 1, 1), -1.0, 1.0)[:, :, None].unbind(dim=1)
        changed = torch.where(batch > 0, OFFSET + _SHIFT * shift + (1.0 + _GAIN * gain) * (changed - OFFSET), 0.0)
        scanned = as_scanned(changed.clamp(min=0.0), draw, DARKEST, BRIGHTEST, _MOST_NOISE)
        return torch.where(batch > 0, scanned.clamp(min=DARKEST), 0.0), where

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Slices with synthetic hyperintensities, where those are, and where they were found; see `training.task.Task`."""
        seen, where = self.corrupted(batch.images, BatchDraw(0, 0, len(batch), len(batch), batch.images.device))
        shown = self.middle(seen)[:, 0].clamp(max=OFFSET + 3.0) / (OFFSET + 3.0)
        return {"with synthetic hyperintensities": shown, "synthetic hyperintensities": where, "found": network(seen).float().sigmoid()}
