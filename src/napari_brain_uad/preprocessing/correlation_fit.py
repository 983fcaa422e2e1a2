"""The last millimetres of an affine alignment of two images of the same contrast: their correlation, made as large as it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..core.progress import Progress
from ..core.volume import Volume
from .field_of_view import FieldOfView, field_of_view
from .registration import clipped

_LEVELS = ((2.0, 32), (1.0, 16), (0.0, 8))
"""Blur (standard deviation, mm) of both images, and one in how many voxels of the fixed brain is looked at."""

_RADIUS_MM = 60.0
"""About the brain's: a change of 1 in any of the twelve parameters then moves its surface by a millimetre or so."""

_ITERATIONS = 60
_TOLERANCE = 1e-5
"""The gradient (per mm) at which the search ends: far below what a voxel's noise makes of it."""


def fit_correlation(fixed: Volume, moving: Volume, matrix: NDArray[np.float64], progress: Progress) -> NDArray[np.float64]:
    """Improve an affine alignment.

    Parameters
    ----------
    fixed, moving : Volume
        Brains of the same contrast, with their masks; `moving` counts as 0 outside its brain, and not at all where the image cuts
        the brain off.
    matrix : array, shape (4, 4)
        World mm of `fixed` to world mm of `moving`, within some 15 mm and 10 % of size.
    progress : Progress
        Told how far it is; its cancelling stops it.

    Returns
    -------
    array, shape (4, 4)
        The matrix whose normalised cross-correlation inside the brain of `fixed` is largest; for the intensities see
        `registration.clipped`.

    Notes
    -----
    Quasi-Newton search (BFGS) with the exact gradient of the trilinear interpolant, on ever less blurred images. SimpleITK's
    gradient descent on the same measure takes five times as long and stops short of the same optimum.
    """
    moving = clipped(moving)
    for number, (blur, stride) in enumerate(_LEVELS):
        problem = _Problem.of(fixed, moving, matrix, blur, stride)
        matrix = problem.solve(progress.part(number / len(_LEVELS), (number + 1) / len(_LEVELS)))
    return np.round(matrix, 8)


@dataclass(frozen=True, eq=False)
class _Problem:
    """One level: values of the fixed brain, where the current matrix takes their voxels, and the image that is moved."""

    values: NDArray[np.float64]
    offsets: NDArray[np.float64]  # (n, 4): distance to the brain's centre in radii, and 1
    places: NDArray[np.float64]  # (3, n): mm in the moving image's space
    centre: NDArray[np.float64]
    image: NDArray[np.float32]
    to_index: NDArray[np.float64]
    view: FieldOfView
    matrix: NDArray[np.float64]

    @classmethod
    def of(cls, fixed: Volume, moving: Volume, matrix: NDArray[np.float64], blur: float, stride: int) -> _Problem:
        assert fixed.mask is not None
        assert moving.mask is not None
        voxels = np.argwhere(fixed.mask)[::stride]
        points = fixed.grid.to_world(voxels)
        centre = points.mean(axis=0)
        offsets = np.column_stack(((points - centre) / _RADIUS_MM, np.ones(len(points))))
        places = matrix[:3, :3] @ points.T + matrix[:3, 3:]
        values = _blurred(fixed, blur)[tuple(voxels.T)].astype(np.float64)
        view = field_of_view(moving.mask, moving.grid)
        return cls(
            values, offsets, places, centre, _blurred(moving, blur), np.linalg.inv(moving.grid.affine).astype(np.float64), view, matrix
        )

    def solve(self, progress: Progress) -> NDArray[np.float64]:
        from scipy.optimize import minimize  # takes long to import, and most work registers nothing

        done = [0]

        def count(_: NDArray[np.float64]) -> None:
            done[0] += 1
            progress.update(done[0] / _ITERATIONS)

        objective: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]] = self.loss
        found = minimize(
            objective, np.zeros(12), jac=True, method="BFGS", callback=count, options={"gtol": _TOLERANCE, "maxiter": _ITERATIONS}
        )
        change = np.asarray(found.x, dtype=np.float64).reshape(3, 4)
        matrix = self.matrix.copy()
        matrix[:3, :3] += change[:, :3] / _RADIUS_MM
        matrix[:3, 3] += change[:, 3] - change[:, :3] @ self.centre / _RADIUS_MM
        return matrix

    def loss(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Minus the correlation, and its gradient.

        Sums by numpy, not by BLAS, whose threads add up in an order that depends on the cores.
        """
        places = self.places + np.einsum("rc,nc->rn", parameters.reshape(3, 4), self.offsets)
        index = np.einsum("rc,cn->rn", self.to_index[:3, :3], places) + self.to_index[:3, 3:]
        known = self.view.holds_index(index)
        seen, slope = _interpolated(self.image, index)
        ours, _ = _standardised(self.values, known)
        theirs, size = _standardised(seen, known)
        correlation = float((ours * theirs).sum())
        change = (ours - correlation * theirs) / size
        gradient = np.einsum("cr,cn->rn", self.to_index[:3, :3], slope) * change
        return -correlation, -np.einsum("rn,nc->rc", gradient, self.offsets).ravel()


def _blurred(volume: Volume, blur_mm: float) -> NDArray[np.float32]:
    sigma = [blur_mm / size for size in volume.grid.spacing]
    return np.ascontiguousarray(gaussian_filter(volume.data, sigma) if blur_mm else volume.data, dtype=np.float32)


def _standardised(values: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Mean 0 and norm 1 over the known points, 0 at the others; and the norm it had."""
    count = max(int(np.count_nonzero(known)), 1)
    centred = np.where(known, values - np.where(known, values, 0.0).sum() / count, 0.0)
    size = max(float(np.sqrt((centred**2).sum())), 1e-12)
    return centred / size, size


def _interpolated(image: NDArray[np.float32], index: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trilinear values at voxel indices (3, n), 0 from half a voxel outside the image on, and their slopes (3, n) along its axes."""
    last = np.array(image.shape)[:, None] - 1
    inside = ((index >= -0.5) & (index <= last + 0.5)).all(axis=0)
    index = np.clip(index, 0, last)
    base = np.clip(np.floor(index).astype(np.int64), 0, np.maximum(last - 1, 0))
    x, y, z = (index - base).astype(np.float32)
    steps = np.array((image.shape[1] * image.shape[2], image.shape[2], 1))
    first = (base * steps[:, None]).sum(axis=0)
    beyond = np.where(last[:, 0] > 0, steps, 0)
    flat = image.ravel()
    corner = {abc: flat[first + int(np.dot(abc, beyond))] for abc in np.ndindex(2, 2, 2)}
    along = {(a, b): corner[a, b, 1] - corner[a, b, 0] for a, b in np.ndindex(2, 2)}
    edge = {(a, b): corner[a, b, 0] + along[a, b] * z for a, b in np.ndindex(2, 2)}
    rise = [edge[a, 1] - edge[a, 0] for a in (0, 1)]
    side = [edge[a, 0] + rise[a] * y for a in (0, 1)]
    third = [along[a, 0] + (along[a, 1] - along[a, 0]) * y for a in (0, 1)]
    value = side[0] + (side[1] - side[0]) * x
    slope = np.stack([side[1] - side[0], rise[0] + (rise[1] - rise[0]) * x, third[0] + (third[1] - third[0]) * x])
    return np.where(inside, value, 0.0).astype(np.float64), np.where(inside, slope, 0.0).astype(np.float64)
