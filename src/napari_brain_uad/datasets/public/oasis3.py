"""OASIS-3: ageing and dementia (LaMontagne et al. 2019, doi:10.1101/2019.12.13.19014902; sites.wustl.edu/oasisbrains).

As the download scripts (github.com/NrgXnat/oasis-scripts) lay it out: ``OAS30001_MR_d0129/anat2/sub-OAS30001_ses-d0129_run-01_T1w.nii.gz``
(older files: ``sess-``; from the web page with ``NIFTI`` between), or as BIDS ``sub-OAS30001/ses-d0129/anat/sub-OAS30001_...``. The visit
is counted in days from the first one. Of several runs the first is used, and a T2 of the whole head before ``acq-TSE``, a slab.
"""

from __future__ import annotations

from ..layout import PatternLayout

_WHERE = (
    r"(?P<id>OAS3\d{4})_MR_(?P<session>d\d{4})/(?:[^/]+/){1,3}",
    r"sub-(?P<id>OAS3\d{4})/sess?-(?P<session>d\d{4})/anat/",
)
_NAMES = (r"(?:_run-\d+)?", r"(?:_(?:acq|rec|run)-[A-Za-z0-9]+)*")

OASIS3 = PatternLayout(
    id="oasis3",
    name="OASIS-3",
    patterns=tuple(
        rf"{where}sub-(?P=id)(?:_sess?-(?P=session))?{name}_(?P<kind>T1w|T2w|FLAIR)\.nii(?:\.gz)?" for name in _NAMES for where in _WHERE
    ),
    kinds={"t1w": "T1", "t2w": "T2", "flair": "FLAIR"},
    ranked=True,
    note="whole heads of healthy and demented people: who is which stands in the study's tables, not in the names",
)
