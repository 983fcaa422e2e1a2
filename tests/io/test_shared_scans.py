"""Real scans, where they are there: read as nibabel reads them, in time, and written back in place."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.io.nifti import read_mask, read_volume, write_volume

SCANS = [
    "mslub/patient19/FLAIR.nii.gz",
    "brats2013/pat0001/tumour.nii.gz",
    "raw/TCGA-FG-6692/FLAIR.nii.gz",
    "raw/mslub_longitudinal/patient12/study1_FLAIR.nii.gz",
]


@pytest.mark.parametrize("name", SCANS)
def test_as_nibabel_reads_it(shared_data: Path, tmp_path: Path, name: str) -> None:
    volume = read_volume(shared_data / name)
    stored = nib.load(shared_data / name)
    oracle = nib.as_closest_canonical(stored)
    np.testing.assert_array_equal(volume.data, np.asarray(oracle.dataobj, np.float32))
    np.testing.assert_allclose(volume.grid.affine, oracle.affine, atol=1e-5)
    write_volume(tmp_path / "out.nii", volume)
    again = nib.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(np.asarray(again.dataobj), np.asarray(stored.dataobj, np.float32))
    assert np.abs(again.affine - stored.affine).max() <= 1e-5
    assert [int(again.header[key]) for key in ("qform_code", "sform_code")] == [
        int(stored.header[key]) for key in ("qform_code", "sform_code")
    ]


def test_a_good_scan_has_no_findings(shared_data: Path) -> None:
    volume = read_volume(shared_data / "mslub/patient19/FLAIR.nii.gz")
    assert volume.data.shape == (182, 218, 182)
    assert volume.findings == ()


def test_int8_mask_with_sform_only(shared_data: Path) -> None:
    folder = shared_data / "raw" / "TCGA-FG-6692"
    scan = read_volume(folder / "FLAIR.nii.gz")
    mask = read_mask(folder / "FLAIR_hdbet_mask.nii.gz", scan)
    expected = np.asarray(nib.as_closest_canonical(nib.load(folder / "FLAIR_hdbet_mask.nii.gz")).dataobj) > 0
    np.testing.assert_array_equal(mask, expected)
    assert 1000 < mask.sum() * scan.grid.voxel_volume_mm3 / 1000 < 2000  # ml of a brain
