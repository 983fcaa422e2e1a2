"""Aligning two brains: rigid within a patient, affine to the template, by mutual information, so for any pair of contrasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.memory import out_of_memory
from ..core.progress import Progress
from ..core.volume import Grid, Volume
from .field_of_view import field_of_view
from .geometry import resample_array
from .itk import steady

_LEVELS = ((4.0, 0.5), (2.0, 0.25))
"""Voxel size in mm and share of the voxels looked at, coarse to fine."""

_MARGIN_MM = 8.0
"""How far around the fixed brain is looked: its edge is what tells size and place."""


_AIR_MM = 40.0
"""Air (0) put around the moving image: the metric leaves out what falls outside it, and would reward pushing the brain there. Where the
image cuts the brain off there is no air: nothing is known."""

_SLIDE_MM = 15.0
"""How far along a cut axis other starts lie: the centre of what is left of a brain is not the brain's."""


_CLIP = (1.0, 99.0)


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one brain maps to another.

    Parameters
    ----------
    matrix : array, shape (4, 4)
        World mm of the fixed brain to world mm of the moving one.
    information : float
        Mutual information reached (higher = better), at the last level.
    """

    matrix: NDArray[np.float64]
    information: float


def align(fixed: Volume, moving: Volume, kind: Literal["rigid", "affine"], progress: Progress) -> Alignment:
    """Find where each point of `fixed` lies in `moving`.

    Parameters
    ----------
    fixed, moving : Volume
        `fixed` with a brain mask: only it and 8 mm around it are looked at. Affine alignment needs the brain mask of `moving` too,
        and takes both images as 0 outside; rigid alignment uses whole heads.
    kind : {"rigid", "affine"}
        6 or 12 degrees of freedom.
    progress : Progress
        Told how far it is; its cancelling stops it.

    Returns
    -------
    Alignment

    Raises
    ------
    InputError
        If a brain mask is missing or empty, or the brains cannot be brought to overlap.

    Notes
    -----
    Mattes mutual information with 32 bins (Mattes et al., SPIE 2001), gradient descent with steps in mm, on voxels of 4 mm, then
    2 mm. Affine alignment starts from the brains' centres and sizes (from several when the image cuts the moving brain off), and looks
    only at what `moving` shows; rigid alignment starts from the scanner's coordinates and from the heads' centres. What ends best is
    kept.
    """
    for volume in (fixed, moving) if kind == "affine" else (fixed,):
        if volume.mask is None or not volume.mask.any():
            raise InputError(f"{volume.name} cannot be aligned", why="its brain mask is missing or empty", fix="Extract the brain first")
    if kind == "affine":
        fixed, moving = _only_brain(fixed), _only_brain(moving)
    starts = _starts(fixed, moving, kind)
    (coarse, coarse_share), (fine, fine_share) = _LEVELS
    images = _coarse(fixed, coarse), _coarse(moving, coarse, _AIR_MM)
    tried = [_refine(*images, start, kind, coarse_share, progress.part(0.0, 0.5)) for start in starts]
    # The coarse level can lead a rigid search astray (T2 at 4 mm is little but bright fluid): the fine one also starts from where it did.
    guesses = [max(tried, key=lambda one: one[1])[0]] if kind == "affine" else [*(matrix for matrix, _ in tried), *starts]
    images = _coarse(fixed, fine), _coarse(moving, fine, _AIR_MM)
    found = [_refine(*images, guess, kind, fine_share, progress.part(0.5, 1.0)) for guess in guesses]
    matrix, information = max(found, key=lambda one: one[1])
    # Threads add up in any order, which changes the last digits: rounded, the same scans give the same numbers.
    return Alignment(np.round(matrix, 8), information)


def rigid_words(matrix: NDArray[np.float64], grid: Grid) -> str:
    """How far a rigid transform turns and shifts what lies on a grid, in words: "3.2 degrees, 1.5 mm"."""
    angle = np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1.0) / 2.0, -1.0, 1.0)))
    centre = grid.to_world((np.array(grid.shape) - 1) / 2)
    shift = np.linalg.norm((matrix[:3, :3] @ centre + matrix[:3, 3]) - centre)
    return f"{angle:.1f} degrees, {shift:.1f} mm"


def by_centres(fixed: Volume, moving: Volume) -> NDArray[np.float64]:
    """A rough affine alignment of two brains, whose masks must be known: their centres and sizes agree; see `align`."""
    return _starts(fixed, moving, "affine")[0]


def _only_brain(volume: Volume) -> Volume:
    assert volume.mask is not None
    return volume.with_data(np.where(volume.mask, volume.data, np.float32(0.0)))


def _starts(fixed: Volume, moving: Volume, kind: str) -> list[NDArray[np.float64]]:
    """Where to start from; each is tried.

    Sequences of one session mostly share the scanner's coordinates, but not after the patient got up in between.
    """
    heads = [volume if kind == "affine" else volume.with_mask(None) for volume in (fixed, moving)]
    (centre, size), (own_centre, own_size) = (_moments(volume) for volume in heads)
    if kind == "rigid":
        return [np.eye(4), _about(np.ones(3), centre, own_centre)]
    assert moving.mask is not None
    cut = field_of_view(moving.mask, moving.grid).cut_axes()
    scale = own_size / size
    scale[cut] = scale[~cut].mean() if not cut.all() else 1.0
    scale = np.clip(scale, 0.75, 1.33)
    slides = [step * _SLIDE_MM * np.eye(3)[axis] for axis in np.flatnonzero(cut) for step in (-1, 1)]
    return [_about(scale, centre, own_centre + slide) for slide in (np.zeros(3), *slides)]


def _about(scale: NDArray[np.float64], centre: NDArray[np.float64], own_centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transform that takes one centre to the other and scales about it."""
    matrix = np.diag([*scale, 1.0])
    matrix[:3, 3] = own_centre - scale * centre
    return matrix


