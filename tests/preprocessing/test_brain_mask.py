from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume, canonical
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask

SHAPE = (60, 70, 50)
AFFINE = np.diag([2.5, 2.5, 2.5, 1.0])


def ball(radius: float) -> np.ndarray:
    i, j, k = np.meshgrid(*(np.arange(n) - n / 2 for n in SHAPE), indexing="ij")
    return i**2 + j**2 + k**2 < radius**2


def volume(data: np.ndarray) -> Volume:
    return Volume(data.astype(np.float32), Grid(data.shape, AFFINE))


@pytest.mark.parametrize("background", [0.0, -3.6, 12.0])
def test_stripped_scan_gives_its_brain_exactly(background: float) -> None:
    rng = np.random.default_rng(0)
    found = estimate_brain_mask(volume(np.where(ball(20), background + rng.uniform(20, 100, SHAPE), background)))
    assert found.stripped
    assert not found.findings
    assert np.array_equal(found.mask, ball(20))


def test_dark_ventricle_and_stray_voxels() -> None:
    data = np.where(ball(20) & ~ball(6), 80.0, 0.0)
    data[1, 1, 1] = 90
    found = estimate_brain_mask(volume(data))
    assert np.array_equal(found.mask, ball(20))


def test_interpolation_ringing_is_not_brain() -> None:
    rng = np.random.default_rng(0)
    rim = ball(23) & ~ball(20)
    data = np.where(ball(20), 100.0, 0.0) + np.where(rim, rng.uniform(-0.9, 0.9, SHAPE), 0)
    assert np.array_equal(estimate_brain_mask(volume(data)).mask, ball(20))


def test_noisy_air_means_a_whole_head() -> None:
    rng = np.random.default_rng(0)
    found = estimate_brain_mask(volume(np.where(ball(20), 100.0, 0) + rng.rayleigh(3, SHAPE)))
    assert not found.stripped
    assert [finding.code for finding in found.findings] == ["skull"]


def test_head_in_zeroed_air_is_too_large_for_a_brain() -> None:
    """2,600 ml of anatomy cannot be a brain, however clean the air around it is."""
    data = np.where(ball(24.5), 100.0, 0).astype(np.float32)
    data[30, 35, 25] = 110  # Otsu needs more than one value
    found = estimate_brain_mask(Volume(data, Grid(SHAPE, np.diag([3.5, 3.5, 3.5, 1.0]))))
    assert not found.stripped


@pytest.mark.parametrize(
    ("file", "reference"),
    [("mslub/patient19/FLAIR.nii.gz", "flair>5"), ("brats2013/pat0001/FLAIR.nii.gz", "brats2013/pat0001/brainmask.nii.gz")],
)
def test_real_stripped_scans(shared_data: Path, file: str, reference: str) -> None:
    image = nib.load(shared_data / file)
    data, grid = canonical(image.get_fdata(dtype=np.float32), Grid(image.shape, image.affine))
    if reference == "flair>5":
        brain = data > 5
    else:
        other = nib.load(shared_data / reference)
        brain, _ = canonical(other.get_fdata() > 0.5, Grid(other.shape, other.affine))
    found = estimate_brain_mask(Volume(data, grid))
    assert found.stripped
    assert 2 * (found.mask & brain).sum() / (found.mask.sum() + brain.sum()) > 0.98


@pytest.mark.parametrize("file", ["healthy/chris_T1.nii.gz", "raw/TCGA-FG-6692/FLAIR.nii.gz"])
def test_real_heads_are_recognised(shared_data: Path, file: str) -> None:
    image = nib.load(shared_data / file)
    data, grid = canonical(image.get_fdata(dtype=np.float32), Grid(image.shape, image.affine))
    assert not estimate_brain_mask(Volume(data, grid)).stripped
