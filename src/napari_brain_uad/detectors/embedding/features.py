"""Features of the places of a slice, from the levels of a backbone. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..backbones.load import Backbone

Scale = tuple[torch.Tensor, torch.Tensor]
"""Mean and deviation of features, each of shape (D,)."""


def scale_of(features: NDArray[np.floating]) -> Scale:
    """Mean and standard deviation, at least 1e-4, of features (N, D)."""
    mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(np.maximum(deviation, 1e-4), dtype=torch.float32)


@dataclass(frozen=True, eq=False)
class PatchFeatures:
    """Locally aware patch features: Roth et al. 2022, Towards total recall in industrial anomaly detection, arXiv:2106.08265, section 3.1.

    The features of a neighbourhood at each place of a level are averaged in groups, to as many as `dimension`; deeper levels are
    brought to the places of the first; all levels together are averaged to `dimension` again.

    Parameters
    ----------
    backbone : Backbone
        Where they come from.
    levels : tuple of int
        Levels of its pyramid; the first one's stride is the distance of the places.
    neighbourhood : int
        Places along each side of a neighbourhood, odd.
    dimension : int
        D, features of a place.
    """

    backbone: Backbone
    levels: tuple[int, ...]
    neighbourhood: int
    dimension: int

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Of grey images (B, 1, H, W): shape (B, D, h, w)."""
        found = [self._averaged(level.float()) for level in self.backbone.features(images, self.levels)]
        if len(found) == 1:
            return found[0]
        whole = stacked(found).permute(0, 2, 3, 1)
        return functional.adaptive_avg_pool1d(whole.flatten(1, 2), self.dimension).reshape(*whole.shape[:3], -1).permute(0, 3, 1, 2)

    def _averaged(self, level: torch.Tensor) -> torch.Tensor:
        """Groups of the features of each neighbourhood, shape (B, D, h, w)."""
        side = self.neighbourhood
        around = functional.unfold(level, side, padding=side // 2).transpose(1, 2)
        pooled = functional.adaptive_avg_pool1d(around, self.dimension)
        return pooled.transpose(1, 2).reshape(len(level), self.dimension, *level.shape[-2:])


def stacked(levels: Sequence[torch.Tensor]) -> torch.Tensor:
    """Features of several levels at the places of the first, linear between those of the deeper: shape (B, channels of all, h, w)."""
    size = levels[0].shape[-2:]
    same = [levels[0], *(functional.interpolate(level, size, mode="bilinear", align_corners=False) for level in levels[1:])]
    return torch.cat(same, dim=1).float()


def aggregated(slices: torch.Tensor, depth: int) -> torch.Tensor:
    """Means over neighbouring slices, so that S of them (S, ...) become `depth`, as torch's adaptive average pooling divides them."""
    count = len(slices)
    return torch.stack([slices[number * count // depth : -(-(number + 1) * count // depth)].mean(dim=0) for number in range(depth)])


def brain_cells(brain: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Places that show any brain, shape (S', h, w) as `size` says, of masks (S, H, W)."""
    return functional.adaptive_max_pool3d(brain[None, None].float(), size)[0, 0] > 0


def at_pixels(scores: torch.Tensor, cells: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Scores of places at the pixels, linear between the places of the brain; 0 where none is near.

    Parameters
    ----------
    scores, cells : tensor, shape (S, h, w)
        Only those places count that `cells` names.
    size : tuple of int
        (S', H, W) wanted.
    """
    return _resized(scores * cells, size) / _resized(cells.float(), size).clamp_min(1e-6)


def resized_maps(maps: Sequence[torch.Tensor], size: Sequence[int]) -> torch.Tensor:
    """Maps (B, h, w) of several levels at the pixels, linear between the places: shape (levels, B, H, W)."""
    return torch.stack([functional.interpolate(one[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0] for one in maps])


def _resized(values: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    return functional.interpolate(values.float()[None, None], size, mode="trilinear", align_corners=False)[0, 0]
