"""What makes figures against a ground truth undefined or meaningless, said before they are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding

_MOST_OF_THE_BRAIN = 0.6
"""Lesions cover less of a brain. What covers more is a brain mask or a map of its anatomy."""


def truth_findings(truth: NDArray[np.bool_], brain: NDArray[np.bool_] | None = None) -> tuple[Finding, ...]:
    """Warnings about a ground truth: empty, outside the brain, or most of it.

    Parameters
    ----------
    truth : array of bool, shape (i, j, k)
    brain : array of bool, same shape, optional
        The voxels that were scored.
    """
    if not truth.any():
        what = "recall and the curves are undefined, and Dice is 0 where anything is flagged"
        message = f"the ground truth is empty (no voxel of it counts as lesion): {what}"
        return (Finding("empty-truth", "warning", message, "Right for a healthy scan; otherwise give the mask of its lesions"),)
    if brain is None or not brain.any():
        return ()
    inside = int(np.count_nonzero(truth & brain))
    if not inside:
        message = "no voxel of the ground truth lies in the brain that was scored: nothing of it can be found"
        return (Finding("truth-outside-brain", "warning", message, "Check that truth and brain mask belong to this scan"),)
    share = inside / int(np.count_nonzero(brain))
    if share > _MOST_OF_THE_BRAIN:
        message = f"the ground truth covers {100 * share:.0f} % of the brain"
        return (Finding("truth-covers-brain", "warning", message, "Check that it is a mask of lesions, not of the brain or its anatomy"),)
    return ()
