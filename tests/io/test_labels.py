"""Masks and label maps are told from scans by their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.io.labels import check_given_as, check_is_mask, check_no_grey_values, check_no_labels, inside, is_binary, is_label_map
from napari_brain_uad.workflows.scans.load import load

SHAPE = (40, 44, 36)


def scan(levels: int) -> np.ndarray:
    """A smooth head of so many grey values, in empty space."""
    rng = np.random.default_rng(0)
    head = ndimage.distance_transform_edt(np.ones(SHAPE, bool)) > 8
    values = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    return np.where(head, 1 + np.rint((levels - 1) * (values - values.min()) / np.ptp(values)), 0).astype(np.float32)


def labels() -> np.ndarray:
    """Thirty regions around random seeds, with names out of order."""
    rng = np.random.default_rng(0)
    seeds = np.zeros(SHAPE, bool)
    seeds[tuple(rng.integers(6, 30, (3, 30)))] = True
    names = np.zeros(SHAPE, np.float32)
    names[seeds] = rng.permutation(200)[: seeds.sum()] + 1
    nearest = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    return np.where(ndimage.distance_transform_edt(np.ones(SHAPE, bool)) > 8, names[tuple(nearest)], 0).astype(np.float32)


def test_a_label_map_is_no_scan() -> None:
    assert is_label_map(labels())
    found = check_no_labels(labels() + np.float32(1e-4))
    assert found is not None
    assert (found.level, found.message) == ("error", "it holds 31 values in patches, as a map of labels does, and is no scan")


def test_a_mask_is_no_scan() -> None:
    mask = (labels() > 0).astype(np.float32)
    assert is_binary(mask)
    found = check_no_labels(7 * mask)
    assert found is not None
    assert "two values" in found.message


@pytest.mark.parametrize("levels", [20, 64, 255])
@pytest.mark.parametrize("times", [1, 3])
def test_a_scan_of_few_grey_values_is_one(levels: int, times: int) -> None:
    """Enlarged by repeating its voxels, too, where most neighbours are alike."""
    grey = scan(levels)
    for axis in range(3):
        grey = np.repeat(grey, times, axis)
    assert check_no_labels(grey) is None


def enlarged(data: np.ndarray, factor: float | tuple[float, float, float]) -> np.ndarray:
    """With voxels repeated, as nearest neighbours do; of a factor that is no whole number some oftener than others."""
    for axis, one in enumerate(np.broadcast_to(factor, 3)):
        data = np.take(data, (np.arange(int(data.shape[axis] * one)) / one).astype(int), axis)
    return data


@pytest.mark.parametrize("factor", [2, 3, 1.5, 2.5, (3, 3, 1), (1, 3, 3)])
@pytest.mark.parametrize("change", [lambda grey: grey, lambda grey: grey.astype(np.int16), lambda grey: grey / 7])
def test_an_enlarged_scan_is_no_mask_and_an_enlarged_label_map_is_one(
    factor: float | tuple[float, float, float], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Where voxels were repeated, most neighbours are alike in both."""
    grey = enlarged(change(scan(64)), factor)
    for label in ("brain mask", "ground truth"):
        assert any(check_given_as(label, grey)), label
    assert not is_label_map(grey)
    names = enlarged(labels(), factor)
    assert check_given_as("ground truth", names) == (None, None)
    assert is_label_map(names)


def test_boxes_of_one_size_are_labels_however_they_lie() -> None:
    """Their planes repeat, too."""
    boxes = np.zeros(SHAPE, np.float32)
    boxes[4:34, 4:34, 4:34] = enlarged(np.arange(1, 28, dtype=np.float32).reshape(3, 3, 3), 10)
    assert is_label_map(boxes)
    assert check_given_as("ground truth", boxes) == (None, None)


@pytest.mark.parametrize("data", [np.zeros(SHAPE), np.full(SHAPE, 3e-4), np.full(SHAPE, -5.0), np.zeros((0, 4, 4))])
def test_images_without_labels(data: np.ndarray) -> None:
    assert not is_label_map(data.astype(np.float32))


def _lesion(high: float = 1.0) -> np.ndarray:
    """Two lesions with the soft edges of a resampled mask."""
    mask = np.zeros(SHAPE, np.float32)
    mask[12:20, 14:22, 10:18] = high
    mask[26:29, 30:32, 20:23] = high
    return ndimage.gaussian_filter(mask, 0.7)


@pytest.mark.parametrize(
    "data",
    [np.zeros(SHAPE), labels(), labels() > 0, _lesion(), _lesion(4.0), 255 * (_lesion() > 0.5), np.rint(255 * _lesion())],
)
def test_masks_hold_no_grey_values(data: np.ndarray) -> None:
    assert check_no_grey_values(data.astype(np.float32), "ground truth") is None


