"""File names as public data sets have them, and what has to come out of each: (id, session, split) to roles and files."""

from __future__ import annotations

Tree = tuple[list[str], dict[tuple[str, str | None, str | None], dict[str, str]]]

_SISS = "SISS2015_Training/1"
_SPES = "SPES2015_Training/1"
_ISLES = "sub-strokecase0001"
_CENTRE = "Training/Center_01/Patient_01"
_OLD_ATLAS = "Site3/031806/t01/031806"
_NATIVE = "native_part2/c0011/c0011s0006t01/c0011s0006t01"
_CAMCAN = "cc700/mri/pipeline/release004/BIDS_20190411/anat"
_ADNI = "ADNI/002_S_0295"
_N3 = "MPR__GradWarp__B1_Correction__N3__Scaled"


def _vsd(folder: str, kind: str, number: int) -> str:
    name = f"VSD.Brain.XX.O.{kind}.{number}"
    return f"{folder}/{name}/{name}.nii"


PUBLIC_TREES: dict[str, Tree] = {
    "isles2015": (
        [
            *(_vsd(_SISS, kind, 70613 + number) for number, kind in enumerate(("MR_DWI", "MR_Flair", "MR_T1", "MR_T2", "OT"))),
            *(_vsd("SISS2015_Testing/1", kind, 70313 + number) for number, kind in enumerate(("MR_DWI", "MR_Flair"))),
            *(_vsd(_SPES, kind, 61217 + number) for number, kind in enumerate(("MR_DWI", "MR_T1c", "MR_Tmax", "OT"))),
        ],
        {
            ("SISS2015_Training/1", "SISS", "train"): {
                "FLAIR": _vsd(_SISS, "MR_Flair", 70614),
                "T1": _vsd(_SISS, "MR_T1", 70615),
                "T2": _vsd(_SISS, "MR_T2", 70616),
                "truth": _vsd(_SISS, "OT", 70617),
                "extra": _vsd(_SISS, "MR_DWI", 70613),
            },
            ("SISS2015_Testing/1", "SISS", "test"): {
                "FLAIR": _vsd("SISS2015_Testing/1", "MR_Flair", 70314),
                "extra": _vsd("SISS2015_Testing/1", "MR_DWI", 70313),
            },
            ("SPES2015_Training/1", "SPES", "train"): {
                "T1c": _vsd(_SPES, "MR_T1c", 61218),
                "truth": _vsd(_SPES, "OT", 61220),
                "extra": f"{_vsd(_SPES, 'MR_DWI', 61217)}, {_vsd(_SPES, 'MR_Tmax', 61219)}",
            },
        },
    ),
    "isles2022": (
        [
            "dataset_description.json",
            f"{_ISLES}/ses-0001/anat/{_ISLES}_ses-0001_FLAIR.nii.gz",
            f"{_ISLES}/ses-0001/dwi/{_ISLES}_ses-0001_dwi.nii.gz",
            f"{_ISLES}/ses-0001/dwi/{_ISLES}_ses-0001_adc.nii.gz",
            f"derivatives/{_ISLES}/ses-0001/{_ISLES}_ses-0001_msk.nii.gz",
            "rawdata/sub-strokecase0009/ses-0001/sub-strokecase0009_ses-0001_flair.nii.gz",
        ],
        {
            (_ISLES, "0001", None): {
                "FLAIR": f"{_ISLES}/ses-0001/anat/{_ISLES}_ses-0001_FLAIR.nii.gz",
                "truth": f"derivatives/{_ISLES}/ses-0001/{_ISLES}_ses-0001_msk.nii.gz",
                "extra": f"{_ISLES}/ses-0001/dwi/{_ISLES}_ses-0001_adc.nii.gz, {_ISLES}/ses-0001/dwi/{_ISLES}_ses-0001_dwi.nii.gz",
            },
            ("sub-strokecase0009", "0001", None): {"FLAIR": "rawdata/sub-strokecase0009/ses-0001/sub-strokecase0009_ses-0001_flair.nii.gz"},
        },
    ),
    "msseg2016": (
        [
            *(f"{_CENTRE}/Preprocessed_Data/{kind}_preprocessed.nii.gz" for kind in ("FLAIR", "T1", "GADO", "T2", "DP")),
            f"{_CENTRE}/Raw_Data/FLAIR.nii.gz",
            *(f"{_CENTRE}/Masks/{kind}.nii.gz" for kind in ("Brain_Mask", "Consensus", "ManualSegmentation_1", "ManualSegmentation_7")),
            "Testing/Center_01/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz",
            "Testing/Center_01/Patient_01/Masks/Consensus.nii.gz",
            "first release/08002CHJE/3DFLAIR.nii",
            "first release/08002CHJE/Consensus.nii",
        ],
        {
            ("Training/Center_01/Patient_01", None, "train"): {
                **{
                    sequence: f"{_CENTRE}/Preprocessed_Data/{kind}_preprocessed.nii.gz"
                    for sequence, kind in (("FLAIR", "FLAIR"), ("T1", "T1"), ("T1c", "GADO"), ("T2", "T2"), ("PD", "DP"))
                },
                "brain_mask": f"{_CENTRE}/Masks/Brain_Mask.nii.gz",
                "truth": f"{_CENTRE}/Masks/Consensus.nii.gz",
                "extra": f"{_CENTRE}/Masks/ManualSegmentation_1.nii.gz, {_CENTRE}/Masks/ManualSegmentation_7.nii.gz, "
                f"{_CENTRE}/Raw_Data/FLAIR.nii.gz",
            },
            ("Testing/Center_01/Patient_01", None, "test"): {
                "FLAIR": "Testing/Center_01/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz",
                "truth": "Testing/Center_01/Patient_01/Masks/Consensus.nii.gz",
            },
            ("08002CHJE", None, None): {"FLAIR": "first release/08002CHJE/3DFLAIR.nii", "truth": "first release/08002CHJE/Consensus.nii"},
        },
    ),
    "atlas-v1": (
        [
            *(f"{_OLD_ATLAS}_{kind}_stx.nii.gz" for kind in ("t1w_deface", "LesionSmooth", "LesionSmooth_1")),
            "Site3/031806/t02/031806_t1w_deface_stx.nii.gz",
            f"{_NATIVE}.nii.gz",
            f"{_NATIVE}_LesionSmooth_Binary.nii.gz",
        ],
        {
            ("031806", "t01", None): {
                "T1": f"{_OLD_ATLAS}_t1w_deface_stx.nii.gz",
                "truth": f"{_OLD_ATLAS}_LesionSmooth_stx.nii.gz",
                "extra": f"{_OLD_ATLAS}_LesionSmooth_1_stx.nii.gz",
            },
            ("031806", "t02", None): {"T1": "Site3/031806/t02/031806_t1w_deface_stx.nii.gz"},
            ("c0011s0006", "t01", None): {"T1": f"{_NATIVE}.nii.gz", "truth": f"{_NATIVE}_LesionSmooth_Binary.nii.gz"},
        },
    ),
    "camcan": (
        [
            f"{_CAMCAN}/sub-CC110033/anat/sub-CC110033_T1w.nii.gz",
            f"{_CAMCAN}/sub-CC110033/anat/sub-CC110033_T1w.json",
            f"{_CAMCAN}/sub-CC110033/anat/sub-CC110033_T2w.nii.gz",
            f"{_CAMCAN}/sub-CC110033/anat/sub-CC110033_T1w_registered_stripped.nii.gz",
        ],
        {
            ("sub-CC110033", None, None): {
                "T1": f"{_CAMCAN}/sub-CC110033/anat/sub-CC110033_T1w.nii.gz",
                "T2": f"{_CAMCAN}/sub-CC110033/anat/sub-CC110033_T2w.nii.gz",
            }
        },
    ),
    "hcp": (
        [
            *(f"HCP_1200/100307/T1w/{kind}_acpc_dc_restore.nii.gz" for kind in ("T1w", "T2w")),
            *(f"HCP_1200/100307/T1w/{kind}_acpc_dc_restore_brain.nii.gz" for kind in ("T1w", "T2w")),
            "HCP_1200/100307/T1w/brainmask_fs.nii.gz",
            "HCP_1200/100307/T1w/aparc+aseg.nii.gz",
            "HCP_1200/100307/MNINonLinear/T1w_restore.nii.gz",
            "HCP_1200/100307/unprocessed/3T/T1w_MPR1/100307_3T_T1w_MPR1.nii.gz",
            "HCP_1200/100408/T1w/T1w_acpc_dc_restore_brain.nii.gz",
        ],
        {
            ("100307", None, None): {
                "T1": "HCP_1200/100307/T1w/T1w_acpc_dc_restore.nii.gz",
                "T2": "HCP_1200/100307/T1w/T2w_acpc_dc_restore.nii.gz",
                "brain_mask": "HCP_1200/100307/T1w/brainmask_fs.nii.gz",
                "extra": "HCP_1200/100307/T1w/T1w_acpc_dc_restore_brain.nii.gz, HCP_1200/100307/T1w/T2w_acpc_dc_restore_brain.nii.gz",
            },
            ("100408", None, None): {"T1": "HCP_1200/100408/T1w/T1w_acpc_dc_restore_brain.nii.gz"},
        },
    ),
    "oasis3": (
        [
            "OAS30001_MR_d0129/anat2/NIFTI/sub-OAS30001_ses-d0129_run-01_T1w.nii.gz",
            "OAS30001_MR_d0129/anat3/NIFTI/sub-OAS30001_ses-d0129_run-02_T1w.nii.gz",
            "OAS30001_MR_d0129/anat1/sub-OAS30001_sess-d0129_acq-TSE_T2w.nii.gz",
            "OAS30001_MR_d0129/anat4/sub-OAS30001_ses-d0129_T2w.nii.gz",
            "OAS30001_MR_d0129/swi1/sub-OAS30001_ses-d0129_swi.nii.gz",
            "OAS30001_MR_d3132/anat1/sub-OAS30001_ses-d3132_FLAIR.nii.gz",
            "sub-OAS30246/ses-d0746/anat/sub-OAS30246_ses-d0746_T1w.nii.gz",
        ],
        {
            ("OAS30001", "d0129", None): {
                "T1": "OAS30001_MR_d0129/anat2/NIFTI/sub-OAS30001_ses-d0129_run-01_T1w.nii.gz",
                "T2": "OAS30001_MR_d0129/anat4/sub-OAS30001_ses-d0129_T2w.nii.gz",
                "extra": "OAS30001_MR_d0129/anat1/sub-OAS30001_sess-d0129_acq-TSE_T2w.nii.gz, "
                "OAS30001_MR_d0129/anat3/NIFTI/sub-OAS30001_ses-d0129_run-02_T1w.nii.gz",
            },
            ("OAS30001", "d3132", None): {"FLAIR": "OAS30001_MR_d3132/anat1/sub-OAS30001_ses-d3132_FLAIR.nii.gz"},
            ("OAS30246", "d0746", None): {"T1": "sub-OAS30246/ses-d0746/anat/sub-OAS30246_ses-d0746_T1w.nii.gz"},
        },
    ),
    "adni": (
        [
            f"{_ADNI}/MP-RAGE/2006-04-18_08_20_30.0/I13721/ADNI_002_S_0295_MR_MP-RAGE__br_raw_20060418192318085_1_S13408_I13721.nii",
            f"{_ADNI}/{_N3}/2006-04-18_08_20_30.0/S13408/I45108/ADNI_002_S_0295_MR_{_N3}_Br_20070319113623975_S13408_I45108.nii",
            f"{_ADNI}/{_N3}/2006-11-02_08_16_44.0/I40966/ADNI_002_S_0295_MR_{_N3}_Br_I40966.nii",
            f"{_ADNI}/MPR__GradWarp__N3__Scaled_Mask/2006-11-02_08_16_44.0/I40970/ADNI_002_S_0295_MR_mask_I40970.nii",
            f"{_ADNI}/Axial_T2_Star/2006-11-02_08_16_44.0/I40967/ADNI_002_S_0295_MR_Axial_T2_Star_I40967.nii",
            f"{_ADNI}/Axial_T2-FLAIR/2011-06-02_07_56_36.0/I238620/ADNI_002_S_0295_MR_Axial_T2-FLAIR_Br_I238620.nii",
            f"{_ADNI}/Axial_T2-FLAIR/2011-06-02_07_56_36.0/I238620/ADNI_002_S_0295_MR_Axial_T2-FLAIR_Br_1.dcm",
        ],
        {
            ("002_S_0295", "2006-04-18", None): {
                "T1": f"{_ADNI}/{_N3}/2006-04-18_08_20_30.0/S13408/I45108/ADNI_002_S_0295_MR_{_N3}_Br_20070319113623975_S13408_I45108.nii",
                "extra": f"{_ADNI}/MP-RAGE/2006-04-18_08_20_30.0/I13721/"
                "ADNI_002_S_0295_MR_MP-RAGE__br_raw_20060418192318085_1_S13408_I13721.nii",
            },
            ("002_S_0295", "2006-11-02", None): {
                "T1": f"{_ADNI}/{_N3}/2006-11-02_08_16_44.0/I40966/ADNI_002_S_0295_MR_{_N3}_Br_I40966.nii"
            },
            ("002_S_0295", "2011-06-02", None): {
                "FLAIR": f"{_ADNI}/Axial_T2-FLAIR/2011-06-02_07_56_36.0/I238620/ADNI_002_S_0295_MR_Axial_T2-FLAIR_Br_I238620.nii"
            },
        },
    ),
    "nfbs": (
        [f"NFBS_Dataset/A00028185/sub-A00028185_ses-NFB3_T1w{kind}.nii.gz" for kind in ("", "_brain", "_brainmask")],
        {
            ("A00028185", None, None): {
                "T1": "NFBS_Dataset/A00028185/sub-A00028185_ses-NFB3_T1w.nii.gz",
                "brain_mask": "NFBS_Dataset/A00028185/sub-A00028185_ses-NFB3_T1w_brainmask.nii.gz",
                "extra": "NFBS_Dataset/A00028185/sub-A00028185_ses-NFB3_T1w_brain.nii.gz",
            }
        },
    ),
}
