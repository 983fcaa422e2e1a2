"""Oracles: SimpleITK (components, holes) and scipy.ndimage."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.components import drop_small, fill_holes, label, label_large, opening


@pytest.fixture(params=[0.08, 0.3, 0.75])
def mask(request: pytest.FixtureRequest) -> np.ndarray:
    return np.random.default_rng(7).random((18, 20, 16)) < request.param


def same_partition(left: np.ndarray, right: np.ndarray) -> bool:
    pairs = np.unique(np.stack([left.ravel(), right.ravel()]), axis=1)
    return pairs.shape[1] == np.unique(left).size == np.unique(right).size and (left == 0).sum() == ((left == 0) & (right == 0)).sum()


@pytest.mark.parametrize(("connectivity", "rank"), [(6, 1), (18, 2), (26, 3)])
def test_label(mask: np.ndarray, connectivity: int, rank: int) -> None:
    found = label(mask, connectivity)
    assert same_partition(found, ndimage.label(mask, ndimage.generate_binary_structure(3, rank))[0])
    if connectivity != 18:
        image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), connectivity == 26)
        assert same_partition(found, sitk.GetArrayFromImage(image))


def test_label_of_nothing_and_of_an_unknown_connectivity() -> None:
    assert not label(np.zeros((3, 3, 3), bool)).any()
    with pytest.raises(InputError, match="6, 18 or 26"):
        label(np.zeros((3, 3, 3), bool), 8)


@pytest.mark.parametrize("connectivity", [6, 26])
@pytest.mark.parametrize("smallest", [0, 1, 2, 7, 10**6])
def test_drop_small(mask: np.ndarray, connectivity: int, smallest: int) -> None:
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), connectivity == 26)
    expected = sitk.GetArrayFromImage(sitk.RelabelComponent(image, smallest)) > 0
    np.testing.assert_array_equal(drop_small(mask, smallest, connectivity), expected)
    np.testing.assert_array_equal(label_large(mask, smallest, connectivity) > 0, expected)


@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_opening(iterations: int) -> None:
    mask = ndimage.binary_dilation(np.random.default_rng(8).random((24, 20, 22)) < 0.03, iterations=2)
    expected = ndimage.binary_opening(mask, iterations=iterations) if iterations else mask
    np.testing.assert_array_equal(opening(mask, iterations), expected)
    assert not opening(np.zeros((3, 3, 3), bool), 1).any()


def test_fill_holes(mask: np.ndarray) -> None:
    filled = fill_holes(mask)
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(mask))
    image = sitk.BinaryFillhole(sitk.GetImageFromArray(mask.astype(np.uint8)), fullyConnected=False, foregroundValue=1)
    np.testing.assert_array_equal(filled, sitk.GetArrayFromImage(image) > 0)
    assert not fill_holes(np.zeros((3, 3, 3), bool)).any()


def test_opening_spares_lesions_in_thick_slices() -> None:
    """Two slices of 5 mm: in plane the opening is scipy's, across the slices nothing is taken off."""
    rng = np.random.default_rng(3)
    mask = np.zeros((20, 20, 6), bool)
    mask[4:12, 4:12, 2:4] = True
    mask |= rng.random(mask.shape) < 0.05
    cross = ndimage.generate_binary_structure(2, 1)
    expected = np.stack([ndimage.binary_opening(mask[:, :, k], cross, iterations=2) for k in range(6)], axis=2)
    assert expected.any()
    np.testing.assert_array_equal(opening(mask, 2, (1.0, 1.2, 5.0)), expected)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_thin_masks_have_components_too(connectivity: int) -> None:
    """Against scipy: what is one voxel thin along an axis, in either order in memory."""
    rng = np.random.default_rng(connectivity)
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    for trial in range(600):
        mask = np.zeros((6, 6, 6), bool, order="F" if trial % 2 else "C")
        part = tuple(slice(start, start + side) for start, side in zip(rng.integers(0, 3, 3), rng.integers(1, 4, 3), strict=True))
        mask[part] = rng.random(mask[part].shape) < 0.5
        theirs, count = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
        ours = label(mask, connectivity)
        assert len(np.unique(ours[mask])) == count
        assert len({(int(a), int(b)) for a, b in zip(ours[mask], theirs[mask], strict=True)}) == count
