"""MOOD, brain part: healthy T1s, and a few toy anomalies (Zimmerer et al., IEEE TMI 2022, doi:10.1109/TMI.2022.3170077).

``brain_train/00000.nii.gz`` (800 heads without anomalies); ``toy/toy_0.nii.gz`` with ``toy_label/pixel/toy_0.nii.gz`` (what is
abnormal in each voxel; ``toy_label/sample`` has one number a scan in a text file).
"""

from __future__ import annotations

from ..layout import TRUTH, PatternLayout

MOOD = PatternLayout(
    id="mood",
    name="MOOD (brain)",
    patterns=(
        r"brain_(?P<split>train)/(?P<id>\d+)(?P<kind>)\.nii\.gz",
        r"(?:brain_)?(?P<split>toy)/(?P<id>(?:toy_)?\d+)(?P<kind>)\.nii\.gz",
        r"(?:brain_)?(?P<split>toy)_label/(?P<kind>pixel)/(?P<id>(?:toy_)?\d+)\.nii\.gz",
    ),
    kinds={"": "T1", "pixel": TRUTH},
    note="healthy young adults; the challenge's own test set is secret, toy holds four examples of it",
)
