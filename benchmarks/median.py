"""3-D median filter at 1 mm: ours against scipy.ndimage, same input, same result, one run."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

from benchmarks._scene import scene, seconds
from napari_brain_uad.postprocessing.filters import median


def main() -> None:
    """Print CPU times and their ratio for every window size."""
    name, score, _, _ = scene()
    print(f"{name}, {'x'.join(map(str, score.shape))}")
    for size in (3, 5, 7):
        if not np.array_equal(median(score, size), ndimage.median_filter(score, size, mode="nearest")):
            raise SystemExit(f"size {size}: the results differ")
        ours = seconds(partial(median, score, size))
        theirs = seconds(partial(ndimage.median_filter, score, size, mode="nearest"), repeats=1)
        print(f"size {size}: {ours:.2f} s, scipy {theirs:.2f} s, {theirs / ours:.1f} times faster, every voxel equal")


if __name__ == "__main__":
    main()
