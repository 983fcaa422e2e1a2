"""How AutoDDPM and THOR reconstruct. Imports torch, so the methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ...core.progress import Progress
from ...inference.reconstruction import Scorer
from ...scoring.likelihood import likelihood
from ...scoring.registry import SCORES, Evidence
from ...scoring.residual import absolute
from ...scoring.structure import dissimilarity
from ...training.batch import Batch
from ...training.draws import Draw
from .names import STEPS
from .passes import SEEDS, over_slices
from .process import Noise, Process
from .tasks import PatchReconstruction

_PERCENTILE = 0.95
"""Of a slice's residuals, that becomes 1; of its likelihoods, where no threshold of the mask is known (AutoDDPM's code)."""
_REGION = 13
"""Pixels along each side of the square that a map is closed and widened with (THOR's code)."""
_LEAST = 1e-8


class Stitched(NamedTuple):
    """What `StitchedReconstruction` finds.

    Attributes
    ----------
    coarse, final : tensor, shape (B, 1, H, W)
        The first reconstruction, and the one that fits its surroundings; from 0 to 1.
    likely : tensor, shape (B, H, W)
        How much the first differs.
    where : tensor of bool, shape (B, 1, H, W)
        The mask.
    """

    coarse: torch.Tensor
    likely: torch.Tensor
    where: torch.Tensor
    final: torch.Tensor


@dataclass(frozen=True, eq=False)
class StitchedReconstruction:
    """A chain's reconstruction, stitched into the slice where it differs from it and resampled there (Bercea 2023, arXiv:2305.19643).

    Parameters
    ----------
    coarse : PatchReconstruction
        The first reconstruction, of whole slices.
    threshold : float
        Of the likelihood, ``min(|x - r| / p95, 1)`` times the structural dissimilarity; 0 = its 95th percentile in each slice.
    start, count, times : int
        See `Process.resampled`.
    """

    coarse: PatchReconstruction
    threshold: float
    start: int
    count: int
    times: int

    def __call__(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `inference.reconstruction.Inference`."""
        return Evidence(batch.images, self.found(network, batch, draw, progress).final)

    @torch.no_grad()
    def found(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Stitched:
        """The reconstructions and the mask."""
        coarse = self.coarse(network, batch, draw, progress).reconstruction.clamp(0, 1)
        likely = self.likely(batch.images, coarse)
        where = self.masked(likely)
        seeds = draw.integers((len(batch), 1 + 3 * self.count * self.times), 0, SEEDS).cpu()

        def fitted(images: torch.Tensor, noise: Noise, rows: list[int]) -> torch.Tensor:
            process, guess = self.coarse.process, 2 * coarse[rows] - 1
            return process.resampled(network, images, guess, where[rows], noise, start=self.start, count=self.count, times=self.times)

        return Stitched(coarse, likely, where, over_slices(batch, seeds, self.coarse.kind, fitted, progress))

    def likely(self, images: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """How likely each pixel is to be abnormal, shape (B, H, W), from 0 to 1."""
        difference = absolute(images, coarse)
        return (difference / _percentile(difference)).clamp(max=1) * dissimilarity(images, coarse)

    def masked(self, likely: torch.Tensor) -> torch.Tensor:
        """The pixels above the threshold and those around them, bool, shape (B, 1, H, W)."""
        above = likely > (self.threshold or _percentile(likely))
        return functional.max_pool2d(above[:, None].float(), 3, stride=1, padding=1) > 0


def stitched_score(name: str, inference: StitchedReconstruction, weighted: bool) -> Scorer:
    """A score of the last reconstruction, times the likelihood that the mask came from when `weighted`."""

    def scores(network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> torch.Tensor:
        found = inference.found(network, batch, draw, progress)
        score = SCORES[name].compute(Evidence(batch.images, found.final))
        return score * found.likely if weighted else score

    return scores


@dataclass(frozen=True, eq=False)
class HarmonizedReconstruction:
    """A chain that goes back to the slice, at some time steps, where its reconstruction does not differ (Bercea 2024, arXiv:2403.08464).

    At those the clean slices as predicted, r, and the input x become ``m r + (1 - m) x``, and the chain goes on with that behind the
    noise it began with. m is the map of differences (`region`).

    Parameters
    ----------
    process, kind : Process, str
        As of `tasks.DiffusionTask`.
    start, count : int
        See `Process.denoised`.
    at : sequence of int
        Time steps of the harmonization; with fewer steps of the chain, the step that passes one.
    every : int
        Time steps between two maps that count for the score; the last step's counts always.
    """

    process: Process
    kind: str
    start: int
    count: int
    at: Sequence[int]
    every: int

    @torch.no_grad()
    def __call__(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `inference.reconstruction.Inference`; `Evidence.samples` are the clean slices as predicted along the chain."""
        seeds = draw.integers((len(batch), self.count), 0, SEEDS).cpu()

        def chain(images: torch.Tensor, noise: Noise, rows: list[int]) -> torch.Tensor:
            return self.harmonized(network, images, noise)

        along = over_slices(batch, seeds, self.kind, chain, progress)
        return Evidence(batch.images, along[:, -1:], samples=along.transpose(0, 1)[:, :, None])

    def harmonized(self, network: nn.Module, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """The clean slices as predicted along the chain, shape (B, n, H, W), from -1 to 1; the last are the reconstruction."""
        along: list[torch.Tensor] = []

        def change(time: int, after: int, clean: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
            harmonizes = _passed(self.at, time, after)
            if harmonizes or not after or _passed(range(self.every, STEPS + 1, self.every), time, after):
                along.append(clean)
            if not harmonizes or not after:
                return seen
            with torch.autocast(images.device.type, enabled=False):
                where = region((images + 1) / 2, (clean + 1) / 2)
            mixed = where * clean + (1 - where) * images
            return self.process.noised(mixed, torch.full((len(images),), after, device=images.device), noise(0))

        everywhere = torch.ones_like(images, dtype=torch.bool)
        self.process.denoised(network, images, everywhere, noise, start=self.start, count=self.count, change=change)
        return torch.cat(along, dim=1)


def region(images: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Where slices are taken from their reconstruction, shape (B, 1, H, W), from 0 to 1.

    The mean of two maps: the likelihood over its highest value in the slice, and the same closed and widened by squares of 13 x 13
    pixels (the authors' code).
    """
    likely = likelihood(images, reconstruction)[:, None]
    likely = likely / (likely.amax(dim=(1, 2, 3), keepdim=True) + _LEAST)
    closed = -_widened(-_widened(likely))
    return ((_widened(closed) + likely) / 2).clamp(0, 1)


def _widened(maps: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(maps, _REGION, stride=1, padding=_REGION // 2)


def _percentile(maps: torch.Tensor) -> torch.Tensor:
    """The 95th percentile of each of (B, H, W), shape (B, 1, 1)."""
    return maps.flatten(1).quantile(_PERCENTILE, dim=1)[:, None, None].clamp(min=_LEAST)


def _passed(times: Sequence[int], time: int, after: int) -> bool:
    return any(after < one <= time for one in times)
