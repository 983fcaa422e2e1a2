from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume, canonical
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask, stripped_brain

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


def _with_cavity(neck: float) -> tuple[np.ndarray, np.ndarray]:
    """A ball with an empty cavity behind its lower surface, closed in every axial slice, and the cavity; the way in is `neck` mm wide."""
    i, j, k = np.meshgrid(*(np.arange(n) - n / 2 for n in SHAPE), indexing="ij")
    cavity = ((i**2 + j**2 + (k + 12) ** 2) < 4**2) & ball(20)
    way = (i**2 + j**2 < (neck / 2 / 2.5) ** 2) & (k < -12) & ball(20)
    return np.where(ball(20) & ~cavity & ~way, 80.0 + np.random.default_rng(0).uniform(0, 20, SHAPE), 0.0), cavity


def test_a_cavity_that_is_wide_open_below_is_no_brain() -> None:
    """As at the base of a brain without its skull, which no axial slice shows."""
    data, cavity = _with_cavity(neck=20)
    found = estimate_brain_mask(volume(data))
    assert found.stripped
    assert not found.mask[cavity].any()
    assert found.mask[data > 0].all()


@pytest.mark.parametrize("neck", [0, 4])
def test_dark_fluid_with_a_narrow_way_out_stays_in_the_brain(neck: float) -> None:
    data, _ = _with_cavity(neck)
    assert np.array_equal(estimate_brain_mask(volume(data)).mask, ball(20))


def test_a_small_open_pit_stays_filled() -> None:
    data, _ = _with_cavity(neck=20)
    grid = Grid(SHAPE, np.diag([0.7, 0.7, 0.7, 1.0]))
    assert np.array_equal(estimate_brain_mask(Volume(data.astype(np.float32), grid)).mask, ball(20))


@pytest.mark.parametrize(("file", "millilitres"), [("mslub/patient07/T2.nii.gz", 2.98), ("mslub/patient19/T2.nii.gz", 0.0)])
def test_the_empty_cavity_at_the_base_of_real_brains(shared_data: Path, file: str, millilitres: float) -> None:
    """It is cut out, and nothing else is."""
    image = nib.load(shared_data / file)
    data, grid = canonical(image.get_fdata(dtype=np.float32), Grid(image.shape, image.affine))
    brain = estimate_brain_mask(Volume(data, grid)).mask
    lost = stripped_brain(Volume(data, grid)) & ~brain
    assert np.count_nonzero(lost) * grid.voxel_volume_mm3 / 1000 == pytest.approx(millilitres, abs=0.05)
    assert np.count_nonzero(data[lost]) <= 0.05 * np.count_nonzero(lost)
