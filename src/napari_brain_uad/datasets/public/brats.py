"""BraTS 2013 to 2021: gliomas (Menze et al., IEEE TMI 2015, doi:10.1109/TMI.2014.2377694; Baid et al. 2021, arXiv:2107.02314).

2017 to 2021 name a file ``SUBJECT_KIND.nii.gz`` in a folder SUBJECT: ``Brats17_``, ``Brats18_``, ``BraTS19_`` (in HGG and LGG),
``BraTS20_Training_001``, ``BraTS2021_00000``; one truth of 2020 kept a foreign name (``W39_1998.09.19_Segm.nii``). 2013 to 2016
have a folder a subject and ``VSD.Brain.XX.O.MR_Flair.54512``, and the truth ``VSD.Brain_3more.XX.O.OT.54517``, as MetaImages,
each mostly in a folder of its name; those have to be converted to NIfTI. HG and LG (HGG and LGG) there have people of the same names.
"""

from __future__ import annotations

from ..layout import FURTHER, TRUTH, PatternLayout

_SUBJECT = r"(?:BraTS(?:17|18|19|20|2021)_[A-Za-z0-9_]+?)"
_END = r"\.nii(?:\.gz)?"
_OLD_KIND = r"(?P<kind>MR_Flair|MR_T1|MR_T1c|MR_T2|MR_DWI|OT)"
_VSD = rf"(?P<id>(?!VSD\.)[^/]+)/(?:VSD\.Brain[^/]*/)?VSD\.Brain(?:_\dmore)?\.XX\.(?:XX|O)\.{_OLD_KIND}(?:\.\d+)?{_END}"

BRATS = PatternLayout(
    id="brats",
    name="BraTS 2013-2021",
    patterns=(
        rf"(?P<id>{_SUBJECT})/(?P=id)_(?P<kind>flair|t1|t1ce|t2|seg){_END}",
        rf"(?P<id>BraTS20_[A-Za-z]+_\d+)/\w+\.\d+\.\d+_(?P<kind>segm){_END}",
        rf"(?P<part>HGG?|LGG?)/{_VSD}",
        _VSD,
    ),
    kinds={
        "flair": "FLAIR",
        "t1": "T1",
        "t1ce": "T1c",
        "t2": "T2",
        "seg": TRUTH,
        "segm": TRUTH,
        "mr_flair": "FLAIR",
        "mr_t1": "T1",
        "mr_t1c": "T1c",
        "mr_t2": "T2",
        "ot": TRUTH,
        "mr_dwi": FURTHER,
    },
    excludes=("mr_dwi",),  # the strokes of ISLES 2015 have such names, too
    note="skull-stripped; truth > 0 is the whole tumour; 2013 to 2016 come as .mha and have to be converted to NIfTI",
)
