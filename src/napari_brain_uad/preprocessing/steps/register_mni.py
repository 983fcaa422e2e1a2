"""Registration to the MNI152 template: affine, and deformable when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ...core.checks import Finding
from ...core.errors import InputError
from ...core.params import param
from ...core.progress import Progress
from ...core.volume import Grid, Volume
from ..correlation_fit import fit_correlation
from ..field_of_view import field_of_view
from ..geometry import Way, resample_mask, resample_volume
from ..registration import align, by_centres, clipped, correlation, dice
from ..step import Context, Step, StepResult
from ..template import MNI_GRID, template
from ..warp import Route, Warp
from .greedy import greedy_affine, greedy_warp

REGISTERED_DICE = 0.88
"""A scan counts as registered already when its brain overlaps the template's this much where it lies (by its header)."""

_REGISTERED_MM = 0.01
"""... and its upright grid has whole-mm voxels and origin to this precision, as resampled scans have and scanners' never."""

_NEARLY_ALL = 0.995
"""What is missing of a brain is told only when it is more than this leaves."""

POOR_DICE = 0.85
"""Brains overlap less than this with the template's after an affine registration only when it, or the brain mask, went wrong."""


_T1 = "T1"
"""The template's contrast: a scan of it is aligned by correlation in the end, others by mutual information alone."""


@dataclass(frozen=True, eq=False)
class _Found:
    """Where the template's points lie in the scan, and how that was found."""

    matrix: NDArray[np.float64]
    warp: Warp | None
    outcome: dict[str, Any]

    @property
    def way(self) -> Way:
        """World mm of the template to world mm of the scan."""
        return self.matrix if self.warp is None else Route(np.eye(4), self.warp.forward, self.matrix)


@dataclass(frozen=True)
class RegisterMni(Step):
    """Bring the brain to MNI152 by an affine transform, and a deformation when asked for, on 182 x 218 x 182 voxels of 1 mm.

    Scans that lie in MNI already are recognised and left as they are, as are those on that very grid. Further sequences of a
    patient take over the transform of the reference they were aligned to. What the image cuts off a brain is not looked at.
    """

    ID = "register_mni"
    TITLE = "Register to MNI152"
    SHARE = 9.0

    backend: str = param(
        "simpleitk",
        "Which tool finds the affine transform; greedy is installed apart",
        label="Registration tool",
        choices=("simpleitk", "greedy"),
    )
    deformable: bool = param(
        False, "Deform the brain into the template's shape, too, by greedy, which is installed apart", label="Deformable registration"
    )

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        if volume.mask is None:
            raise InputError(f"{volume.name} cannot be registered", why="its brain mask is not known", fix="Extract the brain first")
        found = self._find(volume, context)
        still = found.warp is None and bool(np.array_equal(found.matrix, np.eye(4)))
        same = still and not volume.grid.compare(MNI_GRID, "template")
        moved = volume if same else resample_volume(volume, MNI_GRID, found.way)
        outcome = found.outcome | _quality(moved, volume, found.way) | {"matrix": found.matrix.tolist()}
        if found.warp is not None:
            outcome["warp_sha256"] = found.warp.sha256
        return StepResult(moved, found.matrix, outcome, _said(outcome), registration_findings(outcome, volume.name), found.warp)

    def _find(self, volume: Volume, context: Context) -> _Found:
        if context.recorded is not None:
            return _recorded(context.recorded, context.recorded_warp)
        reference = context.reference
        if reference is not None and reference.matrix is not None:
            return _Found(reference.matrix, reference.warp, {"origin": f"transform of {reference.volume.name}"})
        progress = context.progress
        matrix, outcome = self._affine(volume, progress.part(0.0, 0.3) if self.deformable else progress)
        if not self.deformable:
            return _Found(matrix, None, outcome)
        warp = greedy_warp(template(), volume, matrix, volume.sequence == _T1, progress.part(0.3, 1.0))
        inside = template().mask
        assert inside is not None
        length = np.linalg.norm(warp.forward.at(MNI_GRID.to_world(np.argwhere(inside)[::8])), axis=1)
        outcome["warp_mm"] = {"mean": round(float(length.mean()), 2), "largest": round(float(length.max()), 2)}
        return _Found(matrix, warp, outcome | {"origin": outcome["origin"] + ", deformation by greedy"})

    def _affine(self, volume: Volume, progress: Progress) -> tuple[NDArray[np.float64], dict[str, Any]]:
        assert volume.mask is not None  # `apply` has checked
        if overlap_in_mni(volume.mask, volume.grid) >= REGISTERED_DICE:
            return np.eye(4), {"origin": "already registered to MNI"}
        alike = volume.sequence == _T1
        if self.backend == "greedy":
            start = by_centres(template(), volume)
            return greedy_affine(template(), volume, start, alike, progress), {"origin": "affine by greedy"}
        found = align(template(), volume, "affine", progress.part(0.0, 0.5 if alike else 1.0))
        outcome = {"origin": "affine, mutual information", "mutual_information": round(found.information, 4)}
        if not alike:
            return found.matrix, outcome
        matrix = fit_correlation(template(), volume, found.matrix, progress.part(0.5, 1.0))
        return matrix, outcome | {"origin": "affine, mutual information, then correlation"}


