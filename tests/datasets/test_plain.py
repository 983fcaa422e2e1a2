"""Which masks belong to a scan, by their names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brain_uad.datasets.plain import with_masks_beside


@pytest.mark.parametrize(
    ("scan", "others", "found"),
    [
        (
            "sub-3_T1.nii.gz",
            ["sub-3_brainmask.nii.gz", "sub-3_lesions.nii", "sub-4_brainmask.nii.gz"],
            ["sub-3_brainmask.nii.gz", "sub-3_lesions.nii"],
        ),
        ("FLAIR.nii", ["mask.nii", "gt.nii", "T1.nii"], ["mask.nii", "gt.nii"]),
        # Of two, the one named after the scan.
        ("p_T1.nii", ["p_T1_brainmask.nii", "p_T2_brainmask.nii"], ["p_T1_brainmask.nii"]),
        ("p_PD.nii", ["p_T1_brainmask.nii", "p_T2_brainmask.nii"], []),
        # Results of a run: what was flagged is no brain mask of the scan.
        ("p_T1.nii", ["p_T1_threshold_mask.nii.gz", "p_T1_threshold_brainmask.nii.gz"], []),
        # A pair of header and image is one mask.
        ("p.hdr", ["p.img", "p_seg.hdr", "p_seg.img"], ["p_seg.hdr"]),
        ("p_mask.nii", ["p_truth.nii", "p.nii"], []),
        ("p.nii", ["p_mask.txt", "p_seg.png"], []),
    ],
)
def test_masks_beside_a_scan(tmp_path: Path, scan: str, others: list[str], found: list[str]) -> None:
    for name in (scan, *others):
        (tmp_path / name).touch()
    assert with_masks_beside([tmp_path / scan]) == tuple(tmp_path / name for name in (scan, *found))


def test_what_was_given_comes_once_and_folders_stay(tmp_path: Path) -> None:
    for name in ("a.nii", "a_mask.nii", "a_seg.nii"):
        (tmp_path / name).touch()
    given = [tmp_path / "a_mask.nii", tmp_path / "a.nii", tmp_path]
    assert with_masks_beside(given) == (tmp_path / "a_mask.nii", tmp_path / "a.nii", tmp_path / "a_seg.nii", tmp_path)
