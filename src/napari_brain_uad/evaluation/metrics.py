"""Figures of one mask against one ground truth, each with its definition; what is undefined says so and is never NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from ..core.checks import check_same_shape, raise_errors
from ..core.volume import Grid
from ..postprocessing.components import label
from ..postprocessing.ranking import Counts

HIT_COLOUR, FALSE_ALARM_COLOUR, MISS_COLOUR = "#009E73", "#E69F00", "#56B4E9"
"""Okabe and Ito's green, orange and sky blue: told apart with every common form of colour blindness."""

NO_TRUTH = "undefined: the ground truth is empty"
ALL_TRUTH = "undefined: every voxel is ground truth"
NOTHING_FLAGGED = "undefined: nothing is flagged"
NOTHING_AT_ALL = "undefined: nothing is flagged and the ground truth is empty"


@dataclass(frozen=True)
class Metric:
    """One figure.

    Parameters
    ----------
    name : str
        Stable key, like "dice".
    value : float or None
        None when undefined.
    definition : str
        How it is computed, in one line.
    reason : str
        Why it is undefined ("undefined: ..."); empty when it is defined.
    title : str
        What people call it, like "Dice".
    unit : str
        "ml", "voxels", ...; empty for pure numbers.
    """

    name: str
    value: float | None
    definition: str
    reason: str = ""
    title: str = ""
    unit: str = ""

    @property
    def text(self) -> str:
        """The value with its unit, or the reason why there is none."""
        if self.value is None:
            return self.reason
        number = f"{self.value:.0f}" if self.unit in ("regions", "voxels") else f"{self.value:.4f}"
        return f"{number} {self.unit}".strip()

    def as_dict(self) -> dict[str, Any]:
        """The metric as plain JSON data."""
        record: dict[str, Any] = {"value": self.value, "definition": self.definition}
        return record | ({"unit": self.unit} if self.unit else {}) | ({"reason": self.reason} if self.value is None else {})


