"""What a preprocessing step did, as a small picture: three planes before, three after. Drawn in the job's thread, shown by `preview`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.volume import Grid, Volume

if TYPE_CHECKING:
    from ...preprocessing.pipeline import StepRun
    from ...preprocessing.step import Reference

TILE = 236
"""Pixels of a square tile; the dock shows them at half this size, or more where it is wider."""

_PLANES = ((2, 0, 1), (1, 0, 2), (0, 1, 2))
"""Axial, coronal, sagittal: the axis cut through, the one to the right, the one up."""

_MARGIN_MM = 10.0
_BRAIN = np.array([255, 90, 54], np.uint8)
_TEMPLATE = np.array([55, 213, 255], np.uint8)


@dataclass(frozen=True, eq=False)
class Picture:
    """Two rows of three tiles.

    Parameters
    ----------
    pixels : array of uint8, shape (2 * TILE, 3 * TILE, 3)
        The patient's left is on the left of the axial and coronal tiles, anterior on the right of the sagittal one.
    captions : tuple of str
        What the upper and the lower row show.
    """

    pixels: NDArray[np.uint8]
    captions: tuple[str, str]


def step_picture(run: StepRun, before: Volume, reference: Reference | None) -> Picture:
    """The picture that shows best what a step did.

    Parameters
    ----------
    run : StepRun
        The step and its result.
    before : Volume
        Its input.
    reference : Reference or None
        What the sequence is aligned to.
    """
    from ...preprocessing.qc import checkerboard, scaled, template_on

    after = run.result.volume
    if run.step.ID == "register_mni":
        board, inside = template_on(after.grid)
        mixed = checkerboard(scaled(after.data, after.mask), scaled(board, inside), after.grid)
        rows = (_row(after, inside, _TEMPLATE), _row(after.with_data(mixed)))
        return Picture(_stacked(rows), ("Registered, with the template's outline", "Squares of scan and template in turn"))
    if run.step.ID == "coregister" and reference is not None:
        from ...preprocessing.geometry import resample_array

        other = reference.volume
        moved = resample_array(after.data, after.grid, other.grid)
        mixed = checkerboard(scaled(moved, other.mask), scaled(other.data, other.mask), other.grid)
        rows = (_row(after), _row(other.with_data(mixed)))
        return Picture(_stacked(rows), ("Aligned", f"Squares of it and {other.name} in turn"))
    if run.step.ID == "brain_extraction" and after.mask is not None:
        rows = (_row(before.with_mask(None), after.mask), _row(after))
        return Picture(_stacked(rows), ("Before, with the brain's outline", "After"))
    return Picture(_stacked((_row(before), _row(after))), ("Before", "After"))


def result_picture(native: Volume, native_mask: NDArray[np.bool_] | None, prepared: Volume) -> Picture:
    """The scan with its brain's outline, and the prepared scan: for a result from the cache, whose steps are not known."""
    rows = (_row(native.with_mask(None), native_mask), _row(prepared))
    return Picture(_stacked(rows), ("The scan, with the brain's outline", "Prepared"))


def _stacked(rows: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.concatenate(rows, axis=0))


def _row(volume: Volume, outline: NDArray[np.bool_] | None = None, colour: NDArray[np.uint8] = _BRAIN) -> NDArray[np.uint8]:
    """Three planes through the brain's middle, around the brain where it is known."""
    grid = volume.grid
    seen = volume.mask if volume.mask is not None and volume.mask.any() else None
    around = seen if seen is not None else outline if outline is not None and outline.any() else None
    centre = (np.array(grid.shape) - 1) / 2 if around is None else np.array([_middle(around, axis) for axis in range(3)])
    low, high = _window(volume.data, around)
    tiles = []
    for plane in _PLANES:
        cut = tuple(int(centre[axis]) if axis == plane[0] else slice(None) for axis in range(3))
        where = _pixels(grid, plane, seen)
        grey = _sampled(volume.data[cut], where)
        tile = np.repeat((255 * np.clip((grey - low) / (high - low), 0, 1)).astype(np.uint8)[..., None], 3, axis=2)
        if outline is not None:
            tile[_edge(_sampled(outline[cut].astype(np.float32), where) > 0.5)] = colour
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def _middle(mask: NDArray[np.bool_], axis: int) -> float:
    where = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
    return float(where[0] + where[-1]) / 2


def _window(data: NDArray[np.float32], inside: NDArray[np.bool_] | None) -> tuple[float, float]:
    thin = data[::2, ::2, ::2] if inside is None else data[inside][::4]
    low, high = (float(v) for v in np.percentile(thin, (0.5, 99.5)))
    # Around a brain there is 0, which is to be black.
    low = min(low, 0.0) if inside is not None and float(data.min()) >= 0 else low
    return (low, high) if high > low else (low, low + 1.0)


def _pixels(grid: Grid, plane: tuple[int, int, int], seen: NDArray[np.bool_] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The voxel coordinates of a tile's columns and of its rows (top first), so that the plane fills it undistorted."""
    sizes, middles = [], []
    for axis in plane[1:]:
        where = np.array([0, grid.shape[axis] - 1]) if seen is None else np.flatnonzero(seen.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]]
        margin = 0.0 if seen is None else 2 * _MARGIN_MM
        sizes.append((where[1] - where[0] + 1) * grid.spacing[axis] + margin)
        middles.append(where.mean())
    millimetres = max(sizes) / TILE * (np.arange(TILE) - (TILE - 1) / 2)
    across = middles[0] + millimetres / grid.spacing[plane[1]]
    up = middles[1] + millimetres / grid.spacing[plane[2]]
    return across, up[::-1]


def _sampled(plane: NDArray[np.float32], where: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.float32]:
    """Bilinear values of a plane (across, up) at a tile's pixels (row, column); 0 outside."""
    from scipy.ndimage import map_coordinates

    columns, rows = where
    grid = np.meshgrid(columns, rows)
    return np.asarray(map_coordinates(plane, np.stack(grid), order=1, mode="constant"), dtype=np.float32)


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask, iterations=2), dtype=np.bool_)
