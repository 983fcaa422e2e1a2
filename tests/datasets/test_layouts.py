"""Every layout on a tree of the same names as the public data set's, and on the scans with known figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from public_trees import PUBLIC_TREES

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.datasets.layout import unused_files
from napari_brain_uad.datasets.registry import LAYOUTS, find_layout, layout

_BRATS = ("flair", "t1", "t1ce", "t2", "seg")

_LOW_GRADE = "BRATS2015/LGG/brats_2013_pat0001_1"
_CROSS = "cross_sectional/coregistered/patient02/patient02"

# Per layout: the files of a tree, and what has to come out of it: (id, session, split) to roles and files.
TREES: dict[str, tuple[list[str], dict[tuple[str, str | None, str | None], dict[str, str]]]] = {
    "ixi": (
        [
            "IXI-T1/IXI012-HH-1211-T1.nii.gz",
            "IXI-T2/IXI012-HH-1211-T2.nii.gz",
            "IXI-PD/IXI012-HH-1211-PD.nii.gz",
            "IXI-DTI/IXI012-HH-1211-DTI-00.nii.gz",
            "IXI-T1/IXI640-Guys-1106-T1.nii.gz",
            "IXI.xls",
        ],
        {
            ("IXI012-HH-1211", None, None): {
                "T1": "IXI-T1/IXI012-HH-1211-T1.nii.gz",
                "T2": "IXI-T2/IXI012-HH-1211-T2.nii.gz",
                "PD": "IXI-PD/IXI012-HH-1211-PD.nii.gz",
            },
            ("IXI640-Guys-1106", None, None): {"T1": "IXI-T1/IXI640-Guys-1106-T1.nii.gz"},
        },
    ),
    "brats": (
        [
            *(f"MICCAI_BraTS_2018_Data_Training/HGG/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_{kind}.nii.gz" for kind in _BRATS),
            *(f"MICCAI_BraTS2020_TrainingData/BraTS20_Training_355/BraTS20_Training_355_{kind}.nii" for kind in _BRATS[:4]),
            "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355/W39_1998.09.19_Segm.nii",
            *(f"BraTS2021_00000/BraTS2021_00000_{kind}.nii.gz" for kind in _BRATS[:4]),
            "BRATS2015/HGG/brats_2013_pat0001_1/VSD.Brain.XX.O.MR_Flair.54512/VSD.Brain.XX.O.MR_Flair.54512.nii.gz",
            "BRATS2015/HGG/brats_2013_pat0001_1/VSD.Brain.XX.O.MR_T1c.54514/VSD.Brain.XX.O.MR_T1c.54514.nii.gz",
            "BRATS2015/HGG/brats_2013_pat0001_1/VSD.Brain_3more.XX.O.OT.54517/VSD.Brain_3more.XX.O.OT.54517.nii.gz",
            f"{_LOW_GRADE}/VSD.Brain.XX.O.MR_Flair.54632.nii.gz",
            "MICCAI_BraTS_2018_Data_Training/survival_data.csv",
        ],
        {
            ("Brats18_CBICA_AAB_1", None, None): {
                role: f"MICCAI_BraTS_2018_Data_Training/HGG/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_{kind}.nii.gz"
                for role, kind in zip(("FLAIR", "T1", "T1c", "T2", "truth"), _BRATS, strict=True)
            },
            ("BraTS20_Training_355", None, None): {
                **{
                    role: f"MICCAI_BraTS2020_TrainingData/BraTS20_Training_355/BraTS20_Training_355_{kind}.nii"
                    for role, kind in zip(("FLAIR", "T1", "T1c", "T2"), _BRATS[:4], strict=True)
                },
                "truth": "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355/W39_1998.09.19_Segm.nii",
            },
            ("BraTS2021_00000", None, None): {
                role: f"BraTS2021_00000/BraTS2021_00000_{kind}.nii.gz"
                for role, kind in zip(("FLAIR", "T1", "T1c", "T2"), _BRATS[:4], strict=True)
            },
            ("LGG/brats_2013_pat0001_1", None, None): {"FLAIR": f"{_LOW_GRADE}/VSD.Brain.XX.O.MR_Flair.54632.nii.gz"},
            ("HGG/brats_2013_pat0001_1", None, None): {
                "FLAIR": "BRATS2015/HGG/brats_2013_pat0001_1/VSD.Brain.XX.O.MR_Flair.54512/VSD.Brain.XX.O.MR_Flair.54512.nii.gz",
                "T1c": "BRATS2015/HGG/brats_2013_pat0001_1/VSD.Brain.XX.O.MR_T1c.54514/VSD.Brain.XX.O.MR_T1c.54514.nii.gz",
                "truth": "BRATS2015/HGG/brats_2013_pat0001_1/VSD.Brain_3more.XX.O.OT.54517/VSD.Brain_3more.XX.O.OT.54517.nii.gz",
            },
        },
    ),
    "mslub": (
        [
            *(f"patient01/patient01_{kind}.nii.gz" for kind in ("FLAIR", "T1W", "T1WKS", "T2W", "brainmask", "consensus_gt")),
            "patient01/patient01_T1W_to_FLAIR.txt",
            *(f"patient01/raw/patient01_{kind}.nii.gz" for kind in ("FLAIR", "T1W")),
            *(f"{_CROSS}_{kind}.nii.gz" for kind in ("FLAIR", "brainmask", "consensus_gt")),
            "longitudinal/coregistered/patient02/brainmask.nii.gz",
            "longitudinal/coregistered/patient02/gt.nii.gz",
            "longitudinal/coregistered/patient02/study1_FLAIR.nii.gz",
            "longitudinal/coregistered/patient02/study2_FLAIR.nii.gz",
        ],
        {
            ("patient01", None, None): {
                "FLAIR": "patient01/patient01_FLAIR.nii.gz",
                "T1": "patient01/patient01_T1W.nii.gz",
                "T1c": "patient01/patient01_T1WKS.nii.gz",
                "T2": "patient01/patient01_T2W.nii.gz",
                "brain_mask": "patient01/patient01_brainmask.nii.gz",
                "truth": "patient01/patient01_consensus_gt.nii.gz",
            },
            ("patient01", "raw", None): {
                "FLAIR": "patient01/raw/patient01_FLAIR.nii.gz",
                "T1": "patient01/raw/patient01_T1W.nii.gz",
            },
            ("cross_sectional/patient02", "coregistered", None): {
                "FLAIR": f"{_CROSS}_FLAIR.nii.gz",
                "brain_mask": f"{_CROSS}_brainmask.nii.gz",
                "truth": f"{_CROSS}_consensus_gt.nii.gz",
            },
            ("longitudinal/patient02", "coregistered_study1", None): {
                "FLAIR": "longitudinal/coregistered/patient02/study1_FLAIR.nii.gz",
                "brain_mask": "longitudinal/coregistered/patient02/brainmask.nii.gz",
            },
            ("longitudinal/patient02", "coregistered_study2", None): {
                "FLAIR": "longitudinal/coregistered/patient02/study2_FLAIR.nii.gz",
                "brain_mask": "longitudinal/coregistered/patient02/brainmask.nii.gz",
            },
        },
    ),
    "wmh": (
        [
            *(f"training/Amsterdam/GE3T/100/{part}" for part in ("pre/FLAIR.nii.gz", "pre/T1.nii.gz", "wmh.nii.gz")),
            *(f"training/Amsterdam/GE3T/100/orig/{part}.nii.gz" for part in ("FLAIR", "T1", "3DT1")),
            "training/Utrecht/0/pre/FLAIR.nii.gz",
            "test/Amsterdam/Philips_VU .PETMR_01./161/pre/FLAIR.nii.gz",
            "additional_annotations/observer_o3/training/Utrecht/0/result.nii.gz",
        ],
        {
            ("Amsterdam/GE3T/100", None, "train"): {
                "FLAIR": "training/Amsterdam/GE3T/100/pre/FLAIR.nii.gz",
                "T1": "training/Amsterdam/GE3T/100/pre/T1.nii.gz",
                "truth": "training/Amsterdam/GE3T/100/wmh.nii.gz",
            },
            ("Utrecht/0", None, "train"): {"FLAIR": "training/Utrecht/0/pre/FLAIR.nii.gz"},
            ("Amsterdam/Philips_VU .PETMR_01./161", None, "test"): {"FLAIR": "test/Amsterdam/Philips_VU .PETMR_01./161/pre/FLAIR.nii.gz"},
        },
    ),
    "msseg2015": (
        [
            *(f"training01/preprocessed/training01_02_{kind}_pp.nii" for kind in ("flair", "mprage", "pd", "t2")),
            "training01/orig/training01_02_flair.nii.gz",
            "training01/masks/training01_02_mask1.nii",
            "training01/masks/training01_02_mask2.nii",
            "testdata_website/test07/preprocessed/test07_01_flair_pp.nii",
        ],
        {
            ("training01", "02", "train"): {
                "FLAIR": "training01/preprocessed/training01_02_flair_pp.nii",
                "T1": "training01/preprocessed/training01_02_mprage_pp.nii",
                "PD": "training01/preprocessed/training01_02_pd_pp.nii",
                "T2": "training01/preprocessed/training01_02_t2_pp.nii",
                "truth": "training01/masks/training01_02_mask1.nii",
            },
            ("test07", "01", "test"): {"FLAIR": "testdata_website/test07/preprocessed/test07_01_flair_pp.nii"},
        },
    ),
    "atlas-v2": (
        [
            "MNI152NLin2009aSym.nii.gz",
            *(
                f"{folder}/ses-1/anat/{name}_ses-1_space-MNI152NLin2009aSym_{kind}.nii.gz"
                for folder, name, kind in (
                    ("Training/R001/sub-r001s001", "sub-r001s001", "T1w"),
                    ("Training/R001/sub-r001s001", "sub-r001s001", "label-L_desc-T1lesion_mask"),
                    ("Testing/R003/sub-r003s002", "sub-r003s002", "T1w"),
                )
            ),
        ],
        {
            ("sub-r001s001", "1", "train"): {
                "T1": "Training/R001/sub-r001s001/ses-1/anat/sub-r001s001_ses-1_space-MNI152NLin2009aSym_T1w.nii.gz",
                "truth": "Training/R001/sub-r001s001/ses-1/anat/"
                "sub-r001s001_ses-1_space-MNI152NLin2009aSym_label-L_desc-T1lesion_mask.nii.gz",
            },
            ("sub-r003s002", "1", "test"): {
                "T1": "Testing/R003/sub-r003s002/ses-1/anat/sub-r003s002_ses-1_space-MNI152NLin2009aSym_T1w.nii.gz"
            },
        },
    ),
    "mood": (
        [
            "brain/brain_train/00000.nii.gz",
            "brain/toy/toy_0.nii.gz",
            "brain/toy_label/pixel/toy_0.nii.gz",
            "brain/toy_label/sample/toy_0.nii.gz.txt",
        ],
        {
            ("00000", None, "train"): {"T1": "brain/brain_train/00000.nii.gz"},
            ("toy_0", None, "toy"): {"T1": "brain/toy/toy_0.nii.gz", "truth": "brain/toy_label/pixel/toy_0.nii.gz"},
        },
    ),
    "br35h": (
        ["no/no0.jpg", "no/No12.jpg", "no/no 94.jpg", "yes/y0.jpg", "pred/pred3.jpg"],
        {
            ("no0", None, "no tumour"): {"unknown": "no/no0.jpg"},
            ("No12", None, "no tumour"): {"unknown": "no/No12.jpg"},
            ("no 94", None, "no tumour"): {"unknown": "no/no 94.jpg"},
            ("y0", None, "tumour"): {"unknown": "yes/y0.jpg"},
            ("pred3", None, "unlabelled"): {"unknown": "pred/pred3.jpg"},
        },
    ),
    "bids": (
        [
            "dataset_description.json",
            "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_T1w.json",
            "sub-01/ses-1/anat/sub-01_ses-1_ce-GADOLINIUM_T1w.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_run-2_FLAIR.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_run-1_FLAIR.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_acq-tse_T2w.nii",
            "sub-01/ses-1/anat/sub-01_ses-1_PDw.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_part-phase_T2w.nii.gz",
            "sub-01/ses-1/dwi/sub-01_ses-1_dwi.nii.gz",
            "sub-02/anat/sub-02_T1w.nii.gz",
            "sub-02/anat/sub-02_label-lesion_roi.nii.gz",
            "derivatives/bet/sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz",
            "derivatives/bet/sub-01/ses-1/anat/sub-01_ses-1_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
            "derivatives/bet/sub-01/ses-1/anat/sub-01_ses-1_desc-preproc_T1w.nii.gz",
            "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_space-orig_label-L_mask.nii.gz",
        ],
        {
            ("sub-01", "1", None): {
                "T1": "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
                "T1c": "sub-01/ses-1/anat/sub-01_ses-1_ce-GADOLINIUM_T1w.nii.gz",
                "FLAIR": "sub-01/ses-1/anat/sub-01_ses-1_run-1_FLAIR.nii.gz",
                "T2": "sub-01/ses-1/anat/sub-01_ses-1_acq-tse_T2w.nii",
                "PD": "sub-01/ses-1/anat/sub-01_ses-1_PDw.nii.gz",
                "brain_mask of T1": "derivatives/bet/sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz",
                "truth": "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_space-orig_label-L_mask.nii.gz",
                "extra": "sub-01/ses-1/anat/sub-01_ses-1_run-2_FLAIR.nii.gz",
            },
            ("sub-02", None, None): {
                "T1": "sub-02/anat/sub-02_T1w.nii.gz",
                "truth": "sub-02/anat/sub-02_label-lesion_roi.nii.gz",
            },
        },
    ),
    "plain": (
        [
            "a/FLAIR.nii.gz",
            "a/T1c.nii.gz",
            "a/brainmask.nii.gz",
            "a/tumour.nii.gz",
            "b/b_T2_FLAIR.nii.gz",
            "b/b_hdbet_mask.nii.gz",
            "c/study1_T1.nii.gz",
            "c/study2_T1.nii.gz",
            "d01_T1.nii.gz",
            "d01_FLAIR.nii.gz",
            "d01_FLAIR_mask.nii.gz",
            "d01_truth.nii.gz",
            "something.mgz",
            "readme.txt",
        ],
        {
            ("a", None, None): {
                "FLAIR": "a/FLAIR.nii.gz",
                "T1c": "a/T1c.nii.gz",
                "brain_mask": "a/brainmask.nii.gz",
                "truth": "a/tumour.nii.gz",
            },
            ("b", None, None): {"FLAIR": "b/b_T2_FLAIR.nii.gz", "brain_mask": "b/b_hdbet_mask.nii.gz"},
            ("c", "study1", None): {"T1": "c/study1_T1.nii.gz"},
            ("c", "study2", None): {"T1": "c/study2_T1.nii.gz"},
            ("d01", None, None): {
                "T1": "d01_T1.nii.gz",
                "FLAIR": "d01_FLAIR.nii.gz",
                "brain_mask": "d01_FLAIR_mask.nii.gz",
                "truth": "d01_truth.nii.gz",
            },
            ("something", None, None): {"unknown": "something.mgz"},
        },
    ),
    "pictures": (
        ["a.png", "b/c_T2.JPG", "d.txt"],
        {("a", None, None): {"unknown": "a.png"}, ("b/c_T2", None, None): {"T2": "b/c_T2.JPG"}},
    ),
    **PUBLIC_TREES,
}

_OWN_BRAINS = {f"brain_mask of {sequence}": 1 for sequence in ("T1", "T2", "T1c")}

GENERAL = {"bids", "plain", "pictures"}
"""Layouts that data sets with a layout of their own follow, too."""


def grow(root: Path, names: list[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / ".hidden").mkdir(exist_ok=True)
    (root / ".hidden" / "x_T1.nii.gz").touch()
    return root


def found(root: Path, layout_id: str) -> dict[tuple[str, str | None, str | None], dict[str, str]]:
    result = {}
    for subject in layout(layout_id).subjects(root):
        record = subject.as_dict(root)
        roles = {**record["sequences"], "brain_mask": record["brain_mask"], "truth": record["truth"], "extra": ", ".join(record["extra"])}
        for kind, of in (("brain_mask", record["brain_masks"]), ("truth", record["truths"])):
            roles |= {f"{kind} of {sequence}": name or "none" for sequence, name in of.items()}
        assert (subject.id, subject.session, subject.split) not in result
        result[subject.id, subject.session, subject.split] = {role: name for role, name in roles.items() if name}
    return result


@pytest.mark.parametrize("layout_id", TREES)
def test_a_tree_of_the_layout(layout_id: str, tmp_path: Path) -> None:
    names, expected = TREES[layout_id]
    root = grow(tmp_path / "data", names)
    assert find_layout(root).id == layout_id
    assert found(root, layout_id) == expected


@pytest.mark.parametrize("layout_id", [one for one in TREES if one not in GENERAL])
def test_a_subject_folder_alone_is_no_other_data_set(layout_id: str, tmp_path: Path) -> None:
    """Named layouts do not claim each other's trees."""
    root = grow(tmp_path, TREES[layout_id][0])
    claiming = {one.id for one in LAYOUTS if one.detect(root)} - GENERAL
    assert claiming == {layout_id}


