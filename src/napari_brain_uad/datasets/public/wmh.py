"""WMH challenge 2017: white matter hyperintensities (Kuijf et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2905770; wmh.isi.uu.nl).

``training/Amsterdam/GE3T/100/{orig,pre}/{FLAIR,T1}.nii.gz`` and ``wmh.nii.gz``; sites Utrecht, Singapore and Amsterdam (scanners
GE3T, GE1T5, Philips). ``pre`` is bias-corrected; T1 there lies on the FLAIR's grid, as in ``orig`` (which has the 3-D T1 as well).
Official split: 60 training, 110 test.
"""

from __future__ import annotations

from ..layout import TRUTH, PatternLayout

_WHERE = r"(?P<split>training|test)/(?P<id>(?P<site>Utrecht|Singapore|Amsterdam/[^/]+)/\d+)"

WMH = PatternLayout(
    id="wmh",
    name="WMH 2017",
    patterns=(rf"{_WHERE}/pre/(?P<kind>FLAIR|T1)\.nii\.gz", rf"{_WHERE}/(?P<kind>wmh)\.nii\.gz"),
    kinds={"flair": "FLAIR", "t1": "T1", "wmh": TRUTH},
    splits={"training": "train"},
    note="in the truth 1 is WMH and 2 other pathology, which the challenge does not judge: both count as anomalies here",
)
