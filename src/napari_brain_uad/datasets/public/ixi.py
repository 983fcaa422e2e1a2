"""IXI: nearly 600 healthy subjects from three London hospitals (brain-development.org/ixi-dataset, CC BY-SA 3.0).

``IXI-T1/IXI012-HH-1211-T1.nii.gz``: number, hospital (Guys, HH, IOP), and the person's number there, and the sequence; one
archive a sequence, with no masks and no official split.
"""

from __future__ import annotations

from ..layout import PatternLayout

IXI = PatternLayout(
    id="ixi",
    name="IXI",
    patterns=(r"(?P<id>IXI\d{3}-(?P<site>Guys|HH|IOP)-\d{4})-(?P<kind>T1|T2|PD)\.nii(?:\.gz)?",),
    kinds={"t1": "T1", "t2": "T2", "pd": "PD"},
    note="healthy subjects; the numbers IXI000 to IXI662 have gaps",
)
