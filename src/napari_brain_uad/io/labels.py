"""What the values of an image say: labels or a mask, whatever the file is called, and no scan; or a scan, and no mask.

Real scans stay scans however few grey values they have: each value is scattered over the brain, where a label fills a patch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding

NOISE = 1e-3
"""Interpolation leaves whole numbers this far (of the number, or of 1) from where they were."""

INSIDE = 0.5
"""Above it a voxel of a mask in floating point is inside: half of it belongs to what a fraction or a probability is of."""

_OVERSHOOT = 0.25
"""Interpolation (splines, Lanczos) leaves a mask's values this far beyond 0 and 1 at its edges."""

HIGHEST_LABEL = 65535

TRUTH = "ground truth"
"""What messages call the mask that may not hold a map of scores either; as a brain mask a map of probabilities will do."""

_STEP, _ALIKE = 4, 0.5

_NOT_WHOLE = 0.05
"""From here on a number is a fraction of a label, as the edges of a resampled mask are."""

_FEW_LABELS, _MANY_VALUES = 8, 16
"""Numbers up to the first are names of the parts of a lesion or of tissues. From the second on (0 among them) values are told by where they
lie: fewer in patches may be a phantom."""

_LEAST_TISSUE, _LEAST_BRAIN = 0.05, 0.08
"""Shares of a tissue in a brain and of a brain in its image, at least."""

_IN_ONE_PIECE = 0.75
"""A value's voxels lie in one piece to this part, on average over the values. Of label maps (MUSE, SynthSeg, BraTS) it is 0.88 to 1, of
scans (8-bit ones, compressed pictures and enlarged ones, too) 0.02 to 0.24."""

_FEWEST_RUNS = 8
"""Runs of equal planes that tell an enlarged image; a few boxes of labels have some of one length, too."""


def is_binary(data: NDArray[Any]) -> bool:
    """Whether values are 0 and one other, which is above 0.5; an empty mask, all of it 0, is none."""
    high = float(data.max()) if data.size else 0.0
    if not INSIDE < high < np.inf:
        return False
    # A scan is told from a few of its voxels.
    return all(_two_valued(part, high) for part in (data[::_STEP, ::_STEP, ::_STEP], data)) and bool((data <= high / 2).any())


def is_flat(data: NDArray[Any]) -> bool:
    """Whether neighbours are mostly alike: the grey values of most scans, whole numbers though they may be, are not."""
    return _holds_before_enlarging(_flat, data)


def _flat(data: NDArray[Any]) -> bool:
    one, next_to_it = (np.rint(part) for part in (data[:-1], data[1:]))
    pairs = (one != 0) & (next_to_it != 0)
    return not pairs.any() or float((one == next_to_it)[pairs].mean()) > _ALIKE


def is_whole(data: NDArray[Any]) -> bool:
    """Whether values are whole numbers, but for the noise of an interpolation."""
    return not np.issubdtype(data.dtype, np.floating) or bool((np.abs(data - np.rint(data)) <= NOISE).all())


def is_label_map(data: NDArray[Any]) -> bool:
    """Whether an image holds labels, by its values alone: whole numbers in patches, none above 8 or each of many mostly in one piece."""
    if not data.size or float(data.min()) < -NOISE or float(data.max()) > HIGHEST_LABEL:
        return False
    if not (is_whole(data[::_STEP, ::_STEP, ::_STEP]) and is_whole(data) and is_flat(data)):
        return False
    labels = np.rint(data).astype(np.uint16)
    if not labels.any():
        return False
    counts = np.bincount(labels.ravel())
    if counts.size <= _FEW_LABELS + 1:
        return not _are_tissue_classes(counts)
    if np.count_nonzero(counts) < _MANY_VALUES:
        return False
    pieces = cc3d.connected_components(labels, connectivity=6)
    sizes = np.bincount(pieces.ravel())
    label_of = np.zeros(sizes.size, np.int64)
    label_of[pieces.ravel()] = labels.ravel()
    together = np.bincount(label_of[1:], weights=sizes[1:])
    largest = np.zeros(together.size, np.int64)
    np.maximum.at(largest, label_of[1:], sizes[1:])
    there = together > 0
    return float((largest[there] / together[there]).mean()) >= _IN_ONE_PIECE


def inside(data: NDArray[Any], whole: bool | None = None) -> NDArray[np.bool_]:
    """The voxels inside a mask: above 0 where it holds whole numbers (by its type unless told), above a half where others."""
    whole = not np.issubdtype(data.dtype, np.floating) if whole is None else whole
    return np.asarray(data > (0 if whole else INSIDE))


def check_given_as(label: str, data: NDArray[Any], scan: NDArray[Any] | None = None) -> tuple[Finding | None, ...]:
    """What is wrong with values that were given as a mask: in a file, as an array, or as an image in the viewer.

    Parameters
    ----------
    label : str
        What to call the mask; `TRUTH` may hold no map of scores either.
    data, scan : array
        As for `check_is_mask`.
    """
    return (check_no_grey_values(data, label) if label == TRUTH else None, check_is_mask(data, label, scan))


def check_is_mask(data: NDArray[Any], label: str, scan: NDArray[Any] | None = None) -> Finding | None:
    """A mask holds two values or few, fractions from 0 to 1, or labels in patches; what of a scan would be inside is not known.

    Parameters
    ----------
    data : array, shape (i, j, k)
        The values.
    label : str
        What to call the mask.
    scan : array, same shape, optional
        The scan's values, which may lie between 0 and 1, too.
    """
    if data.dtype == np.bool_ or not data.size or is_binary(data):
        return None
    fix = "Give 0 and 1, labels (above 0 is inside) or fractions from 0 to 1 (above 0.5); a brain cut out of its scan is given as the scan"
    if float(data.min()) >= -_OVERSHOOT and float(data.max()) <= 1.0 + _OVERSHOOT:
        itself = scan is not None and data.shape == scan.shape and np.array_equal(data, scan) and not _has_few_values(data)
        return Finding("no-mask", "error", f"it is the scan itself, and no {label}", fix) if itself else None
    if _has_few_values(data) or _in_patches(data):
        return None
    return Finding("no-mask", "error", f"it holds {np.unique(data).size:,} values, as a scan does, and is no {label}", fix)


