"""ADNI: ageing and Alzheimer's disease (Jack et al., JMRI 2008, doi:10.1002/jmri.21049; adni.loni.usc.edu).

The archive's chain of folders, subject, description, date and image: ``ADNI/002_S_0295/MPR__GradWarp__B1_Correction__N3__Scaled/
2006-04-18_08_20_30.0/I45108/ADNI_002_S_0295_MR_MPR__..._I45108.nii`` (some have a folder ``S13408``, too), as public code reads it. The
first three digits of a subject are the site, the date is the visit. The description tells the sequence.
"""

from __future__ import annotations

from ..layout import PatternLayout

_WHO, _NO_IMAGE = r"(?P<id>(?P<site>\d{3})_S_\d{4,5})", r"(?![^/]*(?:mask|segment|jacobian|maps?_|T2_?\*|T2_?Star))"
_REST = r"/(?P<session>\d{4}-\d{2}-\d{2})_[0-9_.]+/(?:[SI]\d+/)+[^/]*\.nii(?:\.gz)?"
_T1 = r"(?P<kind>MPRAGE|MP-RAGE|MPR|MT1|IR-FSPGR|IR-SPGR|FSPGR)"

ADNI = PatternLayout(
    id="adni",
    name="ADNI",
    patterns=(
        rf"{_WHO}/{_NO_IMAGE}[^/]*(?P<kind>FLAIR)[^/]*{_REST}",
        rf"{_WHO}/{_NO_IMAGE}{_T1}(?=[^/]*__)(?=[^/]*N3)[^/]*{_REST}",
        rf"{_WHO}/{_NO_IMAGE}[^/]*?{_T1}[^/]*{_REST}",
    ),
    kinds={"flair": "FLAIR", **dict.fromkeys(("mprage", "mp-rage", "mpr", "mt1", "ir-fspgr", "ir-spgr", "fspgr"), "T1")},
    ranked=True,
    note="whole heads of healthy and demented people: who is which stands in the study's tables, not in the names. Of the T1s of a day the "
    "most corrected one (N3) is used. Dual PD/T2 and T2* are left out; DICOM series have to be converted to NIfTI",
)
