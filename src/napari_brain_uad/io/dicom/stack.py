"""From 2-D frames with places to one 3-D grid: order, completeness, regular spacing, tilt.

Geometry alone orders the slices (ImagePositionPatient along the normal of ImageOrientationPatient, PS3.3 C.7.6.2); file names
and instance numbers only give hints that something is missing. What is not a complete, regular stack is refused: the
positions that are missing or taken twice are named in mm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.checks import Finding
from ...core.errors import InputError
from .frames import Frame, Kind
from .kinds import CONVERT, Unfit

MAX_BYTES = 4 << 30
"""Largest volume that is read, as float32: some hundred times a brain at 1 mm."""

PLACE_TOLERANCE_MM = 0.1
"""How far a slice may lie from its place on the regular grid: positions are often rounded to 0.1 mm."""

MAX_TILT_DEGREES = 35.0
"""No gantry tilts further; beyond it, positions and orientation contradict each other."""

FARTHEST_MM = 10_000.0
"""No patient lies farther from the origin, which is the middle of the magnet or not far from it."""

LARGEST_FIELD_MM = 560.0
"""No MR scanner sees more across: a larger image is several side by side."""

_LARGEST_MOSAIC_MM = 10_000.0

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_EXPORT = "Export the whole series again"
_KIND_TOLERANCE = 0.05  # ms for times: smaller differences are rounding
_FREE_KINDS = ("temporal position", "acquisition")


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order, and where their voxels lie.

    Parameters
    ----------
    frames : tuple of Frame
        Along the normal, ascending.
    affine : array, shape (4, 4)
        Of an array indexed (column, row, slice), to world mm RAS+.
    findings : tuple of Finding
        What is worth knowing and changes nothing.
    """

    frames: tuple[Frame, ...]
    affine: NDArray[np.float64]
    findings: tuple[Finding, ...]


def split(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], ...]:
    """The volumes of one series: several when it holds several images at the same places, told apart by echo time, part, ...

    A series is divided only where that explains every repeated place, so that every volume has the same places once;
    otherwise it comes back whole, and `build_stack` refuses it.
    """
    if not _repeats(frames):
        return (tuple(frames),)
    labels = [_labels(frames, kind) for kind in dict.fromkeys(kind for frame in frames for kind in frame.kinds)]
    varying = [values for values in labels if len(set(values)) > 1]
    for chosen in [*([one] for one in varying), varying]:
        groups: dict[tuple[Kind | int, ...], list[Frame]] = {}
        for frame, key in zip(frames, zip(*chosen, strict=True), strict=False):
            groups.setdefault(key, []).append(frame)
        if len(groups) > 1 and _same_places(groups.values()):
            return tuple(tuple(group) for group in groups.values())
    return (tuple(frames),)


def _labels(frames: Sequence[Frame], kind: str) -> list[Kind | int]:
    """Each frame's value of a kind; numbers as the rank of their group, so that rounding does not divide."""
    values = [frame.kinds.get(kind) for frame in frames]
    numbers = sorted({value for value in values if isinstance(value, float)})
    ranks: dict[Kind, int] = {}
    for place, number in enumerate(numbers):
        ranks[number] = ranks[numbers[place - 1]] + (number - numbers[place - 1] > _KIND_TOLERANCE) if place else 0
    return [ranks.get(value, value) for value in values]


def _places(frames: Iterable[Frame]) -> NDArray[np.float64] | None:
    """Positions, shape (n, 3), sorted; None when one is not said."""
    positions = [frame.position for frame in frames]
    if any(position is None for position in positions):
        return None
    array = np.array(positions, float).reshape(-1, 3)
    return array[np.lexsort(array.round(2).T)]


def _repeats(frames: Sequence[Frame]) -> bool:
    places = _places(frames)
    return places is not None and len(places) > len(np.unique(places.round(2), axis=0))


def _same_places(groups: Iterable[Sequence[Frame]]) -> bool:
    first: NDArray[np.float64] | None = None
    for group in groups:
        places = _places(group)
        if places is None or _repeats(group) or (first is not None and places.shape != first.shape):
            return False
        if first is not None and np.abs(places - first).max() > PLACE_TOLERANCE_MM:
            return False
        first = places
    return True