def count(mask: NDArray[np.bool_], truth: NDArray[np.bool_], brain: NDArray[np.bool_] | None = None) -> Counts:
    """Confusion table of a mask, over all voxels or those of `brain`.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    raise_errors("Metrics", (check_same_shape(mask.shape, truth.shape, "ground truth"),))
    if brain is not None:
        raise_errors("Metrics", (check_same_shape(mask.shape, brain.shape, "brain mask"),))
        mask, truth = mask & brain, truth & brain
    tp = int(np.count_nonzero(mask & truth))
    fp = int(np.count_nonzero(mask)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    voxels = mask.size if brain is None else int(np.count_nonzero(brain))
    return Counts(tp=tp, fp=fp, fn=fn, tn=voxels - tp - fp - fn)


def at_threshold(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_], brain: NDArray[np.bool_] | None, grid: Grid, *, connectivity: int = 26
) -> tuple[Metric, ...]:
    """Every figure of one mask.

    Parameters
    ----------
    mask : array of bool, shape (i, j, k)
        What was flagged.
    truth : array of bool, same shape
    brain : array of bool, same shape, or None
        The voxels that count; all when None.
    grid : Grid
        Gives volumes in ml.
    connectivity : int
        6, 18 or 26: what makes lesions and regions.
    """
    if brain is not None:
        mask, truth = mask & brain, truth & brain
    counts = count(mask, truth, brain)
    return (*_voxel_metrics(counts, grid), *_lesion_metrics(mask, truth, connectivity))


def _voxel_metrics(counts: Counts, grid: Grid) -> tuple[Metric, ...]:
    ml = grid.voxel_volume_mm3 / 1000.0
    truth_empty = NO_TRUTH if counts.tp + counts.fn == 0 else ""
    nothing = NOTHING_AT_ALL if counts.tp + counts.fp + counts.fn == 0 else ""
    return (
        Metric("dice", counts.dice, "2 TP / (2 TP + FP + FN), over voxels", nothing, "Dice"),
        Metric("precision", counts.precision, "TP / (TP + FP), over voxels", NOTHING_FLAGGED if counts.flagged == 0 else "", "Precision"),
        Metric("recall", counts.recall, "TP / (TP + FN), over voxels; also called sensitivity", truth_empty, "Recall"),
        Metric("f1", counts.dice, "harmonic mean of precision and recall; over voxels it equals Dice", nothing, "F1"),
        Metric("iou", counts.iou, "TP / (TP + FP + FN), over voxels; also called Jaccard", nothing, "IoU"),
        Metric(
            "specificity", counts.specificity, "TN / (TN + FP), over voxels", ALL_TRUTH if counts.tn + counts.fp == 0 else "", "Specificity"
        ),
        Metric("accuracy", counts.accuracy, "(TP + TN) / all, over voxels", "undefined: no voxels", "Accuracy"),
        Metric("flagged_ml", counts.flagged * ml, "volume flagged", "", "Volume flagged", "ml"),
        Metric("truth_ml", (counts.tp + counts.fn) * ml, "volume of the ground truth", "", "Volume of the ground truth", "ml"),
        Metric("false_positive_ml", counts.fp * ml, "volume flagged outside the ground truth", "", "False-positive volume", "ml"),
        Metric("false_negative_ml", counts.fn * ml, "volume of the ground truth that is not flagged", "", "False-negative volume", "ml"),
    )


def _lesion_metrics(mask: NDArray[np.bool_], truth: NDArray[np.bool_], connectivity: int) -> tuple[Metric, ...]:
    lesions, regions = label(truth, connectivity), label(mask, connectivity)
    lesion_count, region_count = int(lesions.max(initial=0)), int(regions.max(initial=0))
    lesions_hit = np.unique(lesions[mask & truth]).size
    regions_hit = np.unique(regions[mask & truth]).size
    near = f"{connectivity}-connected"
    return (
        Metric(
            "lesion_recall",
            lesions_hit / lesion_count if lesion_count else None,
            f"{near} lesions of the truth that a flagged voxel touches / all lesions",
            "" if lesion_count else NO_TRUTH,
            "Lesion-wise recall",
        ),
        Metric(
            "lesion_precision",
            regions_hit / region_count if region_count else None,
            f"{near} flagged regions that touch the truth / all flagged regions",
            "" if region_count else NOTHING_FLAGGED,
            "Lesion-wise precision",
        ),
        Metric("lesions", float(lesion_count), f"{near} components of the ground truth", "", "Lesions", "regions"),
        Metric("regions", float(region_count), f"{near} components of what is flagged", "", "Regions flagged", "regions"),
        Metric(
            "false_positive_regions",
            float(region_count - regions_hit),
            f"{near} flagged regions that do not touch the ground truth",
            "",
            "False-positive regions",
            "regions",
        ),
        _box_iou(lesions, regions),
    )


def _box_iou(lesions: NDArray[np.uint32], regions: NDArray[np.uint32]) -> Metric:
    """Mean over lesions of the best box IoU (StRegA judges its detections by boxes: Chatterjee et al. 2022)."""
    definition = "mean over lesions of the largest IoU between the lesion's 3-D box and the box of a flagged region"
    title = "Box IoU"
    wanted, found = _boxes(lesions), _boxes(regions)
    if not len(wanted):
        return Metric("box_iou", None, definition, NO_TRUTH, title)
    if not len(found):
        return Metric("box_iou", 0.0, definition, "", title)
    low = np.maximum(wanted[:, None, :, 0], found[None, :, :, 0])
    high = np.minimum(wanted[:, None, :, 1], found[None, :, :, 1])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    sizes = [(boxes[:, :, 1] - boxes[:, :, 0]).prod(axis=1) for boxes in (wanted, found)]
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    return Metric("box_iou", float((shared / union).max(axis=1).mean()), definition, "", title)


def _boxes(labels: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Half-open boxes, shape (regions, 3, 2)."""
    return np.array([[(side.start, side.stop) for side in box] for box in find_objects(labels.astype(np.int32))], np.int64).reshape(
        -1, 3, 2
    )
