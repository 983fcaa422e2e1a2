"""A ground truth as it is given: told from what may be given in its place, so that no figure is made of that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.volume import Volume
from ...io.labels import TRUTH
from .load import MaskInput, as_mask


def as_truth(given: MaskInput, like: Volume) -> NDArray[np.bool_]:
    """A ground truth given as an array or as a file.

    Parameters
    ----------
    given : array, shape (i, j, k) in RAS+ axes, str or Path
        As for `load.as_mask`.
    like : Volume
        The scan it was drawn on; where it has a brain mask, some of that has to be healthy.

    Returns
    -------
    array of bool, shape of ``like.data``

    Raises
    ------
    InputError
        If it cannot be read, lies on another grid, holds grey values as a scan does, is an anomaly map by its name, or covers the brain.
    """
    truth = as_mask(given, like, label=TRUTH)
    if like.mask is not None:
        check_brain_left(truth, like.mask)
    return truth


def check_brain_left(truth: NDArray[np.bool_], brain: NDArray[np.bool_]) -> None:
    """Raise `InputError` if every voxel of the brain is ground truth: the two are one mask, or given in each other's place.

    Parameters
    ----------
    truth, brain : array of bool, shape (i, j, k)
    """
    if brain.any() and not (brain & ~truth).any():
        why = "every voxel of the brain mask is ground truth, so that nothing is left to tell it from"
        fix = "Give the mask of the lesions as ground truth, and that of the brain as mask; the two may be swapped"
        raise InputError("Ground truth and brain mask do not fit", why=why, fix=fix)