def build_stack(what: str, frames: Sequence[Frame]) -> Stack:
    """Order the frames of one volume and find its affine.

    Parameters
    ----------
    what : str
        What to call the series in errors.
    frames : sequence of Frame
        In any order.

    Raises
    ------
    InputError
        If they are no volume by their kind, slices of different kinds are mixed, one has no place, one is missing, cut off, lies
        twice or out of line, or the volume is too large.
    """
    unfit = unfit_series(frames)
    if unfit is not None:
        raise InputError(what, why=unfit.why, fix=unfit.fix)
    _check_same(what, frames)
    first = frames[0]
    if first.rows * first.columns * len(frames) * 4 > MAX_BYTES:
        raise InputError(what, why=f"it claims more than {MAX_BYTES >> 30} GB", fix="Choose another series")
    cut = [frame.path.name for frame in frames if not frame.whole]
    if cut:
        fix = "Copy it again from its source, or export the series again"
        raise InputError(f"{what}, {cut[0]}", why="it is shorter than its image: cut off", fix=fix)
    rows, columns, spacing = _plane(what, frames)
    normal = np.cross(rows, columns)
    positions = np.array([frame.position for frame in frames], float)
    order = np.argsort(positions @ normal, kind="stable")
    ordered = tuple(frames[place] for place in order)
    positions = positions[order]
    if len(ordered) == 1:
        step, findings = _single_step(what, first, normal)
    else:
        _check_gaps(what, positions @ normal, normal)
        step = (positions[-1] - positions[0]) / (len(positions) - 1)
        findings = _check_line(what, positions, step, normal)
    affine = np.eye(4)
    affine[:3, :3] = _LPS_TO_RAS @ np.column_stack([rows * spacing[1], columns * spacing[0], step])
    affine[:3, 3] = _LPS_TO_RAS @ positions[0]
    return Stack(ordered, affine, (*findings, *_check_numbers(what, ordered, float(np.linalg.norm(step)))))


def _check_same(what: str, frames: Sequence[Frame]) -> None:
    """Nothing that must agree differs among the slices, and all were made the same way."""
    for name in frames[0].same:
        if len({frame.same[name] for frame in frames}) > 1:
            raise InputError(what, why=f"it mixes slices that differ in their {name}", fix=_EXPORT)
    for name in frames[0].kinds:
        if name not in _FREE_KINDS and len(set(_labels(frames, name))) > 1:
            raise InputError(what, why=f"it mixes slices that differ in their {name}", fix=_EXPORT)