def test_a_bids_tree_is_no_other_data_set(tmp_path: Path) -> None:
    root = grow(tmp_path, TREES["bids"][0])
    assert {one.id for one in LAYOUTS if one.detect(root)} == {"bids", "plain"}


@pytest.mark.parametrize("layout_id", PUBLIC_TREES)
def test_names_in_other_case(layout_id: str, tmp_path: Path) -> None:
    names, expected = TREES[layout_id]
    root = grow(tmp_path, [name.upper() for name in names])
    assert find_layout(root).id == layout_id
    upper = {
        (key[0].upper(), key[1] and key[1].upper(), key[2]): {role: name.upper() for role, name in files.items()}
        for key, files in expected.items()
    }
    assert found(root, layout_id) == upper


@pytest.mark.parametrize(
    ("layout_id", "sites"),
    [
        ("ixi", {"HH", "Guys"}),
        ("wmh", {"Amsterdam/GE3T", "Utrecht", "Amsterdam/Philips_VU .PETMR_01."}),
        ("msseg2016", {"Center_01", "08"}),
        ("atlas-v1", {"Site3", "c0011"}),
        ("adni", {"002"}),
        ("hcp", {None}),
    ],
)
def test_the_site_where_the_names_tell_it(layout_id: str, sites: set[str | None], tmp_path: Path) -> None:
    root = grow(tmp_path, TREES[layout_id][0])
    assert {one.as_dict(root)["covariates"]["site"] for one in layout(layout_id).subjects(root)} == sites


