"""MSSEG 2016: multiple sclerosis (Commowick et al., NeuroImage 2021, doi:10.1016/j.neuroimage.2021.118589; shanoir.irisa.fr).

``Training/Center_01/Patient_01/Preprocessed_Data/{FLAIR,T1,GADO,T2,DP}_preprocessed.nii.gz`` (brain extracted, on the FLAIR's grid),
``Raw_Data/FLAIR.nii.gz`` ..., ``Masks/{Brain_Mask,Consensus,ManualSegmentation_1,..,7}.nii.gz``. 15 patients of three centres for
training, 38 of four for testing. The challenge's first release has a folder ``01016SACH`` a patient, whose first two digits are the
centre, with ``FLAIR_preprocessed.nii.gz``, ``3DFLAIR.nii.gz`` and the masks. Both as public code reads them.
``Patient_01`` of a centre is one person in the training set and another in the test set.
"""

from __future__ import annotations

from ..layout import BRAIN_MASK, FURTHER, TRUTH, PatternLayout

_CENTRE = r"(?P<id>(?P<split>Training|Testing)/(?P<site>Center_\d+)/Patient_\d+)"
_FIRST = r"(?P<id>(?P<site>\d{2})\d{3}[A-Z]{4})"
_SEQUENCE, _END = r"(?P<kind>FLAIR|T1GADO|T1|GADO|T2|DP)", r"\.nii(?:\.gz)?"
_MASK = r"(?P<kind>Brain_Mask|Mask_registered|Consensus|ManualSegmentation_\d)"

MSSEG2016 = PatternLayout(
    id="msseg2016",
    name="MSSEG 2016",
    patterns=(
        rf"{_CENTRE}/Preprocessed_Data/{_SEQUENCE}_preprocessed{_END}",
        rf"{_FIRST}/{_SEQUENCE}_preprocessed{_END}",
        rf"{_CENTRE}/Masks/{_MASK}{_END}",
        rf"{_FIRST}/{_MASK}{_END}",
        rf"{_CENTRE}/Raw_Data/(?:3D)?{_SEQUENCE}{_END}",
        rf"{_FIRST}/3D{_SEQUENCE}{_END}",
        rf"{_FIRST}/(?P<kind>T2|DP){_END}",
    ),
    kinds={
        "flair": "FLAIR",
        "t1": "T1",
        "gado": "T1c",
        "t1gado": "T1c",
        "t2": "T2",
        "dp": "PD",
        "brain_mask": BRAIN_MASK,
        "mask_registered": BRAIN_MASK,
        "consensus": TRUTH,
        **{f"manualsegmentation_{number}": FURTHER for number in range(1, 8)},
    },
    splits={"training": "train", "testing": "test"},
    ranked=True,
    note="the truth is the consensus of seven raters; raw images are used where the preprocessed ones are not there",
)