@pytest.mark.parametrize("data", [scan(20), scan(255), scan(255) / 255, scan(255) * 0.37])
def test_a_scan_or_a_map_is_no_ground_truth(data: np.ndarray) -> None:
    found = check_no_grey_values(data.astype(np.float32), "ground truth")
    assert found is not None
    assert found.level == "error"
    assert "is no ground truth" in found.message


@pytest.mark.parametrize("file", ["ixi_t1_2mm/IXI014_muse.nii.gz", "labelmaps/01.nii.gz", "brats2013/pat0002/tumour.nii.gz"])
def test_real_label_maps(shared_data: Path, file: str) -> None:
    assert check_no_labels(load(shared_data / file).data) is not None


@pytest.mark.parametrize(
    "file",
    ["ixi_t1_2mm/IXI014_T1.nii.gz", "tcga_lgg/TCGA_CS_6667_FLAIR.nii.gz", "brats2013/pat0001/FLAIR.nii.gz", "br35h/no/no1321.jpg"],
)
def test_real_scans_of_few_grey_values(shared_data: Path, file: str) -> None:
    assert check_no_labels(load(shared_data / file).data) is None


@pytest.mark.parametrize(("radii", "refused"), [((16, 13, 9), False), ((6, 5, 4), True), ((16, 15.9, 3), True)])
def test_tissue_classes_that_fill_a_brain_are_scored_and_a_lesion_in_three_parts_is_none(radii: tuple[float, ...], refused: bool) -> None:
    from_middle = np.sqrt(sum((axis - size / 2) ** 2 for axis, size in zip(np.indices(SHAPE), SHAPE, strict=True)))
    classes = np.sum([from_middle < radius for radius in radii], axis=0).astype(np.float32)
    assert set(np.unique(classes)) == {0, 1, 2, 3}
    assert (check_no_labels(classes) is not None) == refused


@pytest.mark.parametrize("levels", [20, 64, 255])
@pytest.mark.parametrize("change", [lambda grey: grey.astype(np.int16), lambda grey: grey / 7, lambda grey: grey - 9.5])
def test_a_scan_is_no_mask(levels: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Whatever its background is called, which is one large patch."""
    found = check_is_mask(change(scan(levels)), "brain mask")
    assert found is not None
    assert found.level == "error"
    assert found.message.endswith("values, as a scan does, and is no brain mask")


def test_masks_labels_and_fractions_are_masks() -> None:
    mask, names = labels() > 0, labels()
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 2.0)
    ringing = soft * np.float32(1.2) - np.float32(0.1)
    for data in (mask, mask * np.int16(500), names.astype(np.int32), names + np.float32(1e-4), soft, ringing, np.zeros(SHAPE)):
        assert check_is_mask(data, "brain mask", scan(255)) is None
    np.testing.assert_array_equal(inside(names.astype(np.uint8)), mask)
    np.testing.assert_array_equal(inside(soft), soft > 0.5)
    smoothed = ndimage.zoom(names, 2, order=1)  # of a resampled label map a few values between two labels are left
    assert check_is_mask(smoothed, "brain mask") is None


def test_a_scan_from_0_to_1_is_known_by_being_the_scan_itself() -> None:
    unit = scan(255) / 255
    found = check_is_mask(unit, "ground truth", unit)
    assert found is not None
    assert found.message == "it is the scan itself, and no ground truth"
    assert check_is_mask(unit, "ground truth", scan(255)) is None  # another's fractions may look alike


@pytest.mark.parametrize("file", ["ixi_t1_2mm/IXI014_muse.nii.gz", "labelmaps/01.nii.gz", "brats2013/pat0002/tumour.nii.gz"])
def test_real_label_maps_are_masks(shared_data: Path, file: str) -> None:
    assert check_is_mask(load(shared_data / file).data, "brain mask") is None


@pytest.mark.parametrize(
    "file",
    ["ixi_t1_2mm/IXI014_T1.nii.gz", "tcga_lgg/TCGA_DU_5849_FLAIR.nii.gz", "brats2013/pat0001/FLAIR.nii.gz", "mslub/patient07/T2.nii.gz"],
)
def test_real_scans_are_no_masks(shared_data: Path, file: str) -> None:
    assert check_is_mask(load(shared_data / file).data, "brain mask") is not None


@pytest.mark.parametrize("file", ["ixi_t1_2mm/IXI014_T1.nii.gz", "tcga_lgg/TCGA_CS_6667_FLAIR.nii.gz", "ixi_t1_2mm/IXI014_muse.nii.gz"])
def test_real_scans_are_no_masks_when_enlarged_and_real_label_maps_are(shared_data: Path, file: str) -> None:
    data = load(shared_data / file).data
    middle = data[tuple(slice(max(0, size // 2 - 30), size // 2 + 30) for size in data.shape)]
    for label in ("brain mask", "ground truth"):
        assert any(check_given_as(label, enlarged(middle, 2))) == ("muse" not in file)
