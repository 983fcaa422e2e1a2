"""What the labels of FreeSurfer- and SynthSeg-style maps mean: structure, side and tissue class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

BACKGROUND, CSF, GREY, WHITE = 0, 1, 2, 3
"""The tissue classes, as in `preprocessing.steps.tissue_classes`."""

RIGHT = 32
"""Added to a structure's code on the right side."""


@dataclass(frozen=True)
class Structure:
    """One kind of tissue with a signal of its own.

    Parameters
    ----------
    name : str
        What it is called in the contrast tables and messages.
    tissue : int
        0 outside the brain, 1 CSF, 2 grey matter, 3 white matter.
    labels : tuple of int
        Labels of the left side and the middle.
    right : tuple of int
        Labels of the right side.
    """

    name: str
    tissue: int
    labels: tuple[int, ...]
    right: tuple[int, ...] = ()


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


# Numbers of FreeSurferColorLUT.txt (aseg, aparc, a2009s and wmparc), and those of SynthSeg's training maps (Billot et al., 2023): the
# choroid plexus has 136, 137, 163 and 164 there, the head 500 and more. White-matter lesions (25, 57, 77-79) are white matter here:
# the population is healthy.
STRUCTURES: tuple[Structure, ...] = (
    Structure("air", BACKGROUND, (0,)),
    Structure(
        "white matter",
        WHITE,
        (2, 25, 77, 78, 192, 250, *_span(251, 255), *_span(3000, 3035), *_span(13100, 13175), 5001),
        (41, 57, 79, *_span(4000, 4035), *_span(14100, 14175), 5002),
    ),
    Structure("cortex", GREY, (3, 80, 81, *_span(1000, 1035), *_span(11100, 11175)), (42, 82, *_span(2000, 2035), *_span(12100, 12175))),
    Structure("ventricles", CSF, (4, 5, 14, 15, 72), (43, 44)),
    Structure("outer CSF", CSF, (24, 257)),
    Structure("cerebellar white matter", WHITE, (7,), (46,)),
    Structure("cerebellar cortex", GREY, (8,), (47,)),
    Structure("thalamus", GREY, (9, 10), (48, 49)),
    Structure("caudate", GREY, (11,), (50,)),
    Structure("putamen", GREY, (12, 138), (51, 139)),
    Structure("pallidum", GREY, (13,), (52,)),
    Structure("hippocampus", GREY, (17, 18, 96), (53, 54, 97)),
    Structure("accumbens", GREY, (26,), (58,)),
    Structure("ventral diencephalon", WHITE, (27, 28), (59, 60)),
    Structure("brain stem", WHITE, (16, *_span(170, 178))),
    Structure("choroid plexus", GREY, (31, 136, 137), (63, 163, 164)),
    Structure("vessel", CSF, (30,), (62,)),
    Structure("optic chiasm", WHITE, (85,)),
    Structure("fluid beyond the brain mask", BACKGROUND, ()),
    Structure("inner air", BACKGROUND, (502,)),
    Structure("eyes", BACKGROUND, (506,)),
    Structure("soft tissue", BACKGROUND, (258, 500, 501, 503, 504, 505, 507, 510, 513, *_span(517, 529), *_span(531, 599))),
    Structure("eye muscles", BACKGROUND, (508,)),
    Structure("mucosa", BACKGROUND, (509,)),
    Structure("skin", BACKGROUND, (511,)),
    Structure("spinal cord", BACKGROUND, (512,)),
    Structure("veins", BACKGROUND, (514,)),
    Structure("compact bone", BACKGROUND, (165, 259, 515)),
    Structure("spongy bone", BACKGROUND, (516,)),
    Structure("optic nerve", BACKGROUND, (530,)),
)

CODES: dict[str, int] = {structure.name: code for code, structure in enumerate(STRUCTURES)}
"""A structure's code by its name."""

_OF_LABEL = {label: code for code, one in enumerate(STRUCTURES) for label in one.labels} | {
    label: code + RIGHT for code, one in enumerate(STRUCTURES) for label in one.right
}

TISSUES: NDArray[np.uint8] = np.zeros(2 * RIGHT, np.uint8)
"""Tissue class of every code."""
for _code, _structure in enumerate(STRUCTURES):
    TISSUES[[_code, _code + RIGHT]] = _structure.tissue


def codes_from_labels(labels: NDArray[np.generic], name: str = "The label map") -> NDArray[np.uint8]:
    """The structure in every voxel of a label map.

    Parameters
    ----------
    labels : array of whole numbers (of any type), shape (i, j, k)
        FreeSurfer's or SynthSeg's labels.
    name : str
        Named in the error.

    Returns
    -------
    array of uint8, same shape
        Index into `STRUCTURES`, plus `RIGHT` on the right side.

    Raises
    ------
    InputError
        If a label is not a whole number or not known; the unknown ones are listed with their voxel counts.
    """
    whole = np.asarray(labels)
    if whole.dtype.kind == "f":
        whole = np.rint(whole)
        if not np.array_equal(whole, labels):
            raise InputError(name, why="it holds numbers that are not whole: it is an image, not a label map", fix="Give a label map")
    if whole.size == 0 or whole.min() < 0 or whole.max() > 1 << 20:
        raise InputError(name, why="its numbers are not those of FreeSurfer's labels", fix="Give a FreeSurfer- or SynthSeg-style map")
    whole = whole.astype(np.int32, copy=False)
    counts = np.bincount(whole.ravel(order="K"))
    unknown = [int(label) for label in np.flatnonzero(counts) if int(label) not in _OF_LABEL]
    if unknown:
        listed = ", ".join(f"{label} ({counts[label]:,} voxels)" for label in unknown[:8])
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        fix = "Give each of them a label of FreeSurfer's aseg, or 0"
        raise InputError(name, why=f"the meaning of these labels is not known: {listed}{more}", fix=fix)
    table = np.zeros(counts.size, np.uint8)
    for label in np.flatnonzero(counts):
        table[label] = _OF_LABEL[int(label)]
    return np.asarray(table[whole])


def tissue_from_labels(labels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The tissue class in every voxel of a label map.

    Parameters
    ----------
    labels : array of whole numbers, shape (i, j, k)
        FreeSurfer's or SynthSeg's labels.

    Returns
    -------
    array of uint8, same shape
        0 outside the brain, 1 CSF, 2 grey matter, 3 white matter.

    Raises
    ------
    InputError
        As `codes_from_labels`.

    Notes
    -----
    Thalamus and pallidum count as grey, brain stem and ventral diencephalon as white matter, whatever a segmentation by intensity would
    make of them. Label 24, the fluid around the brain, is CSF up to the skull.
    """
    return np.asarray(TISSUES[codes_from_labels(labels)])
