"""ISLES 2022: strokes (Hernandez Petzsche et al., Scientific Data 2022, doi:10.1038/s41597-022-01875-5; zenodo.org/records/7960856).

``ISLES-2022/sub-strokecase0001/ses-0001/anat/sub-strokecase0001_ses-0001_FLAIR.nii.gz``, DWI and ADC in ``dwi``, and the truth
``derivatives/sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_msk.nii.gz`` (250 cases; the test set is secret). The challenge's
first release has ``rawdata/sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_flair.nii.gz`` (github.com/ezequieldlrosa/isles22).
"""

from __future__ import annotations

from .layout import FURTHER, TRUTH, PatternLayout

_NAME = r"(?P<id>sub-strokecase\d+)/ses-(?P<session>\d+)/(?:anat/|dwi/)?(?P=id)_ses-(?P=session)_(?P<kind>FLAIR|dwi|adc|msk)\.nii(?:\.gz)?"

ISLES2022 = PatternLayout(
    id="isles2022",
    name="ISLES 2022",
    patterns=(_NAME,),
    kinds={"flair": "FLAIR", "dwi": FURTHER, "adc": FURTHER, "msk": TRUTH},
    note="skull-stripped, each sequence on its own grid; the truth lies on the DWI's: bring it to the FLAIR's before an evaluation. DWI "
    "and ADC are left out",
)
