"""The MNI152 template that ships with the package, and the grid of registered scans."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from ..core.volume import Grid, Volume
from ..io.nifti import read_volume
from .brain_mask import stripped_brain

TEMPLATE = Path(__file__).parent / "templates" / "mni152_2009a_T1_brain.nii.gz"

TEMPLATE_NAME = "MNI152NLin2009aSym"
"""What BIDS and TemplateFlow call the space."""

MNI_GRID = Grid((182, 218, 182), np.array([[1.0, 0, 0, -91], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]]))
"""1 mm, RAS: the grid FSL made common, in which public lesion data sets are handed out."""


@cache
def template() -> Volume:
    """ICBM 2009a nonlinear symmetric T1 (Fonov et al., NeuroImage 2011), brain only, on `MNI_GRID`, with its brain mask.

    Licence: see ``templates/LICENSE.txt``.
    """
    volume = read_volume(TEMPLATE, name="MNI152")
    return replace(volume, mask=stripped_brain(volume), sequence="T1", sequence_origin="the template's")
