"""Affine registration to the MNI152 template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ...core.checks import Finding
from ...core.errors import InputError
from ...core.volume import Volume
from ..geometry import resample_mask, resample_volume
from ..registration import align, correlation, dice
from ..step import Context, Step, StepResult
from ..template import MNI_GRID, template

_REGISTERED_DICE = 0.88
"""A scan counts as registered already when its brain overlaps the template's this much where it lies (by its header)."""

_REGISTERED_MM = 0.01
"""... and its upright grid has whole-mm voxels and origin to this precision, as resampled scans have and scanners' never."""

_POOR_DICE = 0.85
"""Brains overlap less than this with the template's after an affine registration only when it, or the brain mask, went wrong."""


@dataclass(frozen=True)
class RegisterMni(Step):
    """Bring the brain to MNI152 by an affine transform, on 182 x 218 x 182 voxels of 1 mm.

    Scans that lie in MNI already are recognised and left as they are, as are those on that very grid. Further sequences of a
    patient take over the transform of the reference they were aligned to.
    """

    ID = "register_mni"
    TITLE = "Register to MNI152 (affine)"
    SHARE = 7.0

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        if volume.mask is None:
            raise InputError(f"{volume.name} cannot be registered", why="its brain mask is not known", fix="Extract the brain first")
        matrix, outcome = self._matrix(volume, context)
        same = bool(np.array_equal(matrix, np.eye(4))) and not volume.grid.compare(MNI_GRID, "template")
        moved = volume if same else resample_volume(volume, MNI_GRID, matrix)
        outcome |= _quality(moved)
        findings = _check(outcome, volume.name)
        closeness = f"correlation {outcome['ncc']:.3f} ({outcome['ncc_smooth']:.3f} blurred)"
        said = f"{outcome['origin']}; brain overlap with the template {outcome['dice']:.3f}, {closeness}"
        return StepResult(moved, matrix, outcome | {"matrix": matrix.tolist()}, said, findings)

    def _matrix(self, volume: Volume, context: Context) -> tuple[NDArray[np.float64], dict[str, Any]]:
        if context.recorded is not None:
            recorded = {key: value for key, value in context.recorded.items() if key != "matrix"}
            return np.array(context.recorded["matrix"], dtype=np.float64), recorded
        if context.reference is not None and context.reference.matrix is not None:
            return context.reference.matrix, {"origin": f"transform of {context.reference.volume.name}"}
        if _lies_in_mni(volume):
            return np.eye(4), {"origin": "already registered to MNI"}
        found = align(template(), volume, "affine", context.progress)
        return found.matrix, {"origin": "affine, mutual information", "mutual_information": round(found.information, 4)}


def _lies_in_mni(volume: Volume) -> bool:
    assert volume.mask is not None
    inside = template().mask
    assert inside is not None
    if np.abs(volume.grid.affine - np.round(volume.grid.affine)).max() > _REGISTERED_MM or volume.grid.oblique_degrees > 0.1:
        return False
    return dice(resample_mask(volume.mask, volume.grid, MNI_GRID), inside) >= _REGISTERED_DICE


def _quality(moved: Volume) -> dict[str, Any]:
    inside = template().mask
    assert inside is not None
    assert moved.mask is not None
    return {
        "ncc": round(correlation(moved.data, template().data, inside), 4),
        "ncc_smooth": round(correlation(_smooth(moved), _smooth(template()), inside), 4),
        "dice": round(dice(moved.mask, inside), 4),
    }


def _smooth(volume: Volume) -> NDArray[np.float32]:
    """Blurred by a Gaussian of 1 mm (2.4 mm wide at half its height): the template, a mean of 152 people, holds no finer detail."""
    return np.asarray(gaussian_filter(volume.data, 1.0), dtype=np.float32)


def _check(outcome: dict[str, Any], name: str) -> tuple[Finding, ...]:
    if outcome["dice"] >= _POOR_DICE:
        return ()
    said = f"the registered brain of {name} overlaps the template's by {outcome['dice']:.2f} only"
    return (Finding("poor-registration", "warning", said, "Look at the overlay; check the brain mask and the scan's orientation"),)
