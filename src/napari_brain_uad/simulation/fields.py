"""Smooth random fields: cubic B-splines over coarse random control points, evaluated axis by axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_UNIT = 3.0
"""Standard deviation of the control points over that of the spline: a cubic B-spline averages (0.48 of the variance in each axis)."""


def spline_weights(positions: NDArray[np.float64], count: int) -> Floats:
    """Weights of uniform cubic B-splines.

    Parameters
    ----------
    positions : array, shape (n,)
        Where to evaluate, in units of the control points' distance; control point c sits at c. Positions beyond ``[1, count - 2]`` are
        taken there: the field goes on constant.
    count : int
        Number of control points, at least 4.

    Returns
    -------
    array of float32, shape (n, count)
        Rows add up to 1.
    """
    inside = np.clip(positions, 1.0, count - 2.0 - 1e-6)
    first = np.floor(inside).astype(int)
    t = inside - first
    cubes = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((len(inside), count), np.float32)
    for step, values in enumerate(cubes):
        weights[np.arange(len(inside)), first - 1 + step] = values / 6.0
    return weights


def separable(array: Floats, weights: tuple[Floats | None, Floats | None, Floats | None]) -> Floats:
    """Multiply each axis of a 3-D array by a matrix, shapes (out, in); None leaves the axis as it is."""
    first, second, third = weights
    if first is not None:
        array = (first @ array.reshape(array.shape[0], -1)).reshape(first.shape[0], *array.shape[1:])
    if second is not None:
        array = np.matmul(second, array)
    if third is not None:
        array = array @ third.T
    return array


def interpolated(array: Floats, positions: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]) -> Floats:
    """Linear interpolation of the last three axes at `positions` (in voxels, taken inside the array) along each of them."""
    for axis, where in zip((-3, -2, -1), positions, strict=True):
        size = array.shape[axis]
        low = np.clip(np.floor(where).astype(np.intp), 0, max(size - 2, 0))
        part = np.clip(where - low, 0.0, 1.0).astype(np.float32).reshape([-1] + [1] * (-axis - 1))
        start = np.take(array, low, axis)
        step = np.take(array, np.minimum(low + 1, size - 1), axis)
        step -= start
        step *= part
        start += step
        array = start
    return array


def smooth_field(shape: tuple[int, int, int], step: tuple[float, float, float], rng: np.random.Generator) -> Floats:
    """A random field of mean 0 and standard deviation about 1.

    Parameters
    ----------
    shape : tuple of int
        Voxels.
    step : tuple of float
        Distance of the control points in voxels along each axis: what is smaller than this is smooth.
    rng : numpy.random.Generator
        Where the control points come from.
    """
    counts = [int(np.ceil(n / s)) + 4 for n, s in zip(shape, step, strict=True)]
    controls = rng.standard_normal(counts, dtype=np.float32)
    # The spline on some points between the control points, straight lines between these: the eye sees no difference.
    strides = [max(s / 4.0, 1.5) for s in step]
    coarse = [np.arange(np.ceil(n / d) + 1) * d for n, d in zip(shape, strides, strict=True)]
    weights = [spline_weights(at / s + 1.5, c) for at, s, c in zip(coarse, step, counts, strict=True)]
    field = _UNIT * separable(controls, (weights[0], weights[1], weights[2]))
    return interpolated(field, (np.arange(shape[0]) / strides[0], np.arange(shape[1]) / strides[1], np.arange(shape[2]) / strides[2]))