def check_no_labels(data: NDArray[Any]) -> Finding | None:
    """A mask or a label map is no scan: its numbers are names, and the highest ones would be found to be anomalies."""
    if is_binary(data):
        what = "it holds two values, as a mask does"
    elif is_label_map(data):
        what = f"it holds {np.unique(np.rint(data)).size} values in patches, as a map of labels does"
    else:
        return None
    return Finding("labels", "error", f"{what}, and is no scan", "Give the scan that it was drawn on")


def check_no_grey_values(data: NDArray[Any], what: str) -> Finding | None:
    """A scan or a map of scores is no mask: half of it would count as inside.

    Parameters
    ----------
    data : array
        Labels, fractions between 0 and 1, or what was given in their place.
    what : str
        What the mask is called.
    """
    if data.dtype == np.bool_ or not data.size or is_binary(data):
        return None
    if is_whole(data):
        # The edges of a soft mask in 8 bits are no patches either, but few.
        grey = data > NOISE if np.unique(data[::2, ::2, ::2]).size >= _MANY_VALUES and not is_flat(data) else np.zeros(1)
    else:
        grey = np.abs(data - np.rint(data)) > _NOT_WHOLE
    # Of scans and maps in fractions 14 to 99 % are grey, and of 60 masks nothing.
    if float(grey.mean()) < _LEAST_BRAIN:
        return None
    fix = f"Give the mask that was drawn: 0 outside and 1 inside, or labels above 0. The {what} and another file may be swapped"
    return Finding("grey-values", "error", f"it holds grey values, as a scan or a map does, and is no {what}", fix)


def _are_tissue_classes(counts: NDArray[np.int64]) -> bool:
    """Whether these are counts of what is around a brain, fluid, grey and white matter: methods score such maps as they score scans.

    Unlike lesions with three parts they fill a brain, each of them a good share.
    """
    brain = counts[1:].sum()
    return counts.size == 4 and bool((counts[1:] >= _LEAST_TISSUE * brain).all()) and brain >= _LEAST_BRAIN * counts.sum()


def _has_few_values(data: NDArray[Any]) -> bool:
    """Whether an image holds no more values than a few labels and their background; a scan is told from a few of its voxels."""
    return all(np.unique(part).size <= _FEW_LABELS + 1 for part in (data[::_STEP, ::_STEP, ::_STEP], data))


def _in_patches(data: NDArray[Any]) -> bool:
    """Whether neighbours mostly have the same value: of label maps 0.87 to 1 do, of scans (8-bit ones, too) 0.01 to 0.31.

    Of a scan that was enlarged by repeating its voxels most do as well, before that is undone.
    """
    return _holds_before_enlarging(_mostly_alike, data)


def _mostly_alike(data: NDArray[Any]) -> bool:
    outside = data.flat[0]  # the background of a scan is one large patch, whatever its value
    alike, there = 0, 0
    for axis in range(data.ndim):
        turned = np.moveaxis(data, axis, 0)
        one, next_to_it = turned[:-1], turned[1:]
        pairs = (one != 0) & (next_to_it != 0) & (one != outside) & (next_to_it != outside)
        first, second = one[pairs].astype(np.float64), next_to_it[pairs].astype(np.float64)
        alike += int(np.count_nonzero(np.abs(first - second) <= NOISE * np.maximum(np.abs(first), 1.0)))
        there += first.size
    return alike > _ALIKE * there


def _holds_before_enlarging(holds: Callable[[NDArray[Any]], bool], data: NDArray[Any]) -> bool:
    """Whether something holds for an image, and held before its voxels were repeated, if they were."""
    return holds(data) and ((smaller := _without_repeats(data)) is data or holds(smaller))


def _without_repeats(data: NDArray[Any]) -> NDArray[Any]:
    """An image before it was enlarged by repeating voxels (nearest neighbour) along any axes, by any factor; itself if it was not."""
    for axis in range(data.ndim):
        planes = np.moveaxis(data, axis, 0)
        if (first := _first_of_equals(planes)) is not None:
            data = np.moveaxis(planes[first], 0, axis)
    return data


def _first_of_equals(planes: NDArray[Any]) -> NDArray[np.int64] | None:
    """Of every run of equal planes the first; None where they are not those of an enlarged image, whose runs are of one length or two."""
    few = planes[:, ::_STEP, ::_STEP]
    equal = (few[1:] == few[:-1]).all(axis=(1, 2))
    for number in np.flatnonzero(equal):
        equal[number] = np.array_equal(planes[number + 1], planes[number])
    first = np.flatnonzero(np.r_[True, ~equal])
    # Planes of background alone repeat in any image, and at the edges runs may be cut.
    shown = np.array([planes[number].min() != planes[number].max() for number in first], bool)
    lengths = np.diff(np.r_[first, len(planes)])[shown][1:-1]
    if lengths.size < _FEWEST_RUNS or lengths.max() == 1 or lengths.max() - lengths.min() > 1:
        return None
    return first


def _two_valued(data: NDArray[Any], high: float) -> bool:
    noise = NOISE * max(high, 1.0)
    return bool((((data >= -noise) & (data <= noise)) | (data >= high - noise)).all())