def _recorded(recorded: Mapping[str, Any], warp: Warp | None) -> _Found:
    wanted = recorded.get("warp_sha256")
    given = None if warp is None else warp.sha256
    if wanted != given:
        why = "the deformation of the recorded run is not given" if warp is None else "another deformation is given"
        raise InputError("The registration cannot be repeated", why=why, fix="Give the two warp files written beside the record")
    outcome = {key: value for key, value in recorded.items() if key not in ("matrix", "warp_sha256")}
    return _Found(np.array(recorded["matrix"], dtype=np.float64), warp, outcome)


def overlap_in_mni(mask: NDArray[np.bool_], grid: Grid) -> float:
    """Dice of a brain (shape of the grid) and the template's, as they lie; 0 on a grid that resampled scans do not have."""
    inside = template().mask
    assert inside is not None
    if np.abs(grid.affine - np.round(grid.affine)).max() > _REGISTERED_MM or grid.oblique_degrees > 0.1:
        return 0.0
    return dice(resample_mask(mask, grid, MNI_GRID), inside)


def _quality(moved: Volume, volume: Volume, way: Way) -> dict[str, Any]:
    """How well the result agrees with the template inside its brain; where the scan cuts the brain off, also inside what it shows.

    Correlations are of the intensities that were aligned, and that the presets hand on: cut off at their 1st and 99th percentile.
    """
    inside = template().mask
    assert inside is not None
    assert moved.mask is not None
    seen = clipped(moved)
    smooth = _smooth(seen), _smooth(template())
    told: dict[str, Any] = {
        "ncc": round(correlation(seen.data, template().data, inside), 4),
        "ncc_smooth": round(correlation(*smooth, inside), 4),
        "dice": round(dice(moved.mask, inside), 4),
    }
    shown = _shown(volume, way)
    if shown is not None:
        told["shown"] = round(float(np.count_nonzero(shown) / np.count_nonzero(inside)), 4)
        told["ncc_shown"] = round(correlation(seen.data, template().data, shown), 4)
        told["dice_shown"] = round(dice(moved.mask, shown), 4)
    return told


def _shown(volume: Volume, way: Way) -> NDArray[np.bool_] | None:
    """The part of the template's brain that the scan shows; None when that is all of it."""
    assert volume.mask is not None
    view = field_of_view(volume.mask, volume.grid)
    if view.whole:
        return None
    inside = template().mask
    assert inside is not None
    world = MNI_GRID.to_world(np.argwhere(inside))
    places = way.points(world) if isinstance(way, Route) else world if way is None else world @ way[:3, :3].T + way[:3, 3]
    shown = inside.copy()
    shown[inside] = view.holds(places)
    return None if np.array_equal(shown, inside) else shown


def _said(outcome: Mapping[str, Any]) -> str:
    closeness = f"correlation {outcome['ncc']:.3f} ({outcome['ncc_smooth']:.3f} blurred)"
    said = f"{outcome['origin']}; brain overlap with the template {outcome['dice']:.3f}, {closeness}"
    if outcome.get("shown", 1.0) > _NEARLY_ALL:
        return said
    return f"{said}; it shows {100 * outcome['shown']:.1f} % of the brain: there {outcome['dice_shown']:.3f} and {outcome['ncc_shown']:.3f}"


def _smooth(volume: Volume) -> NDArray[np.float32]:
    """Blurred by a Gaussian of 1 mm (2.4 mm wide at half its height): the template, a mean of 152 subjects, holds no finer detail."""
    return np.asarray(gaussian_filter(volume.data, 1.0), dtype=np.float32)


def registration_findings(outcome: Mapping[str, Any], name: str) -> tuple[Finding, ...]:
    """A warning where the brain of the scan of this name overlaps the template's too little after a registration with this outcome."""
    overlap = outcome.get("dice_shown", outcome.get("dice", 0.0))
    if overlap >= POOR_DICE:
        return ()
    said = f"the registered brain of {name} overlaps the template's by {overlap:.2f} only"
    return (Finding("poor-registration", "warning", said, "Look at the overlay; check the brain mask and the scan's orientation"),)
