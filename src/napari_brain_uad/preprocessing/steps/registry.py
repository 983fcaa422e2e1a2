"""The steps by id: the only list of them."""

from __future__ import annotations

from ...core.errors import InputError
from ...core.text import choose_from
from ..step import Step
from .brain_extraction import BrainExtraction
from .coregister import Coregister
from .crop_pad import CropPad
from .downsample import Downsample
from .intensity import Intensity
from .n4 import N4
from .register_mni import RegisterMni
from .reorient import Reorient
from .resample import Resample
from .slice_range import SliceRange
from .tissue_classes import TissueClasses

STEPS: dict[str, type[Step]] = {
    step.ID: step
    for step in (
        Reorient,
        Resample,
        BrainExtraction,
        N4,
        Coregister,
        RegisterMni,
        Intensity,
        TissueClasses,
        CropPad,
        SliceRange,
        Downsample,
    )
}


def step_class(identifier: str) -> type[Step]:
    """The step with this id.

    Raises
    ------
    InputError
        If there is none; known ids are listed.
    """
    try:
        return STEPS[identifier]
    except KeyError:
        raise InputError(f"There is no step '{identifier}'", fix=choose_from(identifier, STEPS, "Known steps")) from None
