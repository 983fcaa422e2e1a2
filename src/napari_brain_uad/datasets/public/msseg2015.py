"""Longitudinal MS lesion challenge, ISBI 2015 (Carass et al., NeuroImage 2017, doi:10.1016/j.neuroimage.2016.12.064).

``training01/preprocessed/training01_02_{flair,mprage,pd,t2}_pp.nii``, patient and visit, skull-stripped and on the MNI grid of
the patient's first visit; ``training01/masks/training01_02_mask1.nii`` of rater 1, ``mask2`` of rater 2. Official split: 5 patients
for training, 14 (``test01``, without masks) for testing.
"""

from __future__ import annotations

from ..layout import TRUTH, PatternLayout

_WHO = r"(?P<id>(?P<split>training|test)\d+)"

MSSEG2015 = PatternLayout(
    id="msseg2015",
    name="MSSEG 2015 (ISBI longitudinal MS lesions)",
    patterns=(
        rf"{_WHO}_(?P<session>\d+)_(?P<kind>flair|mprage|pd|t2)_pp\.nii(?:\.gz)?",
        rf"{_WHO}_(?P<session>\d+)_(?P<kind>mask1)\.nii(?:\.gz)?",
    ),
    kinds={"flair": "FLAIR", "mprage": "T1", "pd": "PD", "t2": "T2", "mask1": TRUTH},
    splits={"training": "train"},
    note="the truth is rater 1's; rater 2's mask2 lies beside it",
)
