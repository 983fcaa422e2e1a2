"""Windows of one size over the slices of a scan: slices with their neighbours, patches in two or three dimensions, the whole brain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .slices import Slices


@dataclass(frozen=True)
class Windows:
    """The size of a sample, and how far apart samples lie.

    Parameters
    ----------
    dimensions : {2, 3}
        2: a sample is a place in one slice, scored there; its neighbouring slices may be seen with it, as channels. 3: a sample is a
        block of slices, scored as a whole.
    size : tuple of int, optional
        Of a patch: (height, width), in three dimensions (depth, height, width), in pixels. None: all there is.
    step : tuple of int, optional
        From one patch to the next, as `size`; patches of less overlap. None: they touch. The last one ends with the slices.
    neighbours : int
        Slices on either side that are seen with a slice, in two dimensions; beyond a scan's ends they are 0.
    """

    dimensions: int = 2
    size: tuple[int, ...] | None = None
    step: tuple[int, ...] | None = None
    neighbours: int = 0

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3) or any(given is not None and len(given) != self.dimensions for given in (self.size, self.step)):
            raise ValueError("a window has two or three dimensions, and a size and a step along each")
        if self.neighbours and self.dimensions == 3:
            raise ValueError("neighbours are for two dimensions: a block of slices holds them")


class Cut:
    """One scan as samples.

    Parameters
    ----------
    channels : sequence of Slices
        Of one scan, or of several sequences of one subject, cut at the same places; the brain is that of the first.
    windows : Windows
        What a sample is.

    Attributes
    ----------
    index : array of int64, shape (N, 3)
        Slice, row and column where each sample begins; in two dimensions its own slice, without the neighbours.
    """

    def __init__(self, channels: Sequence[Slices], windows: Windows = Windows()) -> None:
        self.slices, self.windows, self._channels = channels[0], windows, tuple(channels)
        self._data, self._mask = [one.data for one in channels], self.slices.mask
        extent = self._mask.shape
        flat = windows.dimensions == 2
        wanted = (1, *(windows.size or extent[1:])) if flat else (windows.size or extent)
        step = (1, *(windows.step or wanted[1:])) if flat else (windows.step or wanted)
        self.size = (int(wanted[0]), int(wanted[1]), int(wanted[2]))
        missing = [max(0, size - there) for size, there in zip(self.size, extent, strict=True)]
        if any(missing):  # a scan smaller than a patch: there is nothing beyond it
            around = [(0, more) for more in missing]
            self._data, self._mask = [np.pad(data, around) for data in self._data], np.pad(self._mask, around)
        begins = [window_starts(there, size, by) for there, size, by in zip(self._mask.shape, self.size, step, strict=True)]
        self.index = np.array(list(product(*begins)), np.int64).reshape(-1, 3)

    def __len__(self) -> int:
        """How many samples."""
        return len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (channels, height, width), in three dimensions (channels, depth, height, width)."""
        sides = self.size[1:] if self.windows.dimensions == 2 else self.size
        return (len(self._data) * (2 * self.windows.neighbours + 1), *sides)

    def images(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Samples at these places of `index`, shape (len(rows), *shape), of the type that the slices have."""
        found = np.zeros((len(rows), *self.shape), self._data[0].dtype)
        around = np.arange(-self.windows.neighbours, self.windows.neighbours + 1)
        for sample, row in zip(found, rows, strict=True):
            window = self._window(row)
            slices = self.index[row, 0] + around
            inside = (slices >= 0) & (slices < len(self._mask))
            for number, data in enumerate(self._data):
                if self.windows.dimensions == 3:
                    sample[number] = data[window]
                else:
                    sample[number * len(around) : (number + 1) * len(around)][inside] = data[slices[inside], window[1], window[2]]
        return found

    def brain(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where these samples show brain, shape (len(rows), height, width), in three dimensions with the depth before."""
        found = np.empty((len(rows), *self.size), np.bool_)
        for sample, row in zip(found, rows, strict=True):
            sample[...] = self._mask[self._window(row)]
        return found[:, 0] if self.windows.dimensions == 2 else found

    def stitched(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of all samples, of the shape that `brain` gives, as one score a pixel, shape (S, H, W): where samples overlap, their mean.

        Pixels that no sample holds, which steps wider than the samples leave, are 0.
        """
        if self.windows == Windows(neighbours=self.windows.neighbours):
            return scores
        total, times = np.zeros(self._mask.shape, np.float32), np.zeros(self._mask.shape, np.float32)
        for row, score in enumerate(scores):
            window = self._window(row)
            total[window] += score
            times[window] += 1.0
        whole = tuple(slice(0, count) for count in self.slices.mask.shape)
        return np.asarray((total / np.maximum(times, 1.0))[whole])

    def back(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of all samples at the voxels of the scan; see `stitched` and `slices.Slices.back`."""
        return self.slices.back(self.stitched(scores))

    def half(self) -> Cut:
        """The same samples in float16, to keep many scans in memory."""
        return Cut([one.with_data(one.data.astype(np.float16)) for one in self._channels], self.windows)

    def _window(self, row: int) -> tuple[slice, slice, slice]:
        depth, down, across = (slice(start, start + size) for start, size in zip(self.index[row].tolist(), self.size, strict=True))
        return depth, down, across


def window_starts(there: int, size: int, step: int) -> list[int]:
    """Where windows begin along an axis; the last one ends with it."""
    starts = list(range(0, there - size + 1, step))
    return starts if starts[-1] + size == there or step > size else [*starts, there - size]
