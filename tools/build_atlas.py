"""Make the atlas that names regions from label maps: what most subjects have at a place of MNI152, on a grid of 2 mm.

    python tools/build_atlas.py LABELMAPS

LABELMAPS is a folder of FreeSurfer- or SynthSeg-style label maps. Each is painted as a T1 image and registered to the template: affine,
by correlation, from the brains' centres and sizes. Its labels are brought along; every voxel of 1 mm is a vote.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, gaussian_filter

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.provenance import array_sha256
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.postprocessing.atlas import ATLAS, MIDDLE, NAMES
from napari_brain_uad.preprocessing.correlation_fit import fit_correlation
from napari_brain_uad.preprocessing.geometry import resample_array, resample_mask
from napari_brain_uad.preprocessing.registration import by_centres, dice
from napari_brain_uad.preprocessing.template import MNI_GRID, template

# Name: labels of the left side, of the right side, and how bright the structure is on T1. The choroid plexus lies in the ventricle.
PAIRS: dict[str, tuple[tuple[int, ...], tuple[int, ...], float]] = {
    "cerebral white matter": ((2, 25), (41, 57), 1.0),
    "cerebral cortex": ((3,), (42,), 0.66),
    "lateral ventricle": ((4, 5, 136, 137), (43, 44, 163, 164), 0.2),
    "cerebellar white matter": ((7,), (46,), 0.98),
    "cerebellar cortex": ((8,), (47,), 0.66),
    "thalamus": ((10,), (49,), 0.82),
    "caudate": ((11,), (50,), 0.7),
    "putamen": ((12,), (51,), 0.74),
    "pallidum": ((13,), (52,), 0.93),
    "hippocampus": ((17,), (53,), 0.65),
    "amygdala": ((18,), (54,), 0.65),
    "accumbens": ((26,), (58,), 0.7),
    "ventral diencephalon": ((28,), (60,), 0.9),
}
MIDDLES: dict[str, tuple[tuple[int, ...], float]] = {
    "third ventricle": ((14, 72), 0.2),
    "fourth ventricle": ((15,), 0.2),
    "brain stem": ((16, 85), 0.93),
    "fluid around the brain": ((24, 30, 62), 0.2),
}
FLUID = NAMES.index("fluid around the brain")


def main() -> int:
    """Write the atlas and print its size, checksum and volumes."""
    blocks = tuple(n // 2 for n in MNI_GRID.shape)
    votes = np.zeros((len(NAMES), *blocks), np.uint16)
    files = sorted(Path(sys.argv[1]).glob("*.nii.gz"))
    for number, file in enumerate(files, 1):
        codes, matrix, overlap = _registered(read_volume(file))
        moved = resample_array(codes.data.astype(np.uint8), codes.grid, MNI_GRID, matrix, interpolation="nearest")
        for value in range(len(NAMES)):
            votes[value] += _in_blocks(moved == value)
        print(f"{number} of {len(files)}: brain overlap with the template {overlap:.3f}", flush=True)
    labels = _majority(votes)
    # A voxel of 2 mm holds eight of 1 mm: its centre lies between theirs.
    affine = MNI_GRID.affine @ np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1.0]])
    image = nibabel.Nifti1Image(labels, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    ATLAS.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))
    print(f"{ATLAS.name}: {ATLAS.stat().st_size} bytes, voxels' sha256 {array_sha256(labels)}")
    for value, name in enumerate(NAMES[1:], 1):
        print(f"  {name}: {np.count_nonzero(labels == value) * 0.008:.1f} ml")
    return 0


def _registered(labels: Volume) -> tuple[Volume, NDArray[np.float64], float]:
    """The atlas' values on the map's own grid, and where the template's points lie in it."""
    codes, bright = _codes_and_brightness(np.rint(labels.data).astype(np.int64))
    brain = binary_closing((codes > 0) & (codes != FLUID), iterations=3)
    codes[(codes == FLUID) & ~brain] = 0
    picture = np.where(brain, gaussian_filter(bright, 0.6), 0.0).astype(np.float32)
    painted = Volume(picture, labels.grid, name=labels.name, mask=brain, sequence="T1")
    matrix = fit_correlation(template(), painted, by_centres(template(), painted), Progress())
    inside = template().mask
    assert inside is not None
    return labels.with_data(codes.astype(np.float32)), matrix, dice(resample_mask(brain, labels.grid, MNI_GRID, matrix), inside)


def _codes_and_brightness(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    code_of, bright_of = np.zeros(labels.max() + 1, np.int64), np.zeros(labels.max() + 1)
    for name, (left, right, bright) in PAIRS.items():
        for side, own in (("left", left), ("right", right)):
            code_of[list(own)] = NAMES.index(f"{side} {name}")
            bright_of[list(own)] = bright
    for name, (own, bright) in MIDDLES.items():
        code_of[list(own)] = NAMES.index(name)
        bright_of[list(own)] = bright
    return code_of[labels], bright_of[labels]


def _in_blocks(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """How many of its eight voxels each block of 2 x 2 x 2 has in the mask."""
    i, j, k = mask.shape
    return np.asarray(mask.reshape(i // 2, 2, j // 2, 2, k // 2, 2).sum(axis=(1, 3, 5), dtype=np.uint16))


def _majority(votes: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The structure with the most votes where at least half of all lie in the brain."""
    best = votes[1:].argmax(axis=0).astype(np.uint8) + 1
    return np.where(2 * votes[0].astype(int) > votes.sum(axis=0, dtype=int), 0, best).astype(np.uint8)


if __name__ == "__main__":
    assert set(MIDDLES) == set(MIDDLE)
    sys.exit(main())
