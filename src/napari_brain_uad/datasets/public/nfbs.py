"""NFBS: T1s with brain masks drawn by hand (Puccio et al., GigaScience 2016, doi:10.1186/s13742-016-0150-5).

``NFBS_Dataset/A00028185/sub-A00028185_ses-NFB3_T1w.nii.gz`` (defaced), ``.._T1w_brainmask.nii.gz`` and ``.._T1w_brain.nii.gz``: 125 people
of 21 to 45, one visit (github.com/preprocessed-connectomes-project/NFB_skullstripped).
"""

from __future__ import annotations

from ..layout import BRAIN_MASK, PatternLayout

_STEM = r"sub-(?P<id>A\d{8})_ses-NFB3"

NFBS = PatternLayout(
    id="nfbs",
    name="NFBS",
    patterns=(
        rf"{_STEM}_(?P<kind>T1w)\.nii(?:\.gz)?",
        rf"{_STEM}_(?P<kind>T1w)_brain\.nii(?:\.gz)?",
        rf"{_STEM}_T1w_(?P<kind>brainmask)\.nii(?:\.gz)?",
    ),
    kinds={"t1w": "T1", "brainmask": BRAIN_MASK},
    ranked=True,
    note="1 mm, defaced; some people have psychiatric symptoms, none is known to have a lesion",
)