def test_truths_of_bids_by_any_usual_name_in_any_usual_place(tmp_path: Path) -> None:
    people = [f"sub-{number:02d}" for number in range(1, 8)]
    truths = {
        "sub-01": "derivatives/manual/sub-01/sub-01_lesions.nii.gz",
        "sub-02": "derivatives/lesions/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
        "sub-03": "sub-03/anat/sub-03_lesions.nii.gz",
        "sub-04": "derivatives/sub-04/lesion/sub-04_FLAIR_lesion_mask.nii.gz",
        "sub-05": "derivatives/raters/sub-05_label-tumor_dseg.nii.gz",
    }
    no_truths = [
        "derivatives/fmriprep/sub-06/anat/sub-06_dseg.nii.gz",
        "derivatives/fmriprep/sub-06/anat/sub-06_label-GM_probseg.nii.gz",
        "derivatives/fmriprep/sub-06/func/sub-06_label-lesion_mask.nii.gz",
        "derivatives/manual/sub-06/sub-06_space-MNI152NLin6Asym_label-lesion_mask.nii.gz",
        "derivatives/uad/sub-07/sub-07_FLAIR_vae_anomalymap.nii.gz",
        "derivatives/uad/sub-07/sub-07_FLAIR_vae_mask.nii.gz",
        "derivatives/uad/sub-07/sub-07_FLAIR_vae_truth.nii.gz",
        "derivatives/seen/sub-07/sub-07_FLAIR_net_mask.nii.gz",
    ]
    scans = [f"{one}/anat/{one}_FLAIR.nii.gz" for one in people]
    result = found(grow(tmp_path, [*scans, *truths.values(), *no_truths]), "bids")
    roles = {key[0]: {role: name for role, name in files.items() if role != "FLAIR"} for key, files in result.items()}
    assert roles == {one: {"truth": truths[one]} if one in truths else {} for one in people}


