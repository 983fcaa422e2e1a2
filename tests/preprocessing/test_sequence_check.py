from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from napari_brain_uad.core.sequence import USER
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask
from napari_brain_uad.preprocessing.sequence_check import check_against_image

SHAPE = (60, 72, 60)
INTENSITIES = {"T1": (20, 70, 100), "T2": (230, 100, 75), "FLAIR": (20, 115, 90), "T1c": (20, 92, 100)}
"""Fluid, cortex, white matter."""


def brain(looks: str, sequence: str | None) -> Volume:
    """A ball of 3 mm voxels: white matter, a cortex of 9 mm, ventricles, and sulci that go some way into the cortex."""
    i, j, k = np.meshgrid(*(np.arange(n) - n / 2 for n in SHAPE), indexing="ij")
    radius = np.sqrt(i**2 + (j * 0.85) ** 2 + k**2)
    inside = radius < 26
    fluid, cortex, white = INTENSITIES[looks]
    data = np.where(radius > 22, cortex, white).astype(np.float32)
    rng = np.random.default_rng(0)
    sulci = gaussian_filter(rng.normal(size=SHAPE), 1.5) > 0.09
    data[(radius > 21) & sulci] = fluid
    data[(np.abs(i) < 8) & (np.abs(j) < 16) & (np.abs(k) < 9)] = fluid
    data += rng.normal(0, 2, SHAPE).astype(np.float32)
    data = np.where(inside, np.maximum(data, 1), 0).astype(np.float32)
    return Volume(data, Grid(SHAPE, np.diag([3.0, 3.0, 3.0, 1.0])), mask=inside).with_sequence(sequence, USER)


@pytest.mark.parametrize("looks", list(INTENSITIES))
@pytest.mark.parametrize("sequence", [*INTENSITIES, "PD", None])
def test_clear_disagreement_is_said(looks: str, sequence: str | None) -> None:
    volume = brain(looks, sequence)
    assert volume.mask is not None
    found = check_against_image(volume, volume.mask)
    fluid_differs = sequence in INTENSITIES and ("T2" in (looks, sequence)) and looks != sequence
    cortex_differs = {looks, sequence} == {"T1", "FLAIR"}
    assert (found is not None) == (fluid_differs or cortex_differs)
    if found is not None:
        assert found.code == "sequence-image"
        assert f"taken for {sequence} ({USER})" in found.message


def test_too_little_brain_gives_no_judgement() -> None:
    volume = brain("T2", "T1")
    small = np.zeros(SHAPE, bool)
    small[28:34, 28:34, 28:34] = True
    assert check_against_image(volume, small) is None
    assert check_against_image(volume, np.zeros(SHAPE, bool)) is None


def test_a_bright_tumour_on_flair_is_no_fluid() -> None:
    volume = brain("FLAIR", "FLAIR")
    tumour = binary_dilation(np.pad(np.ones((1, 1, 1), bool), ((36, 23), (40, 31), (34, 25))), iterations=11)
    grown = volume.with_data(np.where(tumour, np.float32(210), volume.data))
    assert volume.mask is not None
    assert check_against_image(grown, volume.mask) is None


@pytest.mark.parametrize(
    ("file", "sequence", "wrong"),
    [
        ("mslub/patient07/T2.nii.gz", "T2", "FLAIR"),
        ("raw/TCGA-FG-6692/T2.nii.gz", "T2", "T1"),
        ("raw/TCGA-FG-6692/FLAIR.nii.gz", "FLAIR", "T2"),
        ("ixi_t1_2mm/IXI248_T1.nii.gz", "T1", "FLAIR"),
    ],
)
def test_real_scans(shared_data: Path, file: str, sequence: str, wrong: str) -> None:
    volume = read_volume(shared_data / file)
    assert volume.sequence == sequence
    found = estimate_brain_mask(volume)
    assert check_against_image(volume, found.mask, head=not found.stripped) is None
    assert check_against_image(volume.with_sequence(wrong, USER), found.mask, head=not found.stripped) is not None