def _moments(volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of the brain, or of the head without a mask, and its extent (standard deviation along the world axes), in mm."""
    points = volume.grid.to_world(np.argwhere(_seen(volume))[::7])
    return points.mean(axis=0), points.std(axis=0)


def _seen(volume: Volume) -> NDArray[np.bool_]:
    """The brain, or without a mask whatever is brighter than the mean."""
    return volume.mask if volume.mask is not None else np.asarray(volume.data > volume.data.mean())


@dataclass(frozen=True, eq=False)
class _Coarse:
    image: sitk.Image
    mask: sitk.Image
    known: sitk.Image | None
    """1 where the image tells what there is; None when that is everywhere."""


def _coarse(volume: Volume, spacing: float, around: float = _MARGIN_MM) -> _Coarse:
    """The brain and its surroundings on an upright grid of their own, blurred to the voxel size, in SimpleITK's frame.

    World axes are kept (RAS numbers, not ITK's LPS): both images speak the same, so the transform does too.
    """
    seen = _seen(volume)
    corners = volume.grid.to_world(_box_corners(seen))
    low, high = corners.min(axis=0) - around, corners.max(axis=0) + around
    fine = max(spacing / 2.0, 1.0)
    shrink = round(spacing / fine)
    shape = np.ceil((high - low) / fine).astype(int) + 1
    affine = np.diag([fine, fine, fine, 1.0])
    affine[:3, 3] = low
    grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
    data = resample_array(volume.data, volume.grid, grid)
    inside = resample_array(seen.astype(np.float32), volume.grid, grid)
    top = float(np.percentile(volume.data[seen], 99.5))
    image = _placed(np.clip(data, None, top), grid)
    image = sitk.DiscreteGaussian(image, [(spacing / 2.0) ** 2] * 3) if shrink > 1 else image
    mask = sitk.BinaryDilate(sitk.Cast(_placed(inside, grid) > 0.5, sitk.sitkUInt8), [int(np.ceil(_MARGIN_MM / 2 / fine))] * 3)
    image = sitk.Shrink(image, [shrink] * 3)
    return _Coarse(image, sitk.Shrink(mask, [shrink] * 3), _known(volume, image))


def _known(volume: Volume, image: sitk.Image) -> sitk.Image | None:
    if volume.mask is None or field_of_view(volume.mask, volume.grid).whole:
        return None
    view = field_of_view(volume.mask, volume.grid)
    size, spacing, origin = image.GetSize(), np.array(image.GetSpacing()), np.array(image.GetOrigin())
    places = np.moveaxis(np.indices(size), 0, -1).reshape(-1, 3) * spacing + origin
    known = sitk.GetImageFromArray(np.ascontiguousarray(view.holds(places).reshape(size).T.astype(np.uint8)))
    known.CopyInformation(image)
    return known


def _box_corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    ends = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    return np.array([[i, j, k] for i in ends[0] for j in ends[1] for k in ends[2]], dtype=np.float64)


def _placed(data: NDArray[Any], grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.affine[:3, 3].tolist())
    return image


def _refine(
    fixed: _Coarse, moving: _Coarse, matrix: NDArray[np.float64], kind: str, share: float, progress: Progress
) -> tuple[NDArray[np.float64], float]:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(share, seed=1)
    method.SetMetricFixedMask(fixed.mask)
    if kind == "affine" and moving.known is not None:
        method.SetMetricMovingMask(moving.known)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.01, numberOfIterations=_ITERATIONS, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    transform = _transform(fixed.image, matrix, kind)
    method.SetInitialTransform(transform, inPlace=True)
    report = _reporter(method, progress)
    method.AddCommand(sitk.sitkIterationEvent, report)
    try:
        with steady(method, progress):
            method.Execute(fixed.image, moving.image)
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise InputError("The brains cannot be aligned", why="they do not overlap", fix="Check the scan's orientation") from error
    return _matrix(transform), -float(method.GetMetricValue())


_ITERATIONS = 150


def _reporter(method: sitk.ImageRegistrationMethod, progress: Progress) -> Callable[[], None]:
    def report() -> None:
        if not progress.cancelled:
            progress.update(method.GetOptimizerIteration() / _ITERATIONS)

    return report


def _transform(image: sitk.Image, matrix: NDArray[np.float64], kind: str) -> Any:
    """An ITK transform that does what `matrix` does, turning about the image's centre."""
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    transform: Any = sitk.Euler3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    transform.SetCenter(centre.tolist())
    if kind == "rigid":
        transform.SetMatrix(matrix[:3, :3].ravel().tolist(), 1e-6)
    else:
        transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation((matrix[:3, :3] @ centre + matrix[:3, 3] - centre).tolist())
    return transform


def _matrix(transform: Any) -> NDArray[np.float64]:
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - linear @ centre
    return matrix


def clipped(volume: Volume) -> Volume:
    """The brain's intensities, 1st to 99th percentile, as 0 to 1, and 0 around it: vessels and remnants of the skull pull at no measure.

    Without a mask, the brain is what differs from 0.
    """
    brain = volume.mask if volume.mask is not None else volume.data != 0
    low, high = np.percentile(volume.data[brain], _CLIP) if brain.any() else (0.0, 1.0)
    data = np.where(brain, np.clip((volume.data - low) / max(high - low, 1e-12), 0.0, 1.0), 0.0)
    return replace(volume, data=data.astype(np.float32), mask=brain)


def correlation(first: NDArray[np.float32], second: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Normalised cross-correlation (Pearson) of two images inside a mask; 0 when one of them is constant there."""
    a, b = first[mask].astype(np.float64), second[mask].astype(np.float64)
    if a.size < 2 or a.std() == 0.0 or b.std() == 0.0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 2 |A and B| / (|A| + |B|); 0 when both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else 0.0
