"""Every image of a BIDS data set is analysed or named with a reason; counts by hand of trees like those of bids-examples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.datasets.bids_images import ages_of, bids_images


def _tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def _of(subjects: Iterable[str], *templates: str) -> list[str]:
    return [template.format(s=subject) for subject in subjects for template in templates]


# Like ds000117 (FLASH beside T1w), 7t_trt (two sessions), qmri_mp2rage (inversions, parts, UNIT1), ds009 (inplaneT2), ds000001-fmriprep.
TREES = {
    "flash": (_of(["01", "02"], "sub-{s}/ses-mri/anat/sub-{s}_ses-mri_acq-mprage_T1w.nii.gz", *(
        f"sub-{{s}}/ses-mri/anat/sub-{{s}}_ses-mri_run-{run}_echo-{echo}_FLASH.nii.gz" for run in (1, 2) for echo in (1, 2, 3)
    )), 2, 14, 2),
    "sessions": (_of(["a", "b", "c"], "sub-{s}/ses-1/anat/sub-{s}_ses-1_T1w.nii.gz", "sub-{s}/ses-2/anat/sub-{s}_ses-2_T1map.nii.gz",
                     "sub-{s}/ses-2/anat/sub-{s}_ses-2_run-1_FLAIR.nii", "sub-{s}/ses-2/anat/sub-{s}_ses-2_run-2_FLAIR.nii"), 3, 12, 9),
    "mp2rage": (_of(["1"], *(f"sub-{{s}}/anat/sub-{{s}}_inv-{inv}_part-{part}_MP2RAGE.nii" for inv in (1, 2) for part in ("mag", "phase")),
                    "sub-{s}/anat/sub-{s}_UNIT1.nii", "sub-{s}/anat/sub-{s}_inv-2_T1w.nii"), 1, 6, 0),
    "inplane": (_of(["01"], "sub-{s}/anat/sub-{s}_inplaneT2.nii.gz", "sub-{s}/anat/sub-{s}_T1w.nii.gz", "sub-{s}/func/sub-{s}_T1w.nii.gz",
                    "sub-{s}/anat/sub-{s}_T1w.json", "derivatives/x/sub-{s}/anat/sub-{s}_T1w.nii.gz"), 1, 2, 1),
    "derivatives": (_of(["10"], "sub-{s}/anat/sub-{s}_desc-preproc_T1w.nii.gz", "sub-{s}/anat/sub-{s}_dseg.nii.gz",
                        "sub-{s}/anat/sub-{s}_space-MNI_desc-brain_mask.nii.gz", "sub-{s}/anat/sub-{s}_label-GM_probseg.nii.gz"), 1, 4, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_participants_images_and_those_analysed_are_as_counted_by_hand(tmp_path: Path, name: str) -> None:
    files, participants, images, analysed = TREES[name]
    found = bids_images(_tree(tmp_path, *files))
    assert len({one.subject for one in found}) == participants
    assert len(found) == images
    assert sum(not one.why_not for one in found) == analysed
    assert all(one.sequence for one in found if not one.why_not)


def test_every_image_says_what_it_is_or_why_not(tmp_path: Path) -> None:
    folder = "sub-01/ses-b/anat/sub-01_ses-b_"
    root = _tree(
        tmp_path,
        *(
            f"{folder}{name}.nii.gz"
            for name in ("ce-gd_T1w", "acq-x_run-1_T1w", "part-phase_T2w", "part-mag_T2w", "PDw", "T2star", "UNIT1")
        ),
        "sub-01/ses-b/anat/sub-02_ses-b_T1w.nii.gz",
    )
    (root / f"{folder}FLAIR.nii.gz").symlink_to("../../../../.git/annex/objects/x")
    found = {one.path.name.removeprefix("sub-01_ses-b_").split(".")[0]: one for one in bids_images(root)}
    used = {name: one.sequence for name, one in found.items() if not one.why_not}
    assert used == {"ce-gd_T1w": "T1c", "acq-x_run-1_T1w": "T1", "part-mag_T2w": "T2", "PDw": "PD"}
    reasons = {name: one.why_not for name, one in found.items() if one.why_not}
    assert "phase" in reasons["part-phase_T2w"]
    assert "T2star" in reasons["T2star"]
    assert "MP2RAGE" in reasons["UNIT1"]
    assert "datalad get" in reasons["FLAIR"]
    assert "participant" in reasons["sub-02_ses-b_T1w"]
    assert found["acq-x_run-1_T1w"].stem == "sub-01_ses-b_acq-x_run-1"
    assert (found["PDw"].subject, found["PDw"].session, found["PDw"].suffix) == ("01", "b", "PDw")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("T1w", "follow BIDS"),
        ("sub-01_t1w", "none of"),
        ("sub-01_Acq-fast_T1w", "follow BIDS"),
        ("sub-01_acq-a b_T1w", "follow BIDS"),
        ("sub-01_acq-<b>_T1w", "follow BIDS"),
        ("sub-01_-x_T1w", "follow BIDS"),
        ("sub-01_acq-a_acq-b_T1w", "follow BIDS"),
        ("sub-01_T1w.old", "follow BIDS"),
        ("sub-01_new\nline_T1w", "follow BIDS"),
        ("sub-02_T1w", "participant"),
        ("sub-01_ses-1_T1w", "session"),
        ("sub-01_inv-1_T1w", "MP2RAGE"),
        ("sub-01_dir-AP_T1w", "dir-"),
        ("sub-01_rec-norm_run-02_T1w", ""),
    ],
)
def test_a_name_that_is_not_the_standard_s_is_told(tmp_path: Path, name: str, says: str) -> None:
    # Folders above the data set may be called anything.
    root = tmp_path / "ses-study" / "sub-x"
    _tree(root, f"sub-01/anat/{name}.nii.gz", "sub-02/anat", "sub-03/ses-1/anat/sub-03_ses-1_FLAIR.nii")
    found = bids_images(root)
    assert [one.why_not for one in found if one.subject == "03"] == [""]
    (image,) = [one for one in found if one.subject == "01"]
    assert says in image.why_not
    assert bool(image.why_not) == bool(says)


def test_of_two_images_of_one_name_one_is_told(tmp_path: Path) -> None:
    found = bids_images(_tree(tmp_path, "sub-1/anat/sub-1_T1w.nii", "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_T2w.nii"))
    assert ["another image" in one.why_not for one in found] == [False, True, False]


def test_ages_are_numbers_or_left_out(tmp_path: Path) -> None:
    assert ages_of(tmp_path) == {}
    table = tmp_path / "participants.tsv"
    table.write_text(
        "participant_id\tsex\tage\nsub-01\tF\t34.5\nsub-02\tM\tn/a\nsub-03\tM\t89+\nsub-04\tF\t8\nsub-05\tF\tnan\nsub-06\tM\t-5\nsub-07\tM\t999\n"
    )
    assert ages_of(tmp_path) == {"01": 34.5, "04": 8.0}
    table.write_text("participant_id\nsub-01\n")
    assert ages_of(tmp_path) == {}
    table.write_text("sub-01\tF\t34.5\nsub-02\tM\t8\n")
    with pytest.raises(InputError, match="no column participant_id"):
        ages_of(tmp_path)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"participants\.tsv"):
        ages_of(tmp_path)
