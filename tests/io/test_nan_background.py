"""NaN around an image is background; few inside it are filled in and told, many an error."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad import detect, load, save_detection
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.nifti import read_map, read_mask, write_volume
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask

SHAPE = (20, 22, 18)


def brain() -> np.ndarray:
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return ((i - 9.5) / 7) ** 2 + ((j - 10.5) / 8) ** 2 + ((k - 8.5) / 7) ** 2 < 1


def written(folder: Path, data: np.ndarray, name: str = "FLAIR.nii.gz") -> Path:
    image = nibabel.Nifti1Image(data, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / name)
    return folder / name


@pytest.mark.parametrize(("centre", "lowest"), [(100.0, 0.0), (0.0, -60.0)])
def test_the_brain_is_what_is_not_nan(tmp_path: Path, centre: float, lowest: float) -> None:
    """Of z-scored scans too, in which 0 is tissue: their background has to lie below it."""
    data = np.where(brain(), np.random.default_rng(0).normal(centre, 20.0, SHAPE).clip(centre - 60, centre + 60), np.nan).astype(np.float32)
    scan = load(written(tmp_path, data))
    (finding,) = scan.findings
    assert (finding.code, finding.level) == ("nan-background", "warning")
    assert finding.message.startswith(f"{np.count_nonzero(~brain()):,} of {data.size:,} voxels")
    np.testing.assert_array_equal(scan.data[brain()], data[brain()])
    assert (scan.data[~brain()] == scan.data[0, 0, 0]).all()
    assert scan.data[0, 0, 0] <= lowest
    np.testing.assert_array_equal(estimate_brain_mask(scan).mask, brain())


def test_the_map_has_its_background_there_and_prepared_scans_are_finite(tmp_path: Path) -> None:
    data = np.where(brain(), np.random.default_rng(0).normal(100.0, 20.0, SHAPE), np.nan)
    detection = detect(written(tmp_path, data), "threshold")
    files = save_detection(detection, tmp_path / "out")
    stored = np.asarray(nibabel.load(files["map"]).dataobj)
    assert np.isfinite(stored).all()
    assert (stored[~brain()] == 0).all()
    assert "nan-background" in [finding["code"] for finding in detection.map.provenance["input"]["findings"]]
    write_volume(tmp_path / "again.nii.gz", detection.volume)
    assert load(tmp_path / "again.nii.gz").findings == ()


def with_holes(share: float, around: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth brain, the same with so much of its inside NaN, and where."""
    whole = np.where(brain(), 100.0 + np.arange(SHAPE[2]), around).astype(np.float32)
    inside = np.argwhere(ndimage.binary_erosion(brain(), iterations=2))
    chosen = np.random.default_rng(3).permutation(len(inside))[: round(share * np.count_nonzero(brain()))]
    holes = np.zeros(SHAPE, bool)
    holes[tuple(inside[chosen].T)] = True
    return whole, np.where(holes, np.nan, whole).astype(np.float32), holes


@pytest.mark.parametrize("around", [0.0, np.nan])
def test_few_nan_inside_are_filled_from_beside_them_and_told(tmp_path: Path, around: float) -> None:
    whole, data, holes = with_holes(0.006, around)
    assert holes.any()
    scan = load(written(tmp_path, data))
    (finding,) = [finding for finding in scan.findings if finding.code != "nan-background"]
    assert (finding.code, finding.level) == ("nan-holes", "warning")
    assert finding.message.startswith(f"{np.count_nonzero(holes)} voxels inside the image are NaN")
    assert np.abs(scan.data - whole)[holes].max() <= 1.0
    np.testing.assert_array_equal(scan.data[brain() & ~holes], whole[brain() & ~holes])
    detection = detect(scan, "threshold")
    assert finding in detection.warnings
    assert "nan-holes" in [one["code"] for one in detection.map.provenance["input"]["findings"]]
    assert detection.map.mask[holes].all()


def test_many_nan_inside_are_an_error_that_counts_them(tmp_path: Path) -> None:
    whole, data, holes = with_holes(0.03, np.nan)
    said = rf"{np.count_nonzero(holes)} of 7,920 voxels are NaN inside the image \([\d,]+ more lie around it.*no more than 1 %"
    with pytest.raises(InputError, match=said):
        load(written(tmp_path, data))
    whole[9, 10, 8] = np.inf
    with pytest.raises(InputError, match="NaN or infinite"):
        load(written(tmp_path, whole))


def test_holes_of_masks_and_maps_are_not_made_up(tmp_path: Path) -> None:
    whole, data, holes = with_holes(0.004, 0.0)
    scan = load(written(tmp_path, whole))
    for read, name in ((lambda path: read_mask(path, scan), "lesion.nii.gz"), (read_map, "x_anomalymap.nii.gz")):
        with pytest.raises(InputError, match=rf"{name}.*{np.count_nonzero(holes)} voxels inside the image are NaN"):
            read(written(tmp_path, data, name))


def test_of_one_slice_its_edges_count(tmp_path: Path) -> None:
    data = np.full((12, 12, 1), 5.0, np.float32)
    data[:2] = np.nan
    assert load(written(tmp_path, data)).findings[0].code == "nan-background"
    data[6, 6] = np.nan
    assert [finding.code for finding in load(written(tmp_path, data)).findings] == ["nan-background", "nan-holes"]
    data[6:8, 6:8] = np.nan
    with pytest.raises(InputError, match="4 of 144 voxels are NaN inside"):
        load(written(tmp_path, data))


def test_masks_and_maps_of_other_tools(tmp_path: Path) -> None:
    data = np.where(brain(), 100.0, np.nan).astype(np.float32)
    scan = load(written(tmp_path, data))
    lesion = brain() & (np.arange(SHAPE[0])[:, None, None] > 12)
    np.testing.assert_array_equal(read_mask(written(tmp_path, np.where(brain(), lesion, np.nan), "lesion.nii.gz"), scan), lesion)
    scores = np.where(brain(), np.random.default_rng(1).random(SHAPE) + 0.1, np.nan)
    amap = read_map(written(tmp_path, scores, "x_anomalymap.nii.gz"))
    np.testing.assert_array_equal(amap.mask, brain())
