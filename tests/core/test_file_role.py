"""What files are by their names: a table made from public data sets' and programs' ways of naming, and from what people do."""

from __future__ import annotations

import pytest

from napari_brain_uad.core.file_role import file_role, file_roles

NAMES: dict[str, list[str]] = {
    "scan": [
        "sub-12_ses-1_FLAIR",
        "sub-12_desc-preproc_T1w",
        "sub-lesion07_T1w",
        "sub-tumor03_ses-pre_T1w",
        "IXI012-HH-1211-T2",
        "BraTS2021_00495_t1ce",
        "UCSF-PDGM-0004_T1c_bias",
        "patient07_T1WKS",
        "tumour-t2",
        "Tumor_17_FLAIR",
        "glioma_post_t1c",
        "stroke-clinic_004_flair",
        "wmh_study_11_flair",
        "WMH_challenge_Utrecht_T1",
        "LesionProject_P3_T2",
        "lesion clinic 9 flair",
        "T1_brain",
        "T1_biascorr_brain",
        "T1_brain_restore",
        "T1_Warped",
        "T1_N4Corrected",
        "defaced_T1w",
        "wmT1",
        "rFLAIR",
        "swmsub-01_T1w",
        "brain.finalsurfs",
        "whitestripe_t1",
        "segovia_009_flair",
        "case_0001",
        "gtx_33_T1",
        "sub-9_FLAIR_clinical_prepared",
    ],
    "brain mask": [
        "brainmask",
        "p3_brain_mask",
        "T1_hdbet_mask",
        "T1_hd-bet_mask",
        "sub-12_desc-brain_mask",
        "sub-12_label-brain_mask",
        "patient07_brainmask",
        "T1_bet_mask",
        "T1_synthstrip_mask",
        "BrainExtractionMask",
        "sub4_BrainExtractionMask",
        "flair_skullstrip_mask",
        "mask",
        "p3_FLAIR_mask",
        "tumour-t2_brainmask",
        "tumour-t2_mask",
        "stroke004_flair_mask",
    ],
    "truth": [
        "sub-12_lesions",
        "sub-12_label-lesion_mask",
        "sub-12_ses-1_label-tumor_dseg",
        "sub-12_space-FLAIR_label-L_mask",
        "sub-12_desc-manualLesion_mask",
        "sub-12_label-lesion_desc-rater1_roi",
        "BraTS2021_00495_seg",
        "W39_1998.09.19_Segm",
        "patient07_consensus_gt",
        "ground_truth",
        "p3-groundtruth",
        "wmh",
        "p3_FLAIR_wmh",
        "lesions_T2",
        "T2_lesions",
        "lesion_FLAIR_mask",
        "FLAIR_lesion_mask",
        "lesionmask",
        "LesionSeg",
        "tumor_mask",
        "p3_t1c_tumour",
        "tumourseg",
        "mask_lesion",
        "lesion_roi",
        "infarct_mask",
        "stroke-seg",
        "p3_edema_label",
        "gold_standard",
        "brain_lesion_mask",
        "tumour-t2_truth",
    ],
    "map": ["sub-12_FLAIR_vae_anomalymap", "x_thresh-raw_anomalymap"],
    "neither": [
        "y_T1",
        "iy_sub-01_T1w",
        "wy_T1",
        "u_rc1T1_Template",
        "c1T1",
        "c3sub-01_T1w",
        "mwc2T1",
        "rc1anat",
        "mwp1T1",
        "p2sub-01_T1w",
        "BiasField_T1",
        "T1_brain_pve_1",
        "T1_brain_pveseg",
        "T1_brain_mixeltype",
        "T1_brain_seg",
        "T1_to_MNI_warp",
        "T1_to_MNI_warpcoef",
        "T1_first_all_fast_firstseg",
        "T11Warp",
        "T1_1InverseWarp",
        "SubjectToTemplate0Warp",
        "SubjectToTemplateLogJacobian",
        "BrainSegmentationPosteriors3",
        "CorticalThickness",
        "aseg",
        "aparc+aseg",
        "wmparc",
        "lh.ribbon",
        "wm",
        "T1_synthseg",
        "sub-12_label-GM_probseg",
        "sub-12_desc-aparcaseg_dseg",
        "sub-12_label-thalamus_mask",
        "sub-12_dseg",
        "GM_mask",
        "csf_mask",
        "defacemask",
        "headmask",
        "sub-001_tissue",
        "T1_labels",
    ],
}


@pytest.mark.parametrize(("stem", "role"), [(stem, role) for role, stems in NAMES.items() for stem in stems])
def test_what_a_file_is(stem: str, role: str) -> None:
    found = file_role(stem)
    assert found.role == role
    assert bool(found.why) == (role == "neither")


@pytest.mark.parametrize(
    "stem", ["p3_FLAIR_mask", "p3_FLAIR_brain_mask", "p3_FLAIR_lesion_mask", "p3_FLAIR_seg", "p3_FLAIR_lesions", "p3_FLAIR"]
)
def test_what_is_left_of_a_name_is_the_scan_s(stem: str) -> None:
    assert file_role(stem).rest.rstrip("_") == "p3_FLAIR"


def test_the_files_of_a_run_are_known_by_the_map_beside_them() -> None:
    run = ["p3_vae_anomalymap", "p3_vae_mask", "p3_vae_brainmask", "p3_vae_truth"]
    roles = file_roles([*run, "p3", "p3_truth", "p3_vaesomething_mask"])
    assert {stem: role.role for stem, role in roles.items() if stem in run} == dict.fromkeys(run, "map")
    assert [roles[stem].role for stem in ("p3", "p3_truth", "p3_vaesomething_mask")] == ["scan", "truth", "brain mask"]
