"""From a head at 1 mm to the voxels of a scan: resolution, slices, coil and noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .fields import Floats, smooth_field
from .params import SimulationParams

FWHM = 2.3548
"""Width at half height of a Gaussian over its standard deviation."""

INSIDE = 0.5
"""A voxel belongs to a mask or truth when at least this fraction of its volume does."""

_BIAS_MM, _TEXTURE_MM, _GRAIN_MM = 60.0, 8.0, 3.0


def voxel_size(params: SimulationParams) -> tuple[float, float, float]:
    """Voxels along i, j, k in mm."""
    return params.spacing_mm, params.spacing_mm, params.thickness_mm or params.spacing_mm


def average(array: NDArray[np.generic], size: tuple[float, float, float]) -> Floats:
    """Mean of a 1 mm array over each voxel of `size` mm; what the last voxels cover beyond the array counts as 0."""
    result = np.asarray(array, dtype=np.float32)
    for axis in (2, 1, 0):
        if size[axis] != 1.0:
            result = np.moveaxis(_average_last(np.moveaxis(result, axis, 2), size[axis]), 2, axis)
    return np.ascontiguousarray(result)


def _average_last(array: Floats, size: float) -> Floats:
    length = array.shape[2]
    count = int(np.ceil(length / size - 1e-6))
    if size.is_integer():
        step = int(size)
        total = array[:, :, 0::step].copy()
        for start in range(1, step):
            part = array[:, :, start::step]
            total[:, :, : part.shape[2]] += part
        return np.asarray(total * np.float32(1.0 / step))
    starts, fine = np.arange(count) * size, np.arange(length)
    overlap = np.minimum(starts[:, None] + size, fine + 1.0) - np.maximum(starts[:, None], fine)
    weights = (np.clip(overlap, 0.0, None) / size).astype(np.float32)
    return np.asarray(array @ weights.T)


def fraction_inside(mask: NDArray[np.bool_], size: tuple[float, float, float]) -> NDArray[np.bool_]:
    """A mask on the scan's voxels: those of which at least `INSIDE` belongs to it."""
    if size == (1.0, 1.0, 1.0):
        return mask
    return np.asarray(average(mask, size) >= INSIDE - 1e-4)


def majority(classes: NDArray[np.uint8], inside: NDArray[np.bool_], size: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Classes 1 to 3 on the scan's voxels: the one with the largest share of the voxel, the lower one of equals; 0 not `inside`."""
    if size == (1.0, 1.0, 1.0):
        return classes
    shares = np.stack([average(classes == one, size) for one in (1, 2, 3)])
    return np.where(inside, 1 + shares.argmax(axis=0), 0).astype(np.uint8)


def acquire(signal: Floats, white: float, params: SimulationParams, rng: np.random.Generator) -> Floats:
    """The magnitude image of a head.

    Parameters
    ----------
    signal : array of float32, shape (i, j, k)
        What each 1 mm sends.
    white : float
        Signal that `SimulationParams.noise` is a fraction of.
    params : SimulationParams
        Resolution, voxels, texture, bias, noise.
    rng : numpy.random.Generator
        Of everything random.

    Returns
    -------
    array of float32
        Shape after averaging to the voxels of `voxel_size`.
    """
    size = voxel_size(params)
    # Averaging to the voxels is itself a blur of about their size; the rest of the resolution asked for is added before.
    sigma = math.sqrt(max(params.resolution_mm**2 - params.spacing_mm**2, 0.0)) / FWHM
    if sigma > 0.1:
        signal = ndimage.gaussian_filter(signal, (sigma, sigma, sigma if size[2] == params.spacing_mm else 0.0), truncate=3.0)
    image = average(signal, size)
    shape = (image.shape[0], image.shape[1], image.shape[2])
    if params.texture > 0.0:
        field = 0.8 * _field(shape, size, _TEXTURE_MM, rng) + 0.6 * _field(shape, size, _GRAIN_MM, rng)
        image = image * (1.0 + np.float32(params.texture) * field)
    if params.bias > 0.0:
        image = with_bias(image, params.bias, size, rng)
    if params.noise > 0.0:
        image = with_noise(image, params.noise * white, rng)
    return image.astype(np.float32, copy=False)


def with_bias(image: Floats, spread: float, size: tuple[float, float, float], rng: np.random.Generator) -> Floats:
    """An image under a smooth bias field.

    Parameters
    ----------
    image : array of float32, shape (i, j, k)
        Voxels of `size` mm.
    spread : float
        Standard deviation of the logarithm of the field.
    """
    shape = (image.shape[0], image.shape[1], image.shape[2])
    return np.asarray(image * np.exp(np.float32(spread) * _field(shape, size, _BIAS_MM, rng)))


def with_noise(image: Floats, deviation: float, rng: np.random.Generator) -> Floats:
    """A magnitude image of the same with noise of this standard deviation in both channels (Rician; Gudbjartsson and Patz 1995)."""
    sd, shape = np.float32(deviation), image.shape
    real = image + sd * rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(np.hypot(real, sd * rng.standard_normal(shape, dtype=np.float32)))


def _field(shape: tuple[int, int, int], size: tuple[float, float, float], distance_mm: float, rng: np.random.Generator) -> Floats:
    return smooth_field(shape, (distance_mm / size[0], distance_mm / size[1], distance_mm / size[2]), rng)
