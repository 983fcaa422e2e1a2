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
        What it is called, like "Dice".
    unit : str
        "ml", "regions", ...; empty for pure numbers.
    """

    name: str
    value: float | None
    definition: str
    reason: str = ""
    title: str = ""
    unit: str = ""

    @classmethod
    def of(cls, name: str, title: str, value: float | None, definition: str, undefined: str = "", unit: str = "") -> Metric:
        """A metric whose reason is `undefined` when its value is None, and empty otherwise."""
        return cls(name, value, definition, undefined if value is None else "", title, unit)

    @property
    def text(self) -> str:
        """The value with its unit, or the reason why there is none."""
        if self.value is None:
            return self.reason
        if self.unit in ("lesions", "regions"):
            return f"{self.value:.0f} {self.unit if self.value != 1 else self.unit[:-1]}"
        return f"{self.value:.3f} {self.unit}" if self.unit else f"{self.value:.4f}"

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
    counts = count(mask, truth, brain)
    if brain is not None:
        mask, truth = mask & brain, truth & brain
    return (*_voxel_metrics(counts, grid), *_lesion_metrics(mask, truth, connectivity))


def _voxel_metrics(counts: Counts, grid: Grid) -> tuple[Metric, ...]:
    ml = grid.voxel_volume_mm3 / 1000.0
    of = Metric.of
    return (
        of("dice", "Dice", counts.dice, "2 TP / (2 TP + FP + FN), over voxels", NOTHING_AT_ALL),
        of("precision", "Precision", counts.precision, "TP / (TP + FP), over voxels", NOTHING_FLAGGED),
        of("recall", "Recall", counts.recall, "TP / (TP + FN), over voxels; also called sensitivity", NO_TRUTH),
        of("f1", "F1", counts.dice, "harmonic mean of precision and recall; over voxels it equals Dice", NOTHING_AT_ALL),
        of("iou", "IoU", counts.iou, "TP / (TP + FP + FN), over voxels; also called Jaccard", NOTHING_AT_ALL),
        of("specificity", "Specificity", counts.specificity, "TN / (TN + FP), over voxels", ALL_TRUTH),
        of("accuracy", "Accuracy", counts.accuracy, "(TP + TN) / all, over voxels", "undefined: no voxel counts"),
        of("flagged_ml", "Volume flagged", counts.flagged * ml, "volume of all flagged voxels", unit="ml"),
        of("truth_ml", "Volume of the ground truth", (counts.tp + counts.fn) * ml, "volume of all voxels of the ground truth", unit="ml"),
        of("false_positive_ml", "False-positive volume", counts.fp * ml, "volume flagged outside the ground truth", unit="ml"),
        of("false_negative_ml", "False-negative volume", counts.fn * ml, "volume of the ground truth that is not flagged", unit="ml"),
    )


def _lesion_metrics(mask: NDArray[np.bool_], truth: NDArray[np.bool_], connectivity: int) -> tuple[Metric, ...]:
    lesions, regions = label(truth, connectivity), label(mask, connectivity)
    lesion_count, region_count = int(lesions.max(initial=0)), int(regions.max(initial=0))
    both = mask & truth
    lesions_hit, regions_hit = np.unique(lesions[both]).size, np.unique(regions[both]).size
    recall = lesions_hit / lesion_count if lesion_count else None
    precision = regions_hit / region_count if region_count else None
    kind = f"{connectivity}-connected"
    of = Metric.of
    return (
        of("lesion_recall", "Lesion-wise recall", recall, f"{kind} lesions that a flagged voxel touches / all lesions", NO_TRUTH),
        of("lesion_precision", "Lesion-wise precision", precision, f"{kind} regions that touch the truth / all regions", NOTHING_FLAGGED),
        of("lesions", "Lesions", float(lesion_count), f"{kind} components of the ground truth", unit="lesions"),
        of("regions", "Regions flagged", float(region_count), f"{kind} components of what is flagged", unit="regions"),
        of(
            "false_positive_regions",
            "False-positive regions",
            float(region_count - regions_hit),
            f"{kind} flagged regions that do not touch the ground truth",
            unit="regions",
        ),
        _box_iou(lesions, regions),
    )


def _box_iou(lesions: NDArray[np.uint32], regions: NDArray[np.uint32]) -> Metric:
    """Mean over lesions of the best box IoU (StRegA judges its detections by boxes: Chatterjee et al. 2022)."""
    definition = "mean over lesions of the largest IoU between the lesion's 3-D box and the box of a flagged region"
    wanted, found = _boxes(lesions), _boxes(regions)
    if not len(wanted):
        return Metric.of("box_iou", "Box IoU", None, definition, NO_TRUTH)
    if not len(found):
        return Metric.of("box_iou", "Box IoU", 0.0, definition)
    low = np.maximum(wanted[:, None, :, 0], found[None, :, :, 0])
    high = np.minimum(wanted[:, None, :, 1], found[None, :, :, 1])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    sizes = [(boxes[:, :, 1] - boxes[:, :, 0]).prod(axis=1) for boxes in (wanted, found)]
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    return Metric.of("box_iou", "Box IoU", float((shared / union).max(axis=1).mean()), definition)


def _boxes(labels: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Half-open boxes, shape (regions, 3, 2)."""
    return np.array([[(side.start, side.stop) for side in box] for box in find_objects(labels.astype(np.int32))], np.int64).reshape(
        -1, 3, 2
    )
