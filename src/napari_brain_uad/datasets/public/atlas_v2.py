"""ATLAS v2.0: stroke lesions on T1 (Liew et al., Scientific Data 2022, doi:10.1038/s41597-022-01401-7).

``Training/R001/sub-r001s001/ses-1/anat/sub-r001s001_ses-1_space-MNI152NLin2009aSym_T1w.nii.gz`` and
``..._label-L_desc-T1lesion_mask.nii.gz``: whole heads on the MNI grid. Official split: 655 training, 300 test without masks.
"""

from __future__ import annotations

from ..layout import TRUTH, PatternLayout

_STEM = r"(?P<id>sub-r\d+s\d+)_ses-(?P<session>\d+)_space-[A-Za-z0-9]+"

ATLAS_V2 = PatternLayout(
    id="atlas-v2",
    name="ATLAS v2.0",
    patterns=(rf"(?P<split>Training|Testing)/(?:R\d+/)?(?:[^/]+/)*{_STEM}_(?P<kind>T1w|label-L_desc-T1lesion_mask)\.nii\.gz",),
    kinds={"t1w": "T1", "label-l_desc-t1lesion_mask": TRUTH},
    splits={"training": "train", "testing": "test"},
    note="whole heads, intensities normalised, on the MNI grid",
)