def _plane(what: str, frames: Sequence[Frame]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The directions in which columns and rows count (LPS, unit length), and the distances between rows and between columns."""
    for keyword, values in (
        ("ImagePositionPatient", [frame.position for frame in frames]),
        ("ImageOrientationPatient", [frame.orientation for frame in frames]),
        ("PixelSpacing", [frame.spacing for frame in frames]),
    ):
        lacking = next((frame for frame, value in zip(frames, values, strict=True) if value is None), None)
        if lacking is not None:
            why = f"a slice does not say where it lies (no {keyword})"
            raise InputError(f"{what}, {lacking.path.name}", why=why, fix="Choose a series of slices; derived pictures have no place")
        if not np.isfinite(np.array(values, float)).all():
            raise InputError(what, why=f"its {keyword} holds numbers that are not finite", fix=_EXPORT)
    farthest = float(np.abs(np.array([frame.position for frame in frames], float)).max())
    if farthest > FARTHEST_MM:
        raise InputError(what, why=f"a slice {farthest:.3g} mm away from the middle of the scanner is impossible", fix=_EXPORT)
    orientations = np.array([frame.orientation for frame in frames], float)
    spacings = np.array([frame.spacing for frame in frames], float)
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise InputError(what, why="it mixes slices of different orientation", fix="Choose another series; a localizer is no volume")
    if np.abs(spacings / spacings[0] - 1.0).max() > 1e-3 if (spacings > 0).all() else True:
        raise InputError(what, why="its slices differ in their pixel spacing, or it is not above 0", fix=_EXPORT)
    if not ((spacings[0] >= 0.05) & (spacings[0] <= 30)).all():
        raise InputError(what, why=f"a pixel spacing of {spacings[0][0]:.3g} x {spacings[0][1]:.3g} mm is impossible", fix=_EXPORT)
    rows, columns = orientations[0][:3], orientations[0][3:]
    lengths = float(np.linalg.norm(rows)), float(np.linalg.norm(columns))
    if max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(float(rows @ columns))) > 5e-3:
        raise InputError(what, why="its ImageOrientationPatient is not a pair of perpendicular directions", fix=_EXPORT)
    return rows / lengths[0], columns / lengths[1], spacings[0]


def _single_step(what: str, frame: Frame, normal: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[Finding, ...]]:
    thickness = abs(frame.between or frame.thickness or 0.0)
    if not 0.05 <= thickness <= 30:
        raise InputError(what, why="it is a single slice that does not say how thick it is", fix=_EXPORT)
    message = f"the series holds one slice only; its thickness of {thickness:g} mm is used"
    return normal * thickness, (Finding("single-slice", "warning", message, "Check that the series is complete"),)


def _axis(normal: NDArray[np.float64]) -> tuple[str, float]:
    """The name of the world axis (RAS+) that the normal runs along, and the sign that turns distances along it to RAS."""
    ras = _LPS_TO_RAS @ normal
    axis = int(np.argmax(np.abs(ras)))
    return "xyz"[axis], float(np.sign(ras[axis]))


def _listed(places: Sequence[float], axis: str) -> str:
    shown = ", ".join(f"{place:.1f}" for place in sorted(places)[:6])
    return f"{axis} = {shown} mm{' and more' if len(places) > 6 else ''}"


def _check_gaps(what: str, heights: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    """Every place is taken once, and the distances are all alike."""
    axis, sign = _axis(normal)
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    twice = np.flatnonzero(gaps <= max(0.02, 0.1 * usual))
    if len(twice):
        places = _listed([sign * float(height) for height in heights[twice]], axis)
        many = f"{len(twice)} slices lie" if len(twice) > 1 else "a slice lies"
        raise InputError(
            what, why=f"{many} where there is another already: {places}", fix="Remove the duplicates, or export the series again"
        )
    steps = np.maximum(np.round(gaps / usual), 1.0)
    # The regular distance, from all gaps that are one step or a whole number of steps.
    pitch = float((heights[-1] - heights[0]) / steps.sum())
    regular = heights[0] + pitch * np.concatenate([[0.0], np.cumsum(steps)])
    if np.abs(heights - regular).max() > min(PLACE_TOLERANCE_MM, 0.1 * pitch):
        raise InputError(
            what,
            why=f"the distances between its slices vary from {gaps.min():.4g} to {gaps.max():.4g} mm",
            fix="Slices may be missing. " + _EXPORT,
        )
    if not (steps == 1).all():
        missing = [sign * (height + pitch * n) for height, count in zip(heights, steps, strict=False) for n in range(1, int(count))]
        many = f"{len(missing)} slices are" if len(missing) > 1 else "a slice is"
        raise InputError(what, why=f"{many} missing at {_listed(missing, axis)}", fix=_EXPORT)


def _check_line(what: str, positions: NDArray[np.float64], step: NDArray[np.float64], normal: NDArray[np.float64]) -> tuple[Finding, ...]:
    """The slices lie on one line, which may lean against the normal (gantry tilt): the affine then is sheared, and exact."""
    off = np.abs(positions - positions[0] - np.arange(len(positions))[:, None] * step).max()
    if off > PLACE_TOLERANCE_MM:
        raise InputError(what, why=f"its slices do not lie on one line (up to {off:.2g} mm off)", fix=_EXPORT)
    length = float(np.linalg.norm(step))
    if not 0.05 <= length <= 30:
        raise InputError(what, why=f"a distance of {length:.3g} mm between its slices is impossible", fix=_EXPORT)
    degrees = float(np.degrees(np.arccos(np.clip(step @ normal / length, -1.0, 1.0))))
    if degrees > MAX_TILT_DEGREES:
        raise InputError(what, why=f"its slices lie {degrees:.0f} degrees away from the direction they face", fix=_EXPORT)
    findings: tuple[Finding, ...] = ()
    if degrees >= 0.1:
        message = f"the slices are tilted by {degrees:.1f} degrees (gantry tilt): the grid is sheared, every voxel keeps its exact place"
        findings += (Finding("tilted", "warning", message, "Resample to a straight grid for methods that need one"),)
    if off > 0.01:
        findings += (Finding("rounded-positions", "info", f"slices lie up to {off:.2g} mm from a regular grid, which is used"),)
    return findings


def _check_numbers(what: str, ordered: Sequence[Frame], distance: float) -> tuple[Finding, ...]:
    """What instance numbers and counts hint at: slices that are missing where positions cannot tell."""
    numbers = [frame.number for frame in ordered if frame.number is not None]
    findings: tuple[Finding, ...] = ()
    count = len(ordered)
    announced = max((frame.announced or 0 for frame in ordered), default=0)
    unique = len(set(numbers)) == count
    span = max(numbers) - min(numbers) + 1 if numbers else 0
    stated = abs(ordered[0].between or 0.0)
    if count > 1 and stated and unique and span >= 2 * count - 1 and distance > 1.5 * stated:
        why = f"its slices lie {distance:.4g} mm apart instead of {stated:.4g} mm, and their numbers have gaps: slices are missing"
        raise InputError(what, why=why, fix=_EXPORT)
    hints = []
    if announced > count:
        hints.append(f"it was announced with {announced} images and has {count}")
    if unique and span > count:
        hints.append("the numbers of its slices have gaps")
    if unique and count > 1 and min(numbers) > 1:
        hints.append(f"the numbers of its slices start at {min(numbers)}")
    if hints:
        text = f"slices may be missing: {'; '.join(hints)}"
        findings += (Finding("maybe-incomplete", "warning", text, "Compare with the number of slices at the scanner"),)
    if unique and count > 2 and not (np.all(np.diff(numbers) > 0) or np.all(np.diff(numbers) < 0)):
        message = "the slices are numbered in another order than they lie; their positions are used"
        findings += (Finding("numbers-shuffled", "warning", message, "Check that the anatomy runs on smoothly from slice to slice"),)
    if count > 1 and ordered[0].between and abs(distance - stated) > 0.1 * stated:
        message = f"its slices lie {distance:.4g} mm apart, SpacingBetweenSlices says {stated:.4g} mm; the positions are used"
        findings += (Finding("slice-spacing", "warning", message),)
    return findings


def unfit_series(frames: Sequence[Frame]) -> Unfit | None:
    """Why frames that belong together are no volume by their kind; None when they should be one."""
    found = next((frame.unfit for frame in frames if frame.unfit is not None), None)
    if found is not None:
        return found
    if all(frame.position is None and frame.orientation is None for frame in frames):
        why = "its images do not say where they lie (no ImagePositionPatient, no ImageOrientationPatient)"
        return Unfit(why, "Choose a series of slices; screenshots and derived pictures have no place")
    return _too_wide(frames) or _repeated(frames) or _several_directions(frames)


def _too_wide(frames: Sequence[Frame]) -> Unfit | None:
    """A mosaic that nothing marks, of any vendor."""
    first = frames[0]
    if first.modality != "MR" or first.spacing is None:
        return None
    height, width = first.rows * first.spacing[0], first.columns * first.spacing[1]
    if not LARGEST_FIELD_MM < min(height, width) < _LARGEST_MOSAIC_MM:
        return None
    why = f"its images are {width:.0f} x {height:.0f} mm large, more than a scanner sees: most likely mosaics of several slices each"
    return Unfit(why, CONVERT)


def _repeated(frames: Sequence[Frame]) -> Unfit | None:
    """Most places are taken several times, by different images that nothing we read tells apart."""
    positions = [frame.position for frame in frames]
    if any(position is None for position in positions) or len({frame.instance for frame in frames}) < len(frames):
        return None
    _, counts = np.unique(np.array(positions, float).round(2), axis=0, return_counts=True)
    times = int(np.median(counts))
    if times < 2:
        return None
    why = f"it is a time series, a diffusion series or another repeated measurement: there are {times} images of every place"
    return Unfit(why, "Convert it with dcm2niix and choose one volume of the NIfTI file, or choose another series")


def _several_directions(frames: Sequence[Frame]) -> Unfit | None:
    """Slices that face clearly different ways; a single one that is off by a little is a fault."""
    if any(frame.orientation is None for frame in frames):
        return None
    orientations = np.array([frame.orientation for frame in frames], float)
    normals = np.cross(orientations[:, :3], orientations[:, 3:])
    turned = np.abs(normals @ normals[0]) < np.cos(np.radians(20.0))
    ways = [np.count_nonzero(turned), np.count_nonzero(~turned)]
    if min(ways) == 0 or (min(ways) == 1 and len(frames) > 3):
        return None
    return Unfit("its slices are of different orientation: a localizer, or views from several sides")
