"""Simulate a FLAIR-like scan of a brain with multiple-sclerosis-like lesions from tissue maps of a template.

No patient's image or lesion mask goes in: the anatomy is a population average bent by a random smooth deformation, the lesions come from
the shape generator below. The contrast is that of FLAIR: fluid dark, white matter mid, grey matter brighter, lesions brightest; besides
them it has what is bright on real FLAIR without being a lesion (ventricular caps and rims, choroid plexus, inflow in the cisterns,
remains at the brain's rim), so that a threshold alone does not get everything right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WHITE, GREY, FLUID = 100.0, 122.0, 18.0  # signal of pure tissue, white matter = 100
_FWHM_MM = (1.1, 1.1, 1.9)  # resolution of the pretended acquisition: 2-D slices, thicker than the in-plane voxel
_NOISE = 5.5  # sigma of the two Gaussian channels of the magnitude image, white matter = 100


@dataclass(frozen=True)
class Template:
    """Maps of one template on one 1 mm RAS grid, each of shape (i, j, k).

    Parameters
    ----------
    t1 : array
        T1-weighted intensity, 0-255, 0 outside the brain.
    grey, white : array
        Probability of grey and white matter, 0-1.
    affine : array, shape (4, 4)
        Voxel index to mm.
    """

    t1: Floats
    grey: Floats
    white: Floats
    affine: Floats


@dataclass(frozen=True)
class Simulation:
    """What `simulate` returns: the image (uint8 levels), the exact lesion mask and the brain mask."""

    image: NDArray[np.uint8]
    lesions: Bools
    brain: Bools


@dataclass(frozen=True)
class _Tissue:
    """Fractions of the three tissues in every voxel (they sum to 1 in the brain) and distances in mm."""

    brain: Bools
    fluid: Floats
    grey: Floats
    white: Floats
    ventricles: Bools
    from_ventricles: Floats
    from_cortex: Floats
    mm: tuple[Floats, Floats, Floats]


def simulate(template: Template, seed: int) -> Simulation:
    """Make the scan.

    Parameters
    ----------
    template : Template
        The anatomy.
    seed : int
        Of every random choice; the same seed gives the same scan.
    """
    rng = np.random.default_rng(seed)
    tissue = _tissue(_bend(template, rng))
    lesions, strength = _lesions(tissue, rng)
    signal = FLUID * tissue.fluid + GREY * tissue.grey + WHITE * tissue.white
    signal = _confounders(signal, tissue, rng)
    # Tissue around lesions is often a little bright too, without being called lesion by a rater.
    signal += 7.0 * ndimage.gaussian_filter(lesions.astype(float), 4.0) * tissue.white
    signal += strength * (1.0 - tissue.fluid)
    signal *= 1.0 + 0.03 * _noise_field(signal.shape, 2.5, rng)
    signal *= _bias(signal.shape, rng)
    sigmas = [fwhm / 2.3548 for fwhm in _FWHM_MM]
    signal = ndimage.gaussian_filter(np.where(tissue.brain, signal, FLUID), sigmas)
    magnitude = np.hypot(signal + _NOISE * rng.standard_normal(signal.shape), _NOISE * rng.standard_normal(signal.shape))
    levels = np.clip(np.rint(magnitude), 1, 255)
    return Simulation(np.where(tissue.brain, levels, 0).astype(np.uint8), lesions, tissue.brain)


def largest_component(mask: Bools) -> Bools:
    """The largest 6-connected piece of a mask."""
    labels, _ = ndimage.label(mask)
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))


def _noise_field(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Floats:
    """Smooth Gaussian random field of zero mean and unit variance; `sigma` is its correlation length in voxels."""
    step = max(1, int(sigma / 2))
    margin = 4 if step > 1 else 0
    smooth = ndimage.gaussian_filter(rng.standard_normal([n // step + margin for n in shape]), sigma / step, mode="wrap")
    if step > 1:
        where = np.meshgrid(*[np.arange(n) / step + 1.0 for n in shape], indexing="ij", sparse=False)
        smooth = ndimage.map_coordinates(smooth, where, order=1)
    return np.asarray((smooth - smooth.mean()) / smooth.std())


def _bend(template: Template, rng: np.random.Generator) -> Template:
    """A random smooth deformation (a few mm), and wider ventricles: the template is symmetric, subjects are not."""
    shape = template.t1.shape
    index = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij"))
    coordinates = index + np.stack([2.2 * _noise_field(shape, 16.0, rng) + 0.4 * _noise_field(shape, 7.0, rng) for _ in range(3)])
    fluid = (template.t1 > 0) & (template.t1 < 110) & (template.grey + template.white < 0.5)
    ventricles = _ventricles(fluid, template.affine)
    # Sampling nearer to the ventricles than one stands makes them grow; the push fades within the white matter.
    distance = ndimage.distance_transform_edt(~ventricles) - ndimage.distance_transform_edt(ventricles)
    smooth = ndimage.gaussian_filter(distance, 2.0)
    push = 1.8 * np.exp(-((np.maximum(smooth, 0.0) / 9.0) ** 2))
    coordinates -= push * np.stack(np.gradient(smooth))
    t1, grey, white = (ndimage.map_coordinates(image, coordinates, order=1) for image in (template.t1, template.grey, template.white))
    return Template(t1, grey, white, template.affine)


def _ventricles(fluid: Bools, affine: Floats) -> Bools:
    """Lateral and third ventricles: the fluid deep inside the brain."""
    x, y, z = _millimetres(fluid.shape, affine)
    deep = fluid & (np.abs(x) < 45) & (y > -62) & (y < 40) & (z > -8) & (z < 34)
    labels, count = ndimage.label(deep)
    if count == 0:
        return np.zeros_like(fluid)
    sizes = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.flatnonzero(sizes > 400))


def _millimetres(shape: tuple[int, ...], affine: Floats) -> tuple[Floats, Floats, Floats]:
    """World coordinates along each axis, broadcastable over the volume (the grid has no rotation)."""
    axes = [affine[axis, axis] * np.arange(shape[axis]) + affine[axis, 3] for axis in range(3)]
    return axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]


def _tissue(template: Template) -> _Tissue:
    """Tissue fractions, sharper than the average of many heads: steeper probabilities, unsharp T1 for the fluid in the sulci."""
    inside = template.t1 > 20
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(inside, 8), iterations=4))[8:-8, 8:-8, 8:-8]
    brain = largest_component(ndimage.binary_dilation(brain, iterations=1))
    t1 = np.where(inside, template.t1, 40.0)
    crisp = t1 + 2.2 * (t1 - ndimage.gaussian_filter(t1, 2.0))
    fluid = np.clip((142.0 - crisp) / 60.0, 0.0, 1.0)
    white = 1.0 / (1.0 + np.exp(-(template.white - 0.5) / 0.09))
    white = (1.0 - fluid) * white
    fluid, white = np.where(brain, fluid, 1.0), np.where(brain, white, 0.0)
    grey = 1.0 - fluid - white
    ventricles = _ventricles(fluid > 0.5, template.affine)
    return _Tissue(
        brain=brain,
        fluid=fluid,
        grey=grey,
        white=white,
        ventricles=ventricles,
        from_ventricles=ndimage.distance_transform_edt(~ventricles),
        from_cortex=ndimage.distance_transform_edt(white > 0.5),
        mm=_millimetres(brain.shape, template.affine),
    )


def _lesions(tissue: _Tissue, rng: np.random.Generator) -> tuple[Bools, Floats]:
    """Where the lesions are (exact), and how much signal they add, with soft edges."""
    shape = tissue.brain.shape
    x, y, z = tissue.mm
    allowed = (tissue.white > 0.35) & (z > -30)
    cerebrum = allowed & (z > -5)
    near = tissue.from_ventricles
    groups = (
        # (where centres may be, how many, mean radius mm, elongation away from the ventricle)
        (cerebrum & (near > 1) & (near < 5) & (np.abs(x) > 9) & (np.abs(y + 12) > 10), 20, 4.0, 1.8),
        (cerebrum & (near > 6) & (tissue.from_cortex > 4), 12, 2.8, 1.3),
        (cerebrum & (near > 10) & (tissue.from_cortex < 3) & (tissue.white > 0.7), 12, 2.6, 1.0),
        (allowed & (z < -14) & (np.abs(x) < 30) & (y < -15), 2, 2.0, 1.0),
    )
    gradient = np.stack(np.gradient(ndimage.gaussian_filter(near, 2.0)))
    lesions, strength = np.zeros(shape, bool), np.zeros(shape)
    for where, count, radius, elongation in groups:
        sites = np.argwhere(where)
        for _ in range(count):
            centre = sites[rng.integers(len(sites))]
            blob = _blob(shape, centre, gradient[:, centre[0], centre[1], centre[2]], radius * rng.lognormal(0.0, 0.28), elongation, rng)
            blob &= allowed
            lesions |= blob
            level = rng.uniform(40.0, 66.0)
            strength = np.maximum(strength, level * ndimage.gaussian_filter(blob.astype(float), 0.6))
    # A patch of a few voxels, cut off by the edge of the white matter, is not a lesion that anybody would draw.
    labels, _ = ndimage.label(lesions, np.ones((3, 3, 3)))
    small = np.isin(labels, np.flatnonzero(np.bincount(labels.ravel()) < 12))
    lesions &= ~small
    strength *= ndimage.gaussian_filter((~small).astype(float), 0.6)
    return lesions, strength


def _blob(
    shape: tuple[int, ...], centre: NDArray[np.int64], away: Floats, radius: float, elongation: float, rng: np.random.Generator
) -> Bools:
    """One irregular lesion: an ellipsoid, long in the direction `away`, whose surface is moved by a random field."""
    half = int(np.ceil(radius * elongation * 1.8)) + 2
    low = np.maximum(centre - half, 0)
    high = np.minimum(centre + half + 1, shape)
    offset = np.stack(np.meshgrid(*[np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)], indexing="ij"))
    direction = away / max(float(np.linalg.norm(away)), 1e-6)
    along = np.tensordot(direction, offset, axes=1)
    across = np.sqrt(np.maximum((offset**2).sum(axis=0) - along**2, 0.0))
    distance = np.hypot(along / elongation, across) / radius
    field = _noise_field(offset.shape[1:], max(1.2, radius * 0.55), rng)
    blob = np.zeros(shape, bool)
    labels, _ = ndimage.label(distance + 0.4 * field < 1.0)
    middle = tuple(np.minimum(centre - low, np.array(labels.shape) - 1))
    if labels[middle] > 0:
        blob[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = labels == labels[middle]
    return blob


def _confounders(signal: Floats, tissue: _Tissue, rng: np.random.Generator) -> Floats:
    """Bright without being a lesion: see the module's text."""
    x, y, z = tissue.mm
    shape = signal.shape
    near = np.where(tissue.ventricles, np.inf, tissue.from_ventricles)
    soft = 1.0 - tissue.fluid
    cingulate = np.exp(-((x / 12.0) ** 2)) * (near > 9) * (z > 0)
    insula = np.exp(-(((np.abs(x) - 38) / 6.0) ** 2 + ((y - 4) / 18.0) ** 2 + ((z - 2) / 14.0) ** 2))
    signal = signal + tissue.grey * (8.0 * (cingulate + insula) + 3.5 * _noise_field(shape, 12.0, rng))
    # Iron and myelin make the deep nuclei darker than the cortex.
    signal -= 14.0 * tissue.grey * np.exp(-(((x / 28.0) ** 2 + ((y + 4) / 30.0) ** 2 + ((z - 3) / 16.0) ** 2) ** 2))
    signal += 14.0 * soft * np.exp(-((near / 1.4) ** 2))
    for side in (-1, 1):
        for tip, size in (((side * 17, 33, 4), 5.5), ((side * 27, -62, 12), 5.0)):
            distance = np.sqrt((x - tip[0]) ** 2 + (y - tip[1]) ** 2 + (z - tip[2]) ** 2)
            signal += 26.0 * tissue.white * np.exp(-((distance / size) ** 2))
        tract = np.sqrt((x - side * 24) ** 2 + (y + 18) ** 2)
        signal += 7.0 * tissue.white * np.exp(-((tract / 4.0) ** 2)) * (z > -5) * (z < 30)
        plexus = np.exp(-(((x - side * 22) / 5.0) ** 2 + ((y + 38) / 6.0) ** 2 + ((z - 8) / 5.0) ** 2))
        signal += 120.0 * tissue.ventricles * plexus * (_noise_field(shape, 1.5, rng) > 0.3)
    inflow = ((z < -8) & (np.abs(x) < 20) & (y < 12) & (_noise_field(shape, 3.0, rng) > 1.0)) * tissue.fluid
    signal += 70.0 * ndimage.gaussian_filter(inflow * tissue.brain, 0.8)
    rim = tissue.brain & ~ndimage.binary_erosion(tissue.brain, iterations=3)
    remains = rim & (_noise_field(shape, 5.0, rng) > 2.0) & (_noise_field(shape, 1.5, rng) > 0.0)
    return np.asarray(signal + 90.0 * ndimage.gaussian_filter(remains.astype(float), 0.7))


def _bias(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Smooth multiplicative field of a receive coil: brighter towards the surface, and a random tilt."""
    axes = np.meshgrid(*[np.linspace(-1.0, 1.0, n) for n in shape], indexing="ij")
    radial = sum(axis**2 for axis in axes) / 3.0
    return np.asarray(np.exp(0.10 * (radial - 0.33) + 0.035 * _noise_field(shape, 45.0, rng)))
