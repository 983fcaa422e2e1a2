"""Which masks belong to a scan, by their names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brain_uad.datasets.plain import with_masks_beside
from napari_brain_uad.datasets.registry import layout


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


def test_a_visit_is_no_part_of_a_word(tmp_path: Path) -> None:
    """People would be merged, and counted as visits of one."""
    visits = {
        "pat01_ses-2": ("pat01", "ses-2"),
        "pat01-tp1": ("pat01", "tp1"),
        "study1_pat02": ("pat02", "study1"),
        "pat03tp2": ("pat03", "tp2"),
    }
    people = ["MSstudy001", "MSstudy002", "MTP01", "MTP02", "cases02"]
    for name in (*visits, *people):
        (tmp_path / f"{name}_FLAIR.nii.gz").touch()
    found = {(one.id, one.session) for one in layout("plain").subjects(tmp_path)}
    assert found == {*visits.values(), *((name, None) for name in people)}
