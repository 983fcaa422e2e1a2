"""MSLUB: multiple sclerosis, Ljubljana (Lesjak et al., Neuroinformatics 2018, doi:10.1007/s12021-017-9348-7, CC BY).

30 patients: ``patientXX/patientXX_{FLAIR,T1W,T1WKS,T2W,brainmask,consensus_gt}.nii.gz`` in FLAIR space, and the original images
in ``patientXX/raw/``. The copy github.com/muschellij2/open_ms_data has ``cross_sectional/{raw,coregistered,MNI}/patientXX/``
with or without the prefix, and ``longitudinal/{raw,coregistered}/patientXX/studyN_{FLAIR,T1W,T2W}.nii.gz`` of two visits
(Lesjak et al., Neuroinformatics 2016), whose ``gt`` is the change between them: no truth of either visit, and left out.
``patient01`` of the two parts are two people.
"""

from __future__ import annotations

from ..layout import BRAIN_MASK, TRUTH, PatternLayout

_KIND = r"(?P<kind>FLAIR|T1WKS|T1POST|T1W|T1|T2W|T2|brainmask|consensus_gt|GOLD_STANDARD|lesions)"
_NAME = rf"(?:(?P=id)_)?(?:(?P<session>study\d)_)?{_KIND}(?:_N4_noneck[a-z0-9_]*|reg)?\.nii(?:\.gz)?"

MSLUB = PatternLayout(
    id="mslub",
    name="MSLUB",
    patterns=(
        rf"(?P<part>cross_sectional|longitudinal)/(?P<space>raw|coregistered|MNI)/(?P<id>patient\d+)/{_NAME}",
        rf"(?P<space>raw|coregistered|MNI)/(?P<id>patient\d+)/{_NAME}",
        rf"(?P<id>patient\d+)/(?:(?P<space>raw)/)?{_NAME}",
    ),
    kinds={
        "flair": "FLAIR",
        "t1w": "T1",
        "t1": "T1",
        "t1wks": "T1c",
        "t1post": "T1c",
        "t2w": "T2",
        "t2": "T2",
        "brainmask": BRAIN_MASK,
        "consensus_gt": TRUTH,
        "gold_standard": TRUTH,
        "lesions": TRUTH,
    },
    note="the truth is the consensus of three raters, in FLAIR space; longitudinal gt (a change between visits) is left out",
)
