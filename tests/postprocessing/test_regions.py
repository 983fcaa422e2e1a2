"""Oracles: SimpleITK's label statistics on an oblique, anisotropic grid; scipy.ndimage for peaks and boxes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.regions import as_rows, boxes_2d, number_regions

SHAPE = (24, 20, 18)
LPS = np.diag([-1.0, -1.0, 1.0])


@pytest.fixture
def grid() -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [8, -5, 12], degrees=True).as_matrix() @ np.diag([0.9, 1.1, 2.5])
    affine[:3, 3] = -40.0, 12.5, 7.0
    return Grid(SHAPE, affine)


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(9)
    score = rng.random(SHAPE, dtype=np.float32)
    return ndimage.gaussian_filter(score, 1.0) > 0.545, score


def itk_statistics(labels: np.ndarray, grid: Grid) -> sitk.LabelShapeStatisticsImageFilter:
    image = sitk.GetImageFromArray(labels.T.astype(np.uint32))
    image.SetSpacing(grid.spacing)
    image.SetDirection((LPS @ grid.affine[:3, :3] / grid.spacing).ravel())
    image.SetOrigin(LPS @ grid.affine[:3, 3])
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(image)
    return statistics


def test_regions_against_simpleitk_and_scipy(grid: Grid, scene: tuple[np.ndarray, np.ndarray]) -> None:
    mask, score = scene
    labels, regions = number_regions(mask, score, grid)
    np.testing.assert_array_equal(labels > 0, mask)
    statistics = itk_statistics(labels, grid)
    assert len(regions) > 5
    assert [region.number for region in regions] == list(statistics.GetLabels())
    for region, place in zip(regions, ndimage.find_objects(labels.astype(int)), strict=True):
        assert region.voxels == statistics.GetNumberOfPixels(region.number)
        assert region.volume_ml == pytest.approx(statistics.GetPhysicalSize(region.number) / 1000)
        np.testing.assert_allclose(LPS @ region.centroid_mm, statistics.GetCentroid(region.number), atol=1e-4)
        assert region.box == tuple(edge for side in place for edge in (side.start, side.stop))
        assert region.peak == ndimage.maximum(score, labels, region.number)
        assert region.peak_index == ndimage.maximum_position(score, labels, region.number)
        np.testing.assert_allclose(region.peak_mm, grid.affine[:3, :3] @ region.peak_index + grid.affine[:3, 3])
        assert region.hit is None
    lowest = float(score[mask].min())
    for region in regions:
        above = ndimage.sum_labels(score.astype(float) - lowest, labels, region.number)
        assert region.strength == pytest.approx(above * grid.voxel_volume_mm3 / 1000)
    assert [region.strength for region in regions] == sorted((region.strength for region in regions), reverse=True)


def test_strength_counts_from_the_threshold(grid: Grid) -> None:
    """A bright speck ranks below a large lesion that is only a little above the threshold."""
    score = np.zeros(SHAPE, np.float32)
    score[2, 2, 2], score[6:12, 5:11, 5:11] = 5.0, 1.5
    _, regions = number_regions(score > 1, score, grid, threshold=1.0)
    assert [region.voxels for region in regions] == [216, 1]
    ml = grid.voxel_volume_mm3 / 1000
    assert [region.strength for region in regions] == pytest.approx([216 * 0.5 * ml, 4 * ml])


def test_equal_strengths_are_ordered_by_volume_and_peak_at_their_first_voxel(grid: Grid) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[2:4, 2, 2] = mask[10:14, 5, 5] = True
    _, regions = number_regions(mask, np.ones(SHAPE, np.float32), grid)
    assert [region.voxels for region in regions] == [4, 2]
    assert [region.peak_index for region in regions] == [(10, 5, 5), (2, 2, 2)]


def test_hits(grid: Grid, scene: tuple[np.ndarray, np.ndarray]) -> None:
    mask, score = scene
    truth = np.zeros(SHAPE, bool)
    truth[:12] = True
    labels, regions = number_regions(mask, score, grid, truth=truth)
    assert {region.hit for region in regions} == {True, False}
    for region in regions:
        assert region.hit == truth[labels == region.number].any()


def test_a_label_image_keeps_its_regions_apart(grid: Grid) -> None:
    given = np.zeros(SHAPE, np.int64)
    given[4, 4, 4:6] = 7
    given[4, 4, 6:9] = 1_000_000
    _, regions = number_regions(given, np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), grid)
    assert [(region.number, region.voxels) for region in regions] == [(1, 3), (2, 2)]


def test_no_region(grid: Grid) -> None:
    labels, regions = number_regions(np.zeros(SHAPE, bool), np.zeros(SHAPE, np.float32), grid, truth=np.ones(SHAPE, bool))
    assert regions == ()
    assert not labels.any()


def test_boxes_2d(scene: tuple[np.ndarray, np.ndarray]) -> None:
    mask = scene[0]
    expected = []
    for k in range(SHAPE[2]):
        flat, _ = ndimage.label(mask[:, :, k], np.ones((3, 3)))
        expected += [(k, i.start, i.stop, j.start, j.stop) for i, j in ndimage.find_objects(flat)]
    assert sorted(boxes_2d(mask)) == sorted(expected)
    assert boxes_2d(np.zeros(SHAPE, bool)) == []


def test_rows_are_json(grid: Grid, scene: tuple[np.ndarray, np.ndarray]) -> None:
    _, regions = number_regions(*scene, grid)
    rows = json.loads(json.dumps(as_rows(regions), allow_nan=False))
    assert [row["region"] for row in rows] == list(range(1, len(regions) + 1))
    assert rows[0]["volume_ml"] == pytest.approx(regions[0].volume_ml, abs=1e-4)
