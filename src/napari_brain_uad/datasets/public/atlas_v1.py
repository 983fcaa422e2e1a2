"""ATLAS R1.1 and R1.2: strokes on T1 (Liew et al., Scientific Data 2018, doi:10.1038/sdata.2018.11).

On the MNI grid: ``Site1/031768/t01/031768_t1w_deface_stx.nii.gz``, ``031768_LesionSmooth_stx.nii.gz``, and ``.._LesionSmooth_1_stx`` of a
second lesion. Native: ``native_part2/c0011/c0011s0006t01/c0011s0006t01.nii.gz`` with ``.._LesionSmooth.nii.gz`` or
``.._LesionSmooth_Binary.nii.gz``; cohort, subject and visit. No official split. Both as public code reads them.
"""

from __future__ import annotations

from ..layout import FURTHER, TRUTH, PatternLayout

_MNI = r"(?P<site>Site\d+)/(?P<id>\d{6})/(?P<session>t\d+)/(?P=id)"
_NATIVE = r"(?P<site>c\d{4})/(?P<id>c\d{4}s\d{4})(?P<session>t\d{2})/(?P=id)(?P=session)"

ATLAS_V1 = PatternLayout(
    id="atlas-v1",
    name="ATLAS R1.1 / R1.2",
    patterns=(
        rf"{_MNI}_(?P<kind>t1w)(?:_deface)?_stx\.nii(?:\.gz)?",
        rf"{_MNI}_(?P<kind>LesionSmooth)_stx\.nii(?:\.gz)?",
        rf"{_MNI}_LesionSmooth(?P<kind>_)\d_stx\.nii(?:\.gz)?",
        rf"{_NATIVE}(?P<kind>|_t1w)\.nii(?:\.gz)?",
        rf"{_NATIVE}_(?P<kind>LesionSmooth)(?:_Binary)?\.nii(?:\.gz)?",
        rf"{_NATIVE}_LesionSmooth(?P<kind>_)\d(?:_Binary)?\.nii(?:\.gz)?",
    ),
    kinds={"t1w": "T1", "": "T1", "_t1w": "T1", "lesionsmooth": TRUTH, "_": FURTHER},
    ranked=True,
    note="whole heads; each lesion of a person has a mask of its own, and the truth is the first lesion alone: join the masks before an "
    "evaluation where there are others (`extra` names them). The names of the native release were seen in code only",
)
