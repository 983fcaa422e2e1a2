"""The strokes of ISLES.

ISLES 2015: ischaemic strokes (Maier et al., Medical Image Analysis 2017, doi:10.1016/j.media.2016.07.009; isles-challenge.org).

``SISS2015_Training/1/VSD.Brain.XX.O.MR_Flair.70614/VSD.Brain.XX.O.MR_Flair.70614.nii`` and so for DWI, T1 and T2 (subacute strokes: 28
for training, 36 for testing, which have no public truth), ``SPES2015_Training/1/..`` with T1c, T2, DWI and perfusion maps (acute strokes:
30 and 20). The truth is ``VSD.Brain.XX.O.OT.70617``. The names are as public code reads them (the tree of SISS2015_Training in readme
files; github.com/Rhydrus/Stroke-Seminario, AzmHmd/ISLES); those of BraTS 2013 differ by the DWI alone.

ISLES 2022: strokes (Hernandez Petzsche et al., Scientific Data 2022, doi:10.1038/s41597-022-01875-5; zenodo.org/records/7960856).

``ISLES-2022/sub-strokecase0001/ses-0001/anat/sub-strokecase0001_ses-0001_FLAIR.nii.gz``, DWI and ADC in ``dwi``, and the truth
``derivatives/sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_msk.nii.gz`` (250 cases; the test set is secret). The challenge's
first release has ``rawdata/sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_flair.nii.gz`` (github.com/ezequieldlrosa/isles22).
"""

from __future__ import annotations

from ..layout import FURTHER, TRUTH, PatternLayout

# Each task and each set has a patient 1, who is another one.
_TASK = r"(?P<part>(?P<space>SISS|SPES)(?:2015)?_(?P<split>Training|Testing))/"
_KIND = r"(?P<kind>MR_Flair|MR_T1c|MR_T1|MR_T2|MR_DWI|MR_CBF|MR_CBV|MR_TTP|MR_Tmax|OT)"
_FILE = rf"(?P<id>(?!VSD\.)[^/]+)/(?:VSD\.Brain[^/]*/)?VSD\.Brain(?:_\dmore)?\.XX\.(?:XX|O)\.{_KIND}(?:\.\d+)?\.nii(?:\.gz)?"

ISLES2015 = PatternLayout(
    id="isles2015",
    name="ISLES 2015 (SISS, SPES)",
    patterns=(_TASK + _FILE, _FILE),
    kinds={
        "mr_flair": "FLAIR",
        "mr_t1": "T1",
        "mr_t1c": "T1c",
        "mr_t2": "T2",
        "mr_dwi": FURTHER,
        **{f"mr_{one}": FURTHER for one in ("cbf", "cbv", "ttp", "tmax")},
        "ot": TRUTH,
    },
    splits={"training": "train", "testing": "test"},
    needs=("mr_dwi",),
    note="skull-stripped, on one grid; diffusion and perfusion are left out. The names of SPES's files are those of SISS by analogy: "
    "not seen in a tree",
)

_NAME = r"(?P<id>sub-strokecase\d+)/ses-(?P<session>\d+)/(?:anat/|dwi/)?(?P=id)_ses-(?P=session)_(?P<kind>FLAIR|dwi|adc|msk)\.nii(?:\.gz)?"

ISLES2022 = PatternLayout(
    id="isles2022",
    name="ISLES 2022",
    patterns=(_NAME,),
    kinds={"flair": "FLAIR", "dwi": FURTHER, "adc": FURTHER, "msk": TRUTH},
    note="skull-stripped, each sequence on its own grid; the truth lies on the DWI's: bring it to the FLAIR's before an evaluation. DWI "
    "and ADC are left out",
)
