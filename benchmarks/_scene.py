"""A 1 mm anomaly map to measure on: a real scan where the shared ones are, else random blobs of the same size."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import create
from napari_brain_uad.io.nifti import read_mask, read_volume

SHAPE = (182, 218, 182)


def scene() -> tuple[str, NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Name, score, brain and ground truth at 1 mm."""
    told = os.environ.get("BRAIN_UAD_DATA")
    folder = (Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "data") / "mslub" / "patient19"
    if folder.is_dir():
        volume = read_volume(folder / "FLAIR.nii.gz")
        amap = create("threshold").score(volume.with_mask(volume.data > 5), seed=0, progress=Progress())
        return (
            "MSLUB patient19, method threshold",
            amap.score,
            amap.mask,
            read_mask(folder / "lesions.nii.gz", volume, label="ground truth"),
        )
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE), indexing="ij")
    brain: NDArray[np.bool_] = np.less(sum(axis**2 for axis in axes), 0.5)
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(size=SHAPE).astype(np.float32), 1.5)
    truth = brain & (ndimage.gaussian_filter(rng.normal(size=SHAPE).astype(np.float32), 4.0) > 0.055)
    volume = Volume(image + np.float32(0.1) * truth, Grid(SHAPE, np.eye(4)), mask=brain)
    amap = create("threshold").score(volume, seed=0, progress=Progress())
    return "simulated map (the shared scans are not here)", amap.score, brain, truth


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """CPU time of the fastest of several runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
