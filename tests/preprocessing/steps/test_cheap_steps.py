"""Steps without a search: what they do to values, grids and masks."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.exposure import equalize_hist, match_histograms

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.preprocessing.step import Context, Reference
from napari_brain_uad.preprocessing.steps.crop_pad import CropPad
from napari_brain_uad.preprocessing.steps.downsample import Downsample
from napari_brain_uad.preprocessing.steps.intensity import Intensity
from napari_brain_uad.preprocessing.steps.registry import STEPS, step_class
from napari_brain_uad.preprocessing.steps.reorient import Reorient
from napari_brain_uad.preprocessing.steps.resample import Resample
from napari_brain_uad.preprocessing.steps.slice_range import SliceRange

HERE = Context()


@pytest.fixture
def brain(stripped):
    return stripped.with_mask(stripped.data > 20)


def test_reorient_turns_axes_and_keeps_every_voxel_in_its_place():
    grid = Grid((3, 4, 5), np.array([[0, 0, -2.0, 9], [-1.0, 0, 0, 7], [0, 3.0, 0, -4], [0, 0, 0, 1]]))
    data = np.arange(60, dtype=np.float32).reshape(grid.shape)
    turned = Reorient().apply(Volume(data, grid), HERE).volume
    assert turned.grid.axcodes == "RAS"
    for index in ((0, 0, 0), (2, 1, 4), (1, 3, 2)):
        there = np.round(turned.grid.to_index(grid.to_world(index))).astype(int)
        assert turned.data[tuple(there)] == data[index]
    again = Reorient().apply(turned, HERE)
    assert again.volume is turned


def test_resample_changes_voxel_sizes_and_keeps_the_volume_of_the_brain(brain):
    moved = Resample(x_mm=2.0, y_mm=2.0, z_mm=2.0).apply(brain, HERE).volume
    np.testing.assert_allclose(moved.grid.spacing, (2, 2, 2))
    before = brain.mask.sum() * brain.grid.voxel_volume_mm3
    assert moved.mask.sum() * 8.0 == pytest.approx(before, rel=0.02)
    assert moved.data[moved.mask].mean() == pytest.approx(brain.data[brain.mask].mean(), rel=0.02)


def test_crop_pad_keeps_values_and_says_what_was_cut_off(brain):
    result = CropPad(i=70, j=60, k=40).apply(brain, HERE)
    assert result.volume.data.shape == (70, 60, 40)
    np.testing.assert_array_equal(result.volume.data[3:67], brain.data[:, 14:74])
    np.testing.assert_array_equal(result.volume.grid.to_world((3, 0, 0)), brain.grid.to_world((0, 14, 0)))
    assert "cut off" in result.said
    assert "cut off" not in CropPad(i=70).apply(brain, HERE).said


def test_crop_pad_puts_the_brain_in_the_middle(brain):
    moved = CropPad(i=50, j=80, k=36, centre="brain").apply(brain, HERE).volume
    assert moved.mask.sum() == brain.mask.sum()
    for axis in range(3):
        where = np.flatnonzero(moved.mask.any(axis=tuple({0, 1, 2} - {axis})))
        assert abs((where[0] + where[-1]) / 2 - (moved.mask.shape[axis] - 1) / 2) <= 0.5
    with pytest.raises(InputError, match="no brain mask"):
        CropPad(i=50, centre="brain").apply(brain.with_mask(None), HERE)


def test_slice_range_counts_from_both_ends(brain):
    middle = SliceRange(first=5, last=-6).apply(brain, HERE).volume
    np.testing.assert_array_equal(middle.data, brain.data[:, :, 5:-5])
    np.testing.assert_allclose(middle.grid.to_world((0, 0, 0)), brain.grid.to_world((0, 0, 5)))
    with pytest.raises(InputError, match="40 slices"):
        SliceRange(first=5, last=40).apply(brain, HERE)


def test_downsample_halves_and_invents_no_intensity(brain):
    moved = Downsample(factor=2).apply(brain, HERE).volume
    assert moved.data.shape == (32, 44, 20)
    assert moved.data.min() >= 0.0
    assert moved.data.max() <= brain.data.max()
    np.testing.assert_allclose(moved.grid.to_world((0, 0, 0)), brain.grid.to_world((0.5, 0.5, 0.5)))


def test_intensity_percentile_zscore_and_equalize(brain):
    values = brain.data[brain.mask]
    percentile = Intensity(method="percentile").apply(brain, HERE).volume.data
    low, high = np.percentile(values, (1, 99))
    np.testing.assert_allclose(percentile[brain.mask], np.clip((values - low) / (high - low), 0, 1), atol=1e-5)
    zscore = Intensity(method="zscore").apply(brain, HERE).volume.data[brain.mask]
    assert zscore.mean() == pytest.approx(0, abs=1e-4)
    assert zscore.std() == pytest.approx(1, abs=1e-4)
    equal = Intensity(method="equalize").apply(brain, HERE).volume.data
    np.testing.assert_allclose(equal[brain.mask], equalize_hist(brain.data, nbins=256, mask=brain.mask)[brain.mask], atol=1e-6)
    for data in (percentile, equal):
        assert (data[~brain.mask] == 0).all()


def test_intensity_match_agrees_with_scikit_image(brain):
    other = brain.with_data(np.where(brain.mask, np.sqrt(brain.data.clip(0)) * 7 + 3, 0).astype(np.float32))
    ours = Intensity(method="match").apply(other, Context(reference=Reference(brain))).volume.data[brain.mask]
    theirs = match_histograms(other.data[brain.mask], brain.data[brain.mask])
    assert np.abs(ours - theirs).mean() < 0.5
    with pytest.raises(InputError, match="no reference"):
        Intensity(method="match").apply(other, HERE)


def test_intensity_refuses_a_constant_brain(brain):
    with pytest.raises(InputError, match="constant"):
        Intensity().apply(brain.with_data(np.full_like(brain.data, 3)), HERE)


def test_registry_knows_every_step_once_and_refuses_others():
    assert all(identifier == step.ID and step.TITLE for identifier, step in STEPS.items())
    with pytest.raises(InputError, match="Known steps: reorient"):
        step_class("bogus")
