"""Cam-CAN: healthy adults of 18 to 88 (Taylor et al., NeuroImage 2017, doi:10.1016/j.neuroimage.2015.09.018).

``cc700/mri/pipeline/release004/BIDS_20190411/anat/sub-CC110033/anat/sub-CC110033_{T1w,T2w}.nii.gz``: some 650 people, one visit, one
scanner, no masks. The path is as public code reads it.
"""

from __future__ import annotations

from ..layout import PatternLayout

CAMCAN = PatternLayout(
    id="camcan",
    name="Cam-CAN",
    patterns=(r"(?P<id>sub-CC\d{6})/(?:ses-[A-Za-z0-9]+/)?anat/(?P=id)(?:_ses-[A-Za-z0-9]+)?_(?P<kind>T1w|T2w)\.nii(?:\.gz)?",),
    kinds={"t1w": "T1", "t2w": "T2"},
    note="healthy adults, whole heads; T1 and T2 lie on grids of their own",
)
