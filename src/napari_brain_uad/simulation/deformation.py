"""Random anatomy: a small affine and a smooth deformation that cannot fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fields import Floats, interpolated, separable, spline_weights
from .params import SimulationParams

Box = tuple[slice, slice, slice]

_REACH = 160.0
"""Half the side of the cube of control points in mm, a head's."""

_STRIDE = 4.0
"""Distance in mm at which the splines are evaluated."""

_LEVELS = ((32.0, 1.0, 0.28), (16.0, 0.3, 0.12))
"""Distance of the control points in mm, their spread over `deformation_mm`, and their largest displacement over their distance."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """A map from places in the simulated head to places in the label map, both in mm from the middle of the brain.

    ``x -> matrix @ (x + splines(x))``, the splines being cubic B-splines on two levels.

    Notes
    -----
    A displacement by uniform cubic B-splines is one-to-one when no control point moves by more than 1 / 2.48 of their distance (Choi &
    Lee, Graphical Models 2000); the levels together stay below (0.28 + 0.12 < 0.403), so the Jacobian is positive everywhere.
    """

    matrix: NDArray[np.float64]
    controls: tuple[Floats, ...]

    @classmethod
    def draw(cls, params: SimulationParams, rng: np.random.Generator) -> Deformation:
        """A random one."""
        controls = []
        for distance, spread, largest in _LEVELS:
            count = int(np.ceil(2 * _REACH / distance)) + 3
            moves = params.deformation_mm * spread * 3.0 * rng.standard_normal((3, count, count, count), dtype=np.float32)
            controls.append(np.clip(moves, -largest * distance, largest * distance))
        return cls(_affine(params, rng), tuple(controls))

    def turned(self, turn: NDArray[np.float64]) -> Deformation:
        """The same, followed by a rotation."""
        return Deformation(turn @ self.matrix, self.controls)

    def coordinates(self, axes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]) -> Floats:
        """Places in the label map, in mm, of the points of a grid.

        Parameters
        ----------
        axes : tuple of 3 arrays
            The grid's coordinates in mm along i, j, k.

        Returns
        -------
        array of float32, shape (3, i, j, k)
        """
        coarse = [np.arange(axis[0], axis[-1] + _STRIDE, _STRIDE) for axis in axes]
        moved = np.stack(np.meshgrid(*coarse, indexing="ij")).astype(np.float32)
        for (distance, _, _), controls in zip(_LEVELS, self.controls, strict=True):
            x, y, z = (spline_weights((axis + _REACH) / distance + 1.0, controls.shape[1]) for axis in coarse)
            for axis in range(3):
                moved[axis] += separable(controls[axis], (x, y, z))
        # The affine part comes through the interpolation unchanged, the splines are straight over a quarter of their finest distance.
        placed = (self.matrix.astype(np.float32) @ moved.reshape(3, -1)).reshape(moved.shape)
        i, j, k = ((axis - axis[0]) / _STRIDE for axis in axes)
        return interpolated(placed, (i, j, k))


def _affine(params: SimulationParams, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rotation, scaling and shear, shape (3, 3)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(rng.uniform(-params.rotation_deg, params.rotation_deg, 3))):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[a, b], [a, b]] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    shear = np.eye(3) + np.triu(rng.uniform(-params.shear, params.shear, (3, 3)), 1)
    return np.asarray(matrix @ shear @ np.diag(1.0 / rng.uniform(1.0 - params.scaling, 1.0 + params.scaling, 3)))


def jacobian(coordinates: Floats) -> Floats:
    """Determinant of the derivative of a map sampled at 1 mm.

    Parameters
    ----------
    coordinates : array, shape (3, i, j, k)
        Where each voxel comes from, in mm.

    Returns
    -------
    array of float32, shape (i, j, k)
        Volume in the label map over volume in the simulated head; 0 or less where the map folds.
    """
    a, b, c = (np.stack(np.gradient(coordinates[axis])) for axis in range(3))
    return np.asarray((np.cross(a, b, axis=0) * c).sum(axis=0), dtype=np.float32)
