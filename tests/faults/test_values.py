"""Fault 4, for files: voxel values and shapes of every kind are read right or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.nifti import count_volumes, read_mask, read_volume

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])


@pytest.fixture
def save(tmp_path: Path):
    def write(data: NDArray, name: str = "scan.nii.gz", affine: NDArray = AFFINE) -> Path:
        header = nib.Nifti1Header()
        header.set_data_dtype(data.dtype)  # as it is: no choosing of scale factors
        nib.save(nib.Nifti1Image(data, affine, header), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64, np.int64, np.uint64]
)
def test_every_voxel_type(save, dtype: type) -> None:
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    low, high = (max(info.min, -(1 << 24)), min(info.max, 1 << 24)) if info else (-1000, 1000)
    data = rng.integers(low, high, (5, 6, 7), endpoint=True).astype(dtype)
    data.flat[:2] = low, high
    volume = read_volume(save(data))
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, data)
    assert not [f for f in volume.findings if f.code == "rounded"]


def test_int16_extremes(save) -> None:
    data = np.full((4, 4, 4), -32768, np.int16)
    data[2, 2, 2] = 32767
    volume = read_volume(save(data))
    assert (volume.data.min(), volume.data.max()) == (-32768, 32767)


def test_large_whole_numbers_are_rounded_and_said_so(save) -> None:
    data = np.zeros((3, 3, 3), np.int32)
    data[1, 1, 1] = -((1 << 24) + 1)
    volume = read_volume(save(data))
    (finding,) = [f for f in volume.findings if f.code == "rounded"]
    assert "16,777,217" in finding.message


@pytest.mark.parametrize("value", [0, 7])
def test_constant_image_is_read(save, value: int) -> None:
    """Whether a constant image is of use is the detector's question, not the file's."""
    assert (read_volume(save(np.full((3, 4, 5), value, np.int16))).data == value).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("bad", "number"), [(np.nan, 1), (np.inf, 3), (-np.inf, 59)])
def test_nan_and_infinity_are_counted_and_refused(save, dtype: type, bad: float, number: int) -> None:
    data = np.ones((3, 4, 5), dtype)
    data[1, 1:, 1:].flat[:number] = bad
    number = int(np.count_nonzero(~np.isfinite(data)))
    path = save(data)
    with pytest.raises(InputError, match=f"scan.nii.gz: {number} of 60 voxels are NaN") as caught:
        read_volume(path)
    assert caught.value.fix


def test_float64_beyond_float32_is_refused(save) -> None:
    data = np.ones((3, 4, 5))
    data[0, 0, :2] = 1e39, -1e300
    with pytest.raises(InputError, match="2 of 60 voxels are too large for float32"):
        read_volume(save(data))
    data[0, 0, :2] = 3.4e38, -3.4e38
    assert np.isfinite(read_volume(save(data)).data).all()


def test_scaling_beyond_float32_is_refused(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    image = nib.Nifti1Image(np.full((3, 3, 3), 1e38, np.float32), AFFINE, header)
    nib.save(image, tmp_path / "scan.nii")
    content = bytearray((tmp_path / "scan.nii").read_bytes())
    content[112:120] = np.array([100.0, 0.0], "<f4").tobytes()
    (tmp_path / "scan.nii").write_bytes(bytes(content))
    with pytest.raises(InputError, match="27 of 27 voxels are too large"):
        read_volume(tmp_path / "scan.nii")


@pytest.mark.parametrize(("dtype", "word"), [(RGB, "RGB"), (RGBA, "RGBA"), (np.complex64, "complex"), (np.complex128, "complex")])
def test_colour_and_complex_are_refused(save, dtype: np.dtype, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_volume(save(np.zeros((3, 4, 5), dtype)))


def test_series_asks_which_volume(save) -> None:
    data = np.arange(3 * 4 * 5 * 6, dtype=np.int16).reshape(3, 4, 5, 6)
    path = save(data)
    assert count_volumes(path) == 6
    with pytest.raises(InputError, match=r"series of 6 volumes\. Choose one volume: index 0 to 5"):
        read_volume(path)
    for index in (0, 3, 5):
        volume = read_volume(path, index=index)
        np.testing.assert_array_equal(volume.data, data[..., index])
        assert volume.name == f"scan_volume{index}"
        assert volume.source is not None
        assert volume.source.volume_index == index
    for index in (-1, 6):
        with pytest.raises(InputError, match=f"no volume {index}"):
            read_volume(path, index=index)


@pytest.mark.parametrize("shape", [(3, 4, 5, 1), (3, 4, 5, 1, 1)])
def test_series_of_one_is_a_scan(save, shape: tuple[int, ...]) -> None:
    path = save(np.arange(60, dtype=np.int16).reshape(shape))
    assert count_volumes(path) == 1
    volume = read_volume(path)
    assert volume.data.shape == (3, 4, 5)
    assert volume.name == "scan"
    assert read_volume(path, index=0).data.shape == (3, 4, 5)


@pytest.mark.parametrize("shape", [(6,), (6, 7), (3, 4, 5, 2, 2), (3, 4, 5, 1, 3)])
def test_other_dimensions_are_refused(save, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"{len(shape)} dimensions.*3 are needed"):
        read_volume(save(np.ones(shape, np.int16)))


@pytest.mark.parametrize("shape", [(6, 7, 1), (1, 6, 7), (1, 1, 1)])
def test_one_slice_is_read(save, shape: tuple[int, ...]) -> None:
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    np.testing.assert_array_equal(read_volume(save(data)).data, data)


def test_empty_mask_is_read_and_mask_on_another_grid_refused(save) -> None:
    scan = read_volume(save(np.ones((5, 6, 7), np.int16)))
    assert not read_mask(save(np.zeros((5, 6, 7), np.uint8), "mask.nii.gz"), scan).any()
    with pytest.raises(InputError, match=r"lesion mask has 5x6x8 voxels, the scan 5x6x7"):
        read_mask(save(np.ones((5, 6, 8), np.uint8), "mask.nii.gz"), scan, label="lesion mask")
    shifted = AFFINE.copy()
    shifted[1, 3] = 4.0
    with pytest.raises(InputError, match="4 mm away"):
        read_mask(save(np.ones((5, 6, 7), np.uint8), "mask.nii.gz", shifted), scan)
    with pytest.raises(InputError, match="NaN"):
        read_mask(save(np.full((5, 6, 7), np.nan, np.float32), "mask.nii.gz"), scan)


def test_masks_of_every_type(save) -> None:
    rng = np.random.default_rng(2)
    truth = rng.random((5, 6, 7)) > 0.6
    scan = read_volume(save(np.ones(truth.shape, np.int16)))
    for dtype, value in ((np.uint8, 1), (np.int8, 4), (np.int16, 500), (np.float32, 1.0), (np.float64, 0.7)):
        np.testing.assert_array_equal(read_mask(save((truth * value).astype(dtype), "mask.nii.gz"), scan), truth)
    fractions = rng.random(truth.shape).astype(np.float32)
    np.testing.assert_array_equal(read_mask(save(fractions, "mask.nii.gz"), scan), fractions > 0.5)
    labels = rng.integers(-2, 3, truth.shape).astype(np.int16)
    np.testing.assert_array_equal(read_mask(save(labels, "mask.nii.gz"), scan), labels > 0)


def test_a_scan_given_as_a_mask_or_a_truth_is_refused(save) -> None:
    grey = np.random.default_rng(2).integers(0, 900, (9, 8, 7)).astype(np.int16)
    scan = read_volume(save(grey))
    for label in ("brain mask", "ground truth"):
        with pytest.raises(InputError, match=rf"scan\.nii: it holds (\d+|grey) values, as a scan .*does, and is no {label}\. Give "):
            read_mask(save(grey, "scan.nii"), scan, label=label)
    unit = (grey / np.float32(900)).astype(np.float32)
    with pytest.raises(InputError, match="it is the scan itself"):
        read_mask(save(unit, "unit.nii"), read_volume(save(unit)))


def test_mask_stored_along_other_axes(tmp_path: Path, save) -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random((5, 6, 7)) > 0.6).astype(np.uint8)
    scan = read_volume(save(np.ones(truth.shape, np.int16)))
    turned = nib.Nifti1Image(truth, AFFINE).as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    turned.to_filename(tmp_path / "mask.nii")
    assert nib.load(tmp_path / "mask.nii").shape != truth.shape
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii", scan), truth)