def test_a_mask_of_bids_is_that_of_the_images_it_names(tmp_path: Path) -> None:
    """Another run's or another sequence's truth would be measured against without a word."""
    made = "derivatives/manual/{0}/anat/{0}_{1}.nii.gz".format
    names = [
        # Two runs, and a truth of the second alone; run-01 is run-1.
        *(f"sub-01/anat/sub-01_run-{run}_FLAIR.nii.gz" for run in (1, 2)),
        made("sub-01", "run-2_label-lesion_mask"),
        *(f"sub-02/anat/sub-02_run-{run}_FLAIR.nii.gz" for run in (1, 2)),
        *(made("sub-02", f"run-0{run}_label-lesion_mask") for run in (2, 1)),
        # fMRIPrep's brain lies on the T1w, and truths on two images.
        *(f"sub-03/anat/sub-03_{one}.nii.gz" for one in ("T1w", "FLAIR", "acq-thick_T2w")),
        *(f"derivatives/fmriprep/sub-03/anat/sub-03_desc-{one}.nii.gz" for one in ("brain_mask", "preproc_T1w")),
        *(made("sub-03", f"space-{space}_label-lesion_mask") for space in ("T1w", "FLAIR")),
        # A mask that says nothing is of all, and loses against one that says something.
        *(f"sub-04/anat/sub-04_{one}.nii.gz" for one in ("T1w", "FLAIR")),
        *(made("sub-04", one) for one in ("label-lesion_mask", "space-T1w_label-lesion_mask")),
        # What a sidecar calls its source; and the only T1w there is.
        *(f"sub-05/anat/sub-05_{one}.nii.gz" for one in ("ce-gd_T1w", "FLAIR")),
        made("sub-05", "desc-brain_mask"),
        made("sub-05", "space-T1w_label-lesion_mask"),
        made("sub-05", "acq-other_label-lesion_mask"),
    ]
    root = grow(tmp_path, names)
    sidecar = {"RawSources": ["bids:raw:sub-05/anat/sub-05_FLAIR.nii.gz"]}
    (root / made("sub-05", "desc-brain_mask").replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    subjects = {one.id: one for one in layout("bids").subjects(root)}

    def masks(person: str) -> dict[str, tuple[str | None, str | None]]:
        one = subjects[person]
        return {sequence: (short(one.truth_of(sequence)), short(one.brain_mask_of(sequence))) for sequence in one.sequences}

    def short(path: Path | None) -> str | None:
        return None if path is None else path.name.partition("_")[2].split(".")[0]

    truth, brain = "label-lesion_mask", "desc-brain_mask"
    assert masks("sub-01") == {"FLAIR": (None, None)}
    assert subjects["sub-01"].notes == ("sub-01_run-2_label-lesion_mask.nii.gz, a ground truth, is of none of the images that are used",)
    assert masks("sub-02") == {"FLAIR": (f"run-01_{truth}", None)}
    assert masks("sub-03") == {"T1": (f"space-T1w_{truth}", brain), "FLAIR": (f"space-FLAIR_{truth}", None), "T2": (None, None)}
    assert masks("sub-04") == {"T1": (f"space-T1w_{truth}", None), "FLAIR": (truth, None)}
    assert masks("sub-05") == {"T1c": (f"space-T1w_{truth}", None), "FLAIR": (None, brain)}
    assert len(subjects["sub-05"].notes) == 1
    assert unused_files(tuple(subjects.values()), root) == (root / "derivatives/fmriprep/sub-03/anat/sub-03_desc-preproc_T1w.nii.gz",)


def test_the_brain_mask_of_a_prepared_scan_is_not_the_scan_s(tmp_path: Path) -> None:
    """It lies on a model's grid."""
    made = "derivatives/ours/sub-01/sub-01_T1w_clinical_"
    root = grow(tmp_path, ["sub-01/anat/sub-01_T1w.nii.gz", f"{made}prepared.nii.gz", f"{made}brainmask.nii.gz"])
    (one,) = layout("bids").subjects(root)
    assert one.brain_mask is not None
    names = {f"sub-01_T1w_clinical_{name}.nii.gz": "" for name in ("prepared", "brainmask")}
    (root / f"{made}preparation_manifest.json").write_text(json.dumps({"files": names, "input": {"name": "sub-01_T1w"}}))
    (one,) = layout("bids").subjects(root)
    assert one.brain_mask is None


def test_a_truth_of_a_plain_folder_is_that_of_the_sequence_it_names(tmp_path: Path) -> None:
    names = ["FLAIR", "T1", "T2", "T1_lesions", "FLAIR_lesions", "FLAIR_brainmask"]
    (one,) = layout("plain").subjects(grow(tmp_path, [f"p1/{name}.nii.gz" for name in names]))
    assert {sequence: path and path.name for sequence in one.sequences for path in (one.truth_of(sequence),)} == {
        "FLAIR": "FLAIR_lesions.nii.gz",
        "T1": "T1_lesions.nii.gz",
        "T2": None,
    }
    # A mask that all share, whatever its name.
    assert {one.brain_mask_of(sequence) for sequence in one.sequences} == {tmp_path / "p1/FLAIR_brainmask.nii.gz"}


def test_a_disease_in_a_plain_name_is_no_truth(tmp_path: Path) -> None:
    names = ["tumour-t1c.nii.gz", "tumour-t1c_brainmask.nii.gz", "tumour-t1c_truth.nii.gz", "p1_T2.nii.gz", "p1_lesions_T2.nii.gz"]
    assert found(grow(tmp_path, names), "plain") == {
        ("p1", None, None): {"T2": names[3], "truth": names[4]},
        ("tumour", None, None): {"T1c": names[0], "brain_mask": names[1], "truth": names[2]},
    }


def test_what_programs_made_beside_a_scan_is_no_scan(tmp_path: Path) -> None:
    made = ["y_T1.nii", "c1T1.nii", "c2T1.nii", "T1_vae_anomalymap.nii.gz", "T1_vae_mask.nii.gz", "aseg.mgz", "T1_pve_0.nii.gz"]
    root = grow(tmp_path, [f"p1/{name}" for name in ["T1.nii", "T1_lesion_mask.nii.gz", *made]])
    result = found(root, "plain")
    assert {key: {role: name for role, name in files.items() if role != "extra"} for key, files in result.items()} == {
        ("p1", None, None): {"T1": "p1/T1.nii", "truth": "p1/T1_lesion_mask.nii.gz"}
    }


def test_every_layout_has_a_tree() -> None:
    assert {one.id for one in LAYOUTS} == {*TREES, "csv"}


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    root = grow(tmp_path, ["a/IXI012-HH-1211-T1.nii.gz", "b/IXI012-HH-1211-T1.nii"])
    with pytest.raises(InputError, match=r"two files claim to be it: a.IXI012-HH-1211-T1\.nii\.gz and b.IXI012-HH-1211-T1\.nii"):
        layout("ixi").subjects(root)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no nothing"):
        find_layout(tmp_path / "nothing")
    with pytest.raises(InputError, match="no scan was found"):
        find_layout(tmp_path)
    with pytest.raises(InputError, match="no layout 'brat'"):
        layout("brat")
    with pytest.raises(InputError, match="holds no subject of the layout IXI"):
        layout("ixi").subjects(grow(tmp_path, ["a/FLAIR.nii.gz"]))


def test_files_a_layout_does_not_know_are_told(tmp_path: Path) -> None:
    root = grow(tmp_path, ["IXI012-HH-1211-T1.nii.gz", "other/FLAIR.nii.gz"])
    assert unused_files(find_layout(root).subjects(root), root) == (root / "other/FLAIR.nii.gz",)


def _csv(folder: Path, text: str) -> Path:
    grow(folder, ["x/a.nii.gz", "x/b.nii.gz", "x/m.nii.gz"])
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_a_csv_file(tmp_path: Path) -> None:
    path = _csv(tmp_path, "id,FLAIR,T1,brain_mask,session,split\np1,x/a.nii.gz,,x/m.nii.gz,1,train\np1,,x/b.nii.gz,,2,test\n")
    assert find_layout(path).id == "csv"
    first, second = layout("csv").subjects(path)
    assert (first.id, first.session, first.split, dict(first.sequences)) == ("p1", "1", "train", {"FLAIR": tmp_path / "x/a.nii.gz"})
    assert first.brain_mask == tmp_path / "x/m.nii.gz"
    assert (second.session, second.split, dict(second.sequences)) == ("2", "test", {"T1": tmp_path / "x/b.nii.gz"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,flair\np1,x/a.nii.gz\n", "unknown column 'flair'"),
        ("", "it is empty"),
        ("id;FLAIR\np1;x/a.nii.gz\n", "separated by semicolons"),
        ("id\tFLAIR\np1\tx/a.nii.gz\n", "separated by tabs"),
        ("name,FLAIR\np1,x/a.nii.gz\n", "unknown column 'name'"),
        ("FLAIR\nx/a.nii.gz\n", "lack 'id'"),
        ("id,FLAIR,FLAIR\np1,x/a.nii.gz,x/b.nii.gz\n", "there twice"),
        ("id,FLAIR\np1,x/c.nii.gz\n", "line 2: there is no file c.nii.gz"),
        ("id,FLAIR\np1,\n", "line 2: it names no subject, or no scan"),
        ("id,FLAIR\n,x/a.nii.gz\n", "no subject"),
        ("id,FLAIR\np1,x/a.nii.gz\np1,x/b.nii.gz\n", "line 3: subject p1 is there already"),
        ("id,FLAIR\np1,x/a.nii.gz,x/b.nii.gz\n", "more cells than the header"),
        ("id,FLAIR\n", "holds no subject"),
    ],
)
def test_faults_of_a_csv_file(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        layout("csv").subjects(_csv(tmp_path, text))


def test_the_command_prints_counts_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = grow(tmp_path, TREES["mslub"][0])
    assert main(["datasets", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "MSLUB (mslub): 3 subjects, 5 sessions" in printed
    assert "Brain masks: 4; truths: 2" in printed
    assert "Not part of this layout: 1 image file, like longitudinal/coregistered/patient02/gt.nii.gz" in printed.replace("\\", "/")
    assert main(["datasets", str(root), "--json"]) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [subject["id"] for subject in record["subjects"]] == [
        "cross_sectional/patient02",
        "longitudinal/patient02",
        "longitudinal/patient02",
        "patient01",
        "patient01",
    ]
    assert main(["datasets", str(root), "--layout", "nothing"]) == 2
    assert "no layout 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "layout_id", "subjects", "counts"),
    [
        ("mslub", "mslub", ["patient07", "patient19"], {"FLAIR": 2, "T1": 2, "T2": 2, "T1c": 2, "truth": 2}),
        ("brats2013", "plain", ["pat0001", "pat0002", "pat0005", "pat0006"], {"FLAIR": 4, "T1c": 4, "truth": 4, "brain_mask": 4}),
        ("raw/mslub_longitudinal", "mslub", ["patient01", "patient04", "patient12"], {"FLAIR": 3, "T1": 3, "T2": 3}),
        ("raw/TCGA-FG-6692", "plain", ["TCGA-FG-6692"], {"FLAIR": 1, "T1": 1, "T2": 1, "T1c": 1, "brain_mask": 1, **_OWN_BRAINS}),
        ("healthy", "plain", ["chris"], {"T1": 1}),
    ],
)
def test_the_scans_with_known_figures(folder: str, layout_id: str, subjects: list[str], counts: dict[str, int], shared_data: Path) -> None:
    root = shared_data / folder
    assert find_layout(root).id == layout_id
    result = found(root, layout_id)
    assert [key[0] for key in result] == subjects
    roles = [role for one in result.values() for role in one]
    assert {role: roles.count(role) for role in roles} == counts


def test_the_slices_of_br35h(shared_data: Path) -> None:
    splits = [subject.split for subject in find_layout(shared_data / "br35h").subjects(shared_data / "br35h")]
    assert {split: splits.count(split) for split in splits} == {"no tumour": 1500, "tumour": 215}
