from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.sampling.slices import SliceGrid, to_slices


def ball(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], radius: float, centre_mm: tuple[float, float, float]
) -> np.ndarray:
    mm = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij")
    return sum((axis - c) ** 2 for axis, c in zip(mm, centre_mm, strict=True)) < radius**2


def scan(shape: tuple[int, int, int] = (60, 70, 50), spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    centre = tuple(n * s / 2 for n, s in zip(shape, spacing, strict=True))
    mask = ball(shape, spacing, 20.0, centre)  # type: ignore[arg-type]
    i, j, k = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij")
    data = (3 * i + 2 * j + k + 10).astype(np.float32)
    return Volume(np.where(mask, data, 0).astype(np.float32), Grid(shape, np.diag([*spacing, 1.0])), mask=mask)


def test_orientation_rows_run_to_anterior_columns_to_the_right() -> None:
    volume = scan()
    slices = to_slices(volume, SliceGrid(64, 48, 1.0, 1.0))
    assert slices.data.shape[1:] == (64, 48)
    s, h, w = (n // 2 for n in slices.data.shape)
    step = [
        slices.data[s, h, w + 1] - slices.data[s, h, w],
        slices.data[s, h + 1, w] - slices.data[s, h, w],
        slices.data[s + 1, h, w] - slices.data[s, h, w],
    ]
    assert np.allclose(step, [3, 2, 1], atol=1e-3)


def test_values_are_those_of_scipy_at_the_stated_positions() -> None:
    rng = np.random.default_rng(0)
    volume = Volume(rng.random((30, 32, 28)).astype(np.float32), Grid((30, 32, 28), np.eye(4)))
    slices = to_slices(volume, SliceGrid(36, 32, 0.8, 0.7))
    at = np.meshgrid(slices.positions[2], slices.positions[1], slices.positions[0], indexing="ij")
    theirs = map_coordinates(volume.data, at[::-1], order=1, mode="nearest")
    assert np.allclose(slices.data[slices.mask], theirs[slices.mask], atol=1e-5)


def test_the_field_is_centred_on_the_brain_wherever_it_lies() -> None:
    mask = ball((60, 70, 50), (1, 1, 1), 12.0, (20, 45, 30))
    slices = to_slices(Volume(mask.astype(np.float32), Grid((60, 70, 50), np.eye(4)), mask=mask), SliceGrid(40, 40, 1.0, 1.0))
    for axis in range(3):
        filled = np.flatnonzero(slices.mask.any(axis=tuple({0, 1, 2} - {axis})))
        assert abs(filled[0] - (slices.mask.shape[axis] - 1 - filled[-1])) <= 1
    assert slices.mask.sum() == pytest.approx(mask.sum(), rel=0.06)  # pixels lie between voxels, which rounds up


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.9, 3.0), (2.0, 2.0, 2.0)])
def test_there_and_back_restores_what_is_smooth(spacing: tuple[float, float, float]) -> None:
    shape = tuple(int(50 / s) for s in spacing)
    volume = scan(shape, spacing)  # type: ignore[arg-type]
    slices = to_slices(volume, SliceGrid(40, 40, 1.5, 1.5))
    back = slices.back(slices.data)
    assert back.shape == volume.data.shape
    assert volume.mask is not None
    error = np.abs(back - volume.data)[volume.mask]
    assert np.median(error) < 0.5  # the ramp rises by up to 6 a mm
    assert np.percentile(error, 99) < 12


def test_nothing_bleeds_in_from_outside_the_brain() -> None:
    volume = scan()
    assert volume.mask is not None
    flat = volume.with_data(np.where(volume.mask, 5.0, 1000.0).astype(np.float32))
    slices = to_slices(flat, SliceGrid(40, 40, 2.0, 2.0))
    assert np.allclose(slices.data[slices.mask], 5.0, atol=1e-3)
    assert (slices.data[~slices.mask] == 0).all()
    assert np.allclose(slices.back(np.where(slices.mask, 5.0, 77.0).astype(np.float32))[volume.mask], 5.0, atol=1e-3)


def test_a_coarse_pixel_is_the_mean_of_what_it_covers() -> None:
    rng = np.random.default_rng(1)
    volume = Volume(rng.normal(0, 1, (60, 60, 60)).astype(np.float32), Grid((60, 60, 60), np.eye(4)))
    coarse = to_slices(volume, SliceGrid(16, 16, 3.0, 3.0)).data
    # A triangle over 2 x 3 voxels keeps sum(w^2) of the variance of white noise, along each axis.
    weights = np.array([1, 2, 3, 2, 1]) / 9
    assert coarse[4:-4, 2:-2, 2:-2].std() == pytest.approx((weights**2).sum() ** 1.5, rel=0.15)


def test_labels_stay_labels() -> None:
    volume = scan()
    labels = volume.with_data(np.random.default_rng(2).integers(0, 4, volume.data.shape).astype(np.float32))
    slices = to_slices(labels, SliceGrid(48, 48, 1.3, 1.7), interpolation="nearest")
    assert set(np.unique(slices.data)) <= {0.0, 1.0, 2.0, 3.0}
    i, j, k = (int(np.rint(axis[len(axis) // 2])) for axis in slices.positions)
    assert slices.data[len(slices.positions[2]) // 2, 24, 24] == labels.data[i, j, k]


def test_a_field_smaller_than_the_brain_cuts_it() -> None:
    volume = scan()
    slices = to_slices(volume, SliceGrid(16, 16, 1.0, 1.0))
    back = slices.back(np.ones(slices.data.shape, np.float32))
    assert back.max() == pytest.approx(1)
    assert volume.mask is not None
    assert (back[volume.mask] == 0).any()


def test_one_slice_and_an_empty_mask_are_no_special_case() -> None:
    thin = Volume(np.ones((20, 20, 1), np.float32), Grid((20, 20, 1), np.eye(4)))
    assert to_slices(thin, SliceGrid(32, 32, 1.0, 2.0)).back(np.ones((1, 32, 32), np.float32)).min() == pytest.approx(1)
    empty = thin.with_mask(np.zeros((20, 20, 1), bool))
    assert not to_slices(empty, SliceGrid(32, 32, 1.0, 2.0)).mask.any()
