"""What the network that segments hyperintensities minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import BatchDraw, Draw
from .flair_appearance import BRIGHTEST, DARKEST, OFFSET, as_flair, with_bright_lesions, with_hyperintensities
from .segmentation_task import Ill, LesionShare, SegmentationTask
from .surroundings import odd
from .synthetic_anomalies import as_scanned

_MOST_NOISE = 0.3
_GAIN, _SHIFT = 0.25, 0.25
"""The mode and spread of a brain with lesions are not quite those of its healthy tissue."""
_BLUR_MM, _SHIFT_MM = 5.0, 48.0
"""Over how much a scan may blur in its slices, and over which a bias field changes."""
_THICK_SHARE = 0.35
"""Share of the slices that are seen as one of a scan with thick slices: the same as its neighbours, more or less."""


class HyperintensityTask(SegmentationTask):
    """Segment synthetic hyperintensities in slices that are made to look like FLAIR.

    Batches hold slices of tissue with their neighbours, shape (B, 2 neighbours + 1, H, W).

    Parameters
    ----------
    neighbours : int
        Slices on either side.
    maps : sequence of int
        Feature maps of the levels.
    lesions : LesionShare
        Slices with lesions of white matter instead; the size of a pixel, and the distance between slices.
    """

    def __init__(self, neighbours: int, maps: Sequence[int], lesions: LesionShare) -> None:
        super().__init__(neighbours, maps, lesions=lesions)
        self.pixel_mm, self.step_mm = lesions.pixel_mm, lesions.step_mm

    def corrupted(self, batch: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """Slices with hyperintensities, as they would be scanned, and where those are."""
        healthy = as_flair(batch, draw, self.pixel_mm)
        regions = with_hyperintensities(healthy, batch, draw, self.pixel_mm, self.step_mm)

        def lesions() -> Ill:
            return with_bright_lesions(healthy, batch, draw, self.pixel_mm, self.step_mm)

        changed, where = self.with_lesions(regions, lesions, draw)
        changed = _of_thick_slices(changed, batch > 0, draw)
        gain, shift = draw.uniform((len(batch), 2, 1, 1), -1.0, 1.0)[:, :, None].unbind(dim=1)
        changed = torch.where(batch > 0, OFFSET + _SHIFT * shift + (1.0 + _GAIN * gain) * (changed - OFFSET), 0.0)
        blur, shift_over = odd(_BLUR_MM / self.pixel_mm), _SHIFT_MM / self.pixel_mm
        scanned = as_scanned(changed.clamp(min=0.0), draw, DARKEST, BRIGHTEST, _MOST_NOISE, blur_pixels=blur, shift_pixels=shift_over)
        return torch.where(batch > 0, scanned.clamp(min=DARKEST), 0.0), where

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Slices with synthetic hyperintensities, where those are, and where they were found; see `training.task.Task`."""
        seen, where = self.corrupted(batch.images, BatchDraw(0, 0, len(batch), len(batch), batch.images.device))
        shown = self.middle(seen)[:, 0].clamp(max=OFFSET + 3.0) / (OFFSET + 3.0)
        return {"with synthetic hyperintensities": shown, "synthetic hyperintensities": where, "found": network(seen).float().sigmoid()}


def _of_thick_slices(stack: torch.Tensor, inside: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Some stacks with all slices drawn to their mean, shape (B, C, H, W): what lies between thick slices was never seen."""
    chosen, most = draw.uniform((len(stack), 2, 1, 1))[:, :, None].unbind(dim=1)
    mean = stack.sum(dim=1, keepdim=True) / inside.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(inside & (chosen < _THICK_SHARE), stack + most * (mean - stack), stack)
