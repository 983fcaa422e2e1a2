"""Br35H: 2-D MRI slices of various weightings, with and without tumour (Hamada 2020, kaggle.com/ahmedhamada0/brain-tumor-detection).

``no/no0.jpg`` (1,500 without) and ``yes/y0.jpg`` (1,500 with a tumour); ``pred`` holds 60 slices without a label. No masks, no
official split; `split` says which folder, and that whether there is a tumour.
"""

from __future__ import annotations

from ..layout import PatternLayout

BR35H = PatternLayout(
    id="br35h",
    name="Br35H 2020",
    patterns=(r"(?P<split>no|yes|pred)/(?P<id>(?:no ?|y|pred)\d+)(?P<kind>)\.jpe?g",),
    kinds={"": "unknown"},
    splits={"no": "no tumour", "yes": "tumour", "pred": "unlabelled"},
    note="2-D pictures in JPEG, several of them copies of others; not volumes",
    suffixes=(".jpg", ".jpeg"),
    ill={"no tumour": False, "tumour": True},
)
