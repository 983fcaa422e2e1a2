"""The one road from a raw anomaly map to mask and regions: what the window, the command line and scripts all take."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.checks import Finding, check_mask_not_empty, check_same_shape, raise_errors
from ..core.text import counted
from ..core.threshold import AUTO_RULE, Healthy, Threshold
from .clean_up import cleaned
from .edits import REJECTED
from .filters import bounding_box, erode, gaussian, median
from .params import PostParams
from .regions import Region, number_regions
from .thresholds import resolve


@dataclass(frozen=True, eq=False)
class PostResult:
    """What post-processing found.

    Parameters
    ----------
    mask : array of bool, shape (i, j, k)
        Flagged voxels.
    threshold : Threshold
        The value, the rule and where it came from.
    score : array of float32, shape (i, j, k)
        The filtered score that was thresholded.
    brain : array of bool, shape (i, j, k)
        The (eroded) brain mask within which voxels could be flagged.
    regions : tuple of Region
        Strongest first.
    labels : array of uint32, shape (i, j, k)
        `Region.number` at every flagged voxel, 0 elsewhere.
    """

    mask: NDArray[np.bool_]
    threshold: Threshold
    score: NDArray[np.float32]
    brain: NDArray[np.bool_]
    regions: tuple[Region, ...]
    labels: NDArray[np.uint32]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why there is no region, when there is none: a threshold that nothing reaches is no healthy brain."""
        if self.regions or not self.brain.any():
            return ()
        above = int(np.count_nonzero(self.score[self.brain] > self.threshold.value))
        if above and self.threshold.rule.kind == "fdr":
            message = f"no region differs from healthy brains at a false discovery rate of {self.threshold.rule.number:g}"
            fix = "Few healthy brains allow no small p-values, and many regions need them: ask for a higher rate, or add healthy scans"
            return (Finding("none-discovered", "warning", message, fix),)
        if above:
            message = f"the clean-up removed all of the {counted(above, 'voxel')} above the threshold"
            return (Finding("all-removed", "warning", message, "Use less opening, or a smaller smallest region, to see them"),)
        highest = float(self.score[self.brain].max())
        message = f"no voxel lies above the threshold {self.threshold.value:.4g}: the highest score in the brain is {highest:.4g}"
        return (
            Finding("nothing-above", "warning", message, "Lower the threshold, or choose another rule, if that is not what you expected"),
        )

    @property
    def reviewed_mask(self) -> NDArray[np.bool_]:
        """The mask without the regions that a person rejected."""
        rejected = [region for region in self.regions if region.review == REJECTED]
        mask = self.mask.copy() if rejected else self.mask
        for region in rejected:
            mask[region.slices] &= self.labels[region.slices] != region.number
        return mask


def filtered_score(amap: AnomalyMap, post: PostParams) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The slow half: filtered score and eroded brain. Depends on `median`, `gaussian_mm` and `erode` only, so it can be kept.

    Returns
    -------
    score : array of float32, shape (i, j, k)
        The map's background outside the eroded brain.
    brain : array of bool, shape (i, j, k)

    Raises
    ------
    InputError
        If erosion leaves nothing of the brain.
    """
    score = gaussian(median(amap.score, post.median), post.gaussian_mm, amap.grid)
    brain = erode(amap.mask, post.erode)
    raise_errors(amap.name, (check_mask_not_empty(brain, "eroded brain mask" if post.erode else "brain mask"),))
    if score is amap.score and brain is amap.mask:
        return score, brain
    return np.where(brain, score, np.float32(amap.background)), brain


THRESHOLD_WORDS = "default_threshold_words"
"""Part of a map's provenance that says where its own threshold comes from, where that is a number worked out for this map."""


def find_threshold(
    amap: AnomalyMap,
    post: PostParams,
    filtered: tuple[NDArray[np.float32], NDArray[np.bool_]],
    *,
    truth: NDArray[np.bool_] | None = None,
    healthy: Healthy | None = None,
) -> Threshold:
    """The threshold that `post` asks for; "auto" is the method's own rule, and the origin says so.

    A method with a healthy reference of enough real brains has that one's rule, others keep what stands on their card.
    """
    auto = post.rule == AUTO_RULE
    own = healthy.default if healthy is not None and healthy.sets_default else amap.default_threshold
    rule = own if auto else post.rule
    prefix = f"default of the method '{amap.method}': " if auto else ""
    found = resolve(rule, *filtered, post=post, grid=amap.grid, truth=truth, healthy=healthy, origin_prefix=prefix)
    said = amap.provenance.get(THRESHOLD_WORDS) if auto and rule is amap.default_threshold else None
    return replace(found, origin=said) if isinstance(said, str) else found


def postprocess(
    amap: AnomalyMap,
    post: PostParams,
    *,
    truth: NDArray[np.bool_] | None = None,
    healthy: Healthy | None = None,
    peers: Healthy | None = None,
    filtered: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
) -> PostResult:
    """Filter, threshold, clean up and measure an anomaly map; the map itself is left as it is.

    Parameters
    ----------
    amap : AnomalyMap
        The raw map.
    post : PostParams
        The settings.
    truth : array of bool, shape (i, j, k), optional
        Ground truth: for the rule "best-dice" and for hits and false alarms.
    healthy : Healthy, optional
        How healthy brains score by this method: for the default of methods that have it, and for the rules that need it.
    peers : Healthy, optional
        Those of them whom regions are compared with by "fdr": people of similar age, say. All of them when None.
    filtered : tuple of array, optional
        What `filtered_score` gave for the same map and filters, to save its time.

    Raises
    ------
    InputError
        If a rule lacks what it needs, or the brain is empty.
    """
    if truth is not None:
        raise_errors(amap.name, (check_same_shape(amap.grid.shape, truth.shape, "ground truth"),))
    score, brain = filtered_score(amap, post) if filtered is None else filtered
    threshold = find_threshold(amap, post, (score, brain), truth=truth, healthy=healthy)
    flagged = threshold.flag(score) & brain
    # All that follows happens where something is flagged, mostly a small part of the volume.
    box = bounding_box(flagged) if flagged.any() else (slice(0, 0),) * 3
    large = cleaned(flagged[box], post, amap.grid)
    labels, regions = number_regions(large, score, amap.grid, truth=truth, threshold=threshold.value, within=box)
    peers = healthy if peers is None else peers
    if threshold.rule.kind == "fdr" and peers is not None:
        # Without a region, too: a rate that so many brains cannot give is refused whatever the scan shows.
        kept = peers.discoveries([region.strength for region in regions], threshold.value, float(threshold.rule.number or 0.0))
        large = np.where(np.append(False, kept)[labels[box]], large, np.uint32(0))
        labels, regions = number_regions(large, score, amap.grid, truth=truth, threshold=threshold.value, within=box)
    return PostResult(labels > 0, threshold, score, brain, regions, labels)
