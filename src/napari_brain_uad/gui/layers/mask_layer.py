"""An array-like for a Labels layer that compares with the threshold only where the canvas looks.

A tick of the threshold then costs one slice, not a volume: napari asks for ``data[key]`` of the slice it shows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.threshold import Threshold
from ...evaluation.colours import FALSE_ALARM_COLOUR, HIT_COLOUR, MISS_COLOUR
from ...postprocessing.region_colours import REGION_COLOURS
from .region_colours import FIRST_REGION, region_labels

if TYPE_CHECKING:
    from ...postprocessing.pipeline import PostResult

FLAGGED, MISSED, HIT = 1, 2, 3
"""Label values: flagged (a false alarm when there is a ground truth), in the truth only, in both."""

FLAGGED_COLOUR = "#00C8C8"


def region_colormap(with_truth: bool) -> DirectLabelColormap:
    """Colours of a mask: those of its regions without a ground truth; hit, false alarm and miss with one."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent", FLAGGED: FALSE_ALARM_COLOUR if with_truth else FLAGGED_COLOUR}
    if with_truth:
        colours |= {MISSED: MISS_COLOUR, HIT: HIT_COLOUR}
    else:
        colours |= {FIRST_REGION + number: colour for number, colour in enumerate(REGION_COLOURS)}
    return DirectLabelColormap(color_dict=colours)


class Refilled(ABC):
    """Labels that are computed when they are asked for, and can be computed again in place."""

    _given: tuple[Any, ref[NDArray[np.uint8]]] | None = None

    def refill(self, shown: NDArray[np.uint8]) -> bool:
        """Compute labels again in place, in an array that is the latest answer of this object, or a transposed view of it.

        Returns
        -------
        bool
            False, and nothing is changed, when `shown` is another array: then somebody has to ask for the slice.
        """
        if self._given is None:
            return False
        key, given = self._given[0], self._given[1]()
        if given is None or (shown is not given and shown.base is not given):
            return False
        given[...] = self._labels(key)
        return True

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        labels = self._labels(key)
        # A single label is a number, which nobody can be shown again in place.
        self._given = (key, ref(labels)) if np.ndim(labels) else None
        return labels

    @abstractmethod
    def _labels(self, key: Any) -> NDArray[np.uint8]:
        """The labels at an index."""


class LiveMask(Refilled):
    """Labels computed when they are asked for: ``(score > threshold) + 2 * truth``, or without a truth one for each region's colour.

    Parameters
    ----------
    score : array of float32, shape (k, j, i)
        The filtered score; voxels that are never flagged hold -inf (see `scored`).
    threshold : Threshold
        What flags a voxel.
    truth : array of bool, shape (k, j, i), optional
        Ground truth.

    Notes
    -----
    After `settle` the labels come from a finished mask instead, until `set_threshold` is called again. What was part of a region keeps its
    label while it is flagged: colours do not change under a moving threshold.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, score: NDArray[np.float32], threshold: Threshold, truth: NDArray[np.bool_] | None = None) -> None:
        self._score = score
        self._truth = None if truth is None else truth.view(np.uint8)
        self._settled: NDArray[np.bool_] | None = None
        self._regions: NDArray[np.uint8] | None = None
        self.set_threshold(threshold)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (k, j, i)."""
        return self._score.shape

    @property
    def ndim(self) -> int:
        """Always 3."""
        return self._score.ndim

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self._score.size

    @property
    def has_truth(self) -> bool:
        """Whether there is a ground truth."""
        return self._truth is not None

    @property
    def settled(self) -> bool:
        """Whether the labels come from a finished mask."""
        return self._settled is not None

    def set_threshold(self, threshold: Threshold) -> None:
        """Flag by `threshold` from now on."""
        self.threshold = threshold
        # float32 like the score: see Threshold.flag.
        if threshold.per_slice is None:
            self._limit: np.float32 | NDArray[np.float32] = np.float32(threshold.value)
        else:
            self._limit = np.broadcast_to(threshold.per_slice.astype(np.float32)[:, None, None], self._score.shape)
        self._settled = None

    def set_score(self, score: NDArray[np.float32]) -> None:
        """Another filtered score on the same grid."""
        self._score = score
        self._settled = None

    def set_truth(self, truth: NDArray[np.bool_] | None) -> None:
        """Another ground truth on the same grid, shape (k, j, i), or none."""
        self._truth = None if truth is None else truth.view(np.uint8)

    def take(self, other: LiveMask) -> None:
        """Show what another mask on the same grid shows."""
        vars(self).update({name: value for name, value in vars(other).items() if name != "_given"})

    def settle(self, mask: NDArray[np.bool_], regions: NDArray[np.uint8] | None = None) -> None:
        """Show this finished mask, shape (k, j, i), and its regions' labels (see `region_colours.region_labels`) if they have any."""
        self._settled, self._regions = mask, regions

    def flagged(self) -> NDArray[np.bool_]:
        """The whole mask without the truth, shape (k, j, i)."""
        return self._settled if self._settled is not None else np.asarray(self._score > self._limit)

    def _labels(self, key: Any) -> NDArray[np.uint8]:
        if self._settled is not None:
            flagged = self._settled[key]
        else:
            limit = self._limit if isinstance(self._limit, np.float32) else self._limit[key]
            flagged = self._score[key] > limit
        labels = np.asarray(flagged, dtype=np.uint8)
        if self._truth is not None:
            return np.asarray(labels + 2 * self._truth[key])
        return labels if self._regions is None else np.asarray(labels * np.maximum(self._regions[key], FLAGGED))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[...], dtype=dtype)


def scored(score: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A score that no threshold flags outside `mask`: -inf there. Shapes (i, j, k)."""
    return np.where(mask, score, np.float32(-np.inf))


def turned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask (i, j, k) laid out as a layer holds it, (k, j, i); most of a volume is empty, and is not copied."""
    if mask.T.flags.c_contiguous or not mask.any():
        return np.ascontiguousarray(mask.T)
    # In a function: it brings scipy, which would slow the opening of the docks.
    from ...postprocessing.filters import bounding_box

    i, j, k = bounding_box(mask)
    out = np.zeros(mask.shape[::-1], np.bool_)
    out[k, j, i] = mask[i, j, k].T
    return out


def finished_mask(amap: AnomalyMap, result: PostResult, truth: NDArray[np.bool_] | None = None) -> LiveMask:
    """The mask of a finished result without rejected regions, as a layer holds it; at 1 mm 0.1 s, so rather in a job than in the window.

    Parameters
    ----------
    amap : AnomalyMap
        The map that `result` came from.
    result : PostResult
        Gives threshold and mask.
    truth : array of bool, shape (i, j, k), optional
        Ground truth.
    """
    score = np.ascontiguousarray(scored(amap.score, amap.mask).T)
    live = LiveMask(score, result.threshold, None if truth is None else np.ascontiguousarray(truth.T))
    live.settle(turned(result.reviewed_mask), region_labels(result.labels) if truth is None else None)
    return live
