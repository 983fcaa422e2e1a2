"""Volumes as SimpleITK images, and SimpleITK filters that stop when the user cancels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..core.progress import Progress
from ..core.volume import Grid

_THREADS = 4
"""On however many cores: sums are cut into this many parts, and come out the same on every machine and in every process."""


def image_of(data: NDArray[Any], grid: Grid) -> sitk.Image:
    """An image whose voxel sizes are the grid's, along its own axes with the origin at voxel 0.

    Steps that only need distances (N4) work there; the grid's own place and shear stay out of it.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(grid.spacing)
    return image


@contextmanager
def steady(running: Any, progress: Progress) -> Iterator[None]:
    """Run a filter or a registration so that its sums do not depend on the cores; abort it once the progress is cancelled."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(_THREADS)
    running.SetNumberOfThreads(_THREADS)
    running.SetNumberOfWorkUnits(_THREADS)

    def look() -> None:
        if progress.cancelled:
            running.Abort()

    for event in (sitk.sitkIterationEvent, sitk.sitkProgressEvent):
        running.AddCommand(event, look)
    try:
        yield
    except RuntimeError:
        progress.check()
        raise
    finally:
        running.RemoveAllCommands()
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    progress.check()
