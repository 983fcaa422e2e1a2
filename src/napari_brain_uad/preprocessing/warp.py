"""Deformations: a displacement for every voxel of the template, its inverse, and the way of a point through both kinds of transform."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.volume import Grid

STEP_MM = 0.01
"""Displacements are kept as whole hundredths of a millimetre: small files, and the same hash wherever they are read."""

_EXACT_MM = 0.02
"""How well the inverse is solved at every voxel."""

_LONGEST_MM = 2.0
"""Of one Newton step: where the deformation bends strongly, longer ones overshoot."""

_CHEAP_ROUNDS, _ROUNDS = 4, 20

_EDGE = 12
"""Voxels added around a field for SimpleITK, to which there is no displacement outside."""


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Where points move, as far as their neighbours tell: linear between the voxels of a grid, around it as at its edge.

    Parameters
    ----------
    steps : array of int16, shape (i, j, k, 3)
        Displacement along world R, A, S in units of `STEP_MM`.
    grid : Grid
        Its axes run along the world's.
    """

    steps: NDArray[np.int16]
    grid: Grid

    @classmethod
    def of(cls, displacement_mm: NDArray[np.floating], grid: Grid) -> DisplacementField:
        """From displacements in mm, shape (i, j, k, 3), rounded to `STEP_MM`."""
        return cls(np.round(displacement_mm / STEP_MM).astype(np.int16), grid)

    def at(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacement in mm at points in mm, both of shape (n, 3)."""
        index = self.grid.to_index(world).T
        return (
            np.column_stack([map_coordinates(self.steps[..., c], index, np.float64, order=1, mode="nearest") for c in range(3)]) * STEP_MM
        )

    def moved(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points in mm, shape (n, 3), end up."""
        return world + self.at(world)

    def transform(self) -> sitk.Transform:
        """As SimpleITK's, in the world's own (RAS) numbers."""
        around = np.pad(self.steps, ((_EDGE, _EDGE),) * 3 + ((0, 0),), mode="edge")
        image = sitk.GetImageFromArray(np.transpose(around, (2, 1, 0, 3)) * STEP_MM, isVector=True)
        image.SetSpacing(self.grid.spacing)
        image.SetOrigin(self.grid.to_world([-_EDGE] * 3).tolist())
        image.SetDirection((self.grid.affine[:3, :3] / np.array(self.grid.spacing)).ravel().tolist())
        return sitk.DisplacementFieldTransform(image)

    def digest(self) -> str:
        """SHA-256 of the displacements and their grid."""
        digest = hashlib.sha256(json.dumps(self.grid.as_dict(), sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.steps).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Warp:
    """A deformation and its inverse.

    Parameters
    ----------
    forward : DisplacementField
        Points of the template to where they lie in the brain that was brought to it by its affine transform.
    inverse : DisplacementField
        The way back.
    """

    forward: DisplacementField
    inverse: DisplacementField

    @property
    def sha256(self) -> str:
        """Of both directions."""
        return hashlib.sha256((self.forward.digest() + self.inverse.digest()).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Route:
    """World mm of one space to world mm of another: a matrix, a deformation, another matrix.

    Parameters
    ----------
    before, after : array, shape (4, 4)
        What is done to points first, and last.
    field : DisplacementField
        What is done in between.
    """

    before: NDArray[np.float64]
    field: DisplacementField
    after: NDArray[np.float64]

    def points(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points in mm, shape (n, 3), end up."""
        inner = self.field.moved(world @ self.before[:3, :3].T + self.before[:3, 3])
        return np.asarray(inner @ self.after[:3, :3].T + self.after[:3, 3])

    def transform(self, source: Grid, target: Grid) -> sitk.Transform:
        """From voxel indices of `target` to voxel indices of `source`, in SimpleITK's terms."""
        first, last = self.before @ target.affine, np.linalg.inv(source.affine) @ self.after
        return sitk.CompositeTransform([affine_transform(last), self.field.transform(), affine_transform(first)])


def affine_transform(matrix: NDArray[np.float64]) -> sitk.AffineTransform:
    """A 4 x 4 matrix as SimpleITK's transform."""
    return sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())


def invert(field: DisplacementField, region: NDArray[np.bool_], progress: Progress) -> DisplacementField:
    """The inverse of a deformation, on the same grid.

    Parameters
    ----------
    field : DisplacementField
        Without folds.
    region : array of bool, shape (i, j, k)
        Where the inverse is solved, to 0.02 mm; elsewhere it is minus the deformation.
    progress : Progress
        Told how far it is; its cancelling stops it.

    Returns
    -------
    DisplacementField

    Raises
    ------
    InputError
        If the deformation folds, so that there is no inverse.

    Notes
    -----
    Find v with v + u(y + v) = 0 at every voxel y: by a few steps of the cheap fixed-point iteration, which diverges wherever the
    deformation more than doubles a length, then by Newton's.
    """
    start = field.grid.to_world(np.argwhere(region))
    shift = -field.steps[region].astype(np.float64) * STEP_MM
    slopes = _slopes(field)
    if not (np.linalg.det(_jacobians(slopes, np.argwhere(region).T)) > 0.0).all():
        raise _folds("two points end up in the same place")
    left = shift + field.at(start + shift)
    for number in range(_ROUNDS):
        progress.update(number / _ROUNDS)
        off = np.flatnonzero(np.linalg.norm(left, axis=1) > _EXACT_MM)
        if not off.size:
            break
        places = start[off] + shift[off]
        index = field.grid.to_index(places).T
        step = left[off] if number < _CHEAP_ROUNDS else np.linalg.solve(_jacobians(slopes, index), left[off][..., None])[..., 0]
        step = step * np.minimum(1.0, _LONGEST_MM / np.maximum(np.linalg.norm(step, axis=1), 1e-12))[:, None]
        shift[off] -= step
        left[off] = shift[off] + field.at(start[off] + shift[off])
    worst = float(np.linalg.norm(left, axis=1).max(initial=0.0))
    if worst > 10 * _EXACT_MM:
        raise _folds(f"{worst:.1f} mm are left")
    inverse = -field.steps
    inverse[region] = np.round(shift / STEP_MM)
    return DisplacementField(inverse, field.grid)


def _folds(why: str) -> InputError:
    return InputError("The deformation cannot be undone", why=f"it folds: {why}", fix="Register without deformation")


def _jacobians(slopes: list[list[NDArray[np.float32]]], index: NDArray[Any]) -> NDArray[np.float32]:
    """Of the deformed place, at voxel indices (3, n), shape (n, 3, 3)."""
    values = [map_coordinates(slopes[c][r], index, order=1, mode="nearest") for c in range(3) for r in range(3)]
    return np.asarray(np.stack(values, -1).reshape(-1, 3, 3) + np.eye(3, dtype=np.float32))


def _slopes(field: DisplacementField) -> list[list[NDArray[np.float32]]]:
    """Of each component along each axis of the world, without dimension."""
    spacing = field.grid.spacing
    return [
        [np.asarray(slope, dtype=np.float32) for slope in np.gradient(field.steps[..., c].astype(np.float32) * STEP_MM, *spacing)]
        for c in range(3)
    ]
