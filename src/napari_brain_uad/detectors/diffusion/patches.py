"""Patches of slices on a fixed grid: where they lie, cutting them out and putting them together again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch

from ...sampling.windows import window_starts


@dataclass(frozen=True)
class PatchGrid:
    """Patches of one size that cover slices of one size.

    Parameters
    ----------
    height, width : int
        Of the slices, in pixels.
    size : (int, int)
        Height and width of a patch, no larger than the slice.
    stride : (int, int)
        From one patch to the next, no longer than a patch. The last one ends with the slice, so patches may overlap.
    """

    height: int
    width: int
    size: tuple[int, int]
    stride: tuple[int, int]

    def corners(self) -> list[tuple[int, int]]:
        """First row and column of each patch, row by row."""
        rows, columns = (
            window_starts(there, size, step) for there, size, step in zip((self.height, self.width), self.size, self.stride, strict=True)
        )
        return list(product(rows, columns))

    def where(self, corners: torch.Tensor) -> torch.Tensor:
        """The pixels of patches that begin at these corners (B, 2), bool, shape (B, 1, height, width)."""
        inside = []
        for axis, (there, size) in enumerate(zip((self.height, self.width), self.size, strict=True)):
            begin = corners[:, axis, None]
            at = torch.arange(there)
            inside.append((at >= begin) & (at < begin + size))
        return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]

    def chosen(self, place: torch.Tensor, sampling: str) -> torch.Tensor:
        """One patch as `where` gives it, (1, 1, height, width): of the grid, or anywhere when `sampling` is "random".

        Parameters
        ----------
        place : tensor, shape (2,)
            Two numbers from 0 to below 1 that decide which.
        """
        if sampling == "random":
            free = torch.tensor([self.height - self.size[0] + 1, self.width - self.size[1] + 1])
            return self.where((place * free).long()[None])
        corners = self.corners()
        return self.where(torch.tensor([corners[int(place[0] * len(corners))]]))

    def cut(self, images: torch.Tensor, cell: int | None = None) -> torch.Tensor:
        """Patches of slices (B, C, height, width), shape (B, patches, C, h, w); only one of them when `cell` says which."""
        corners = self.corners() if cell is None else [self.corners()[cell]]
        return torch.stack([images[:, :, top : top + self.size[0], left : left + self.size[1]] for top, left in corners], dim=1)

    def stitched(self, patches: torch.Tensor) -> torch.Tensor:
        """Slices (B, C, height, width) of patches as `cut` gives them; where patches overlap, their mean."""
        total = patches.new_zeros((len(patches), patches.shape[2], self.height, self.width))
        times = patches.new_zeros((self.height, self.width))
        for (top, left), patch in zip(self.corners(), patches.unbind(dim=1), strict=True):
            total[:, :, top : top + self.size[0], left : left + self.size[1]] += patch
            times[top : top + self.size[0], left : left + self.size[1]] += 1
        return total / times
